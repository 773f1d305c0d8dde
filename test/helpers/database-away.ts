import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { withDatabase, type TestDatabase } from './gateway.ts';

/**
 * Makes a test's own database unreachable, as a failed server would be: connections are cut, new ones refused.
 *
 * @returns what brings it back
 */
export async function takeAway({ name, adminUrl }: TestDatabase): Promise<() => Promise<void>> {
  await onServer(adminUrl, [
    `alter database ${name} allow_connections false`,
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
  ]);
  return () => onServer(adminUrl, [`alter database ${name} allow_connections true`]);
}

async function onServer(adminUrl: string, statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: withDatabase(adminUrl, 'postgres') });
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
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
