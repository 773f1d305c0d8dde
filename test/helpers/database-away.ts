/** For tests without a database: makes one unreachable and brings it back. */
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
