import { setTimeout as sleep } from 'node:timers/promises';
import type { TestDatabase } from './database.ts';
import { runOnServer } from './server.ts';

/**
 * Makes a test's own database unreachable, as a failed server would be: connections are cut, new ones refused.
 *
 * @returns what brings it back
 */
export async function takeAway({ name, adminUrl }: TestDatabase): Promise<() => Promise<void>> {
  await runOnServer(adminUrl, [
    `alter database ${name} allow_connections false`,
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
  ]);
  return () => runOnServer(adminUrl, [`alter database ${name} allow_connections true`]);
}

/** Waits until something is so. @throws when it does not become so within the seconds */
export async function eventually(
  what: string,
  isSo: () => Promise<boolean> | boolean,
  seconds = 30,
): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await sleep(20);
  }
}
