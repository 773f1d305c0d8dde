import type { Config } from './config.ts';
import { openDatabase, type Database } from './db/database.ts';
import { openEmbedded } from './db/embedded.ts';
import { listPendingMigrations, migrate } from './db/migrate.ts';
import { UserError } from './errors.ts';

/**
 * Runs administering work as the owner: on ADMIN_DATABASE_URL, or on the embedded server of the home, which is
 * started for the while when no gateway runs on it.
 *
 * @throws UserError when the database is not migrated
 */
export async function administer<T>(
  config: Config,
  work: (database: Database, adminUrl: string) => Promise<T>,
): Promise<T> {
  return withAdminUrl(config, async (adminUrl) => {
    const { database, close } = openDatabase(adminUrl, 'onevisit admin', { maxConnections: 2 });
    try {
      const pending = await listPendingMigrations(database);
      if (pending.length > 0)
        throw new UserError(`the database lacks ${pending.length} migrations: run "onevisit migrate"`);
      return await work(database, adminUrl);
    } finally {
      await close();
    }
  });
}

/** The owner's connection for the while; an embedded database is brought to this program's schema first. */
export async function withAdminUrl<T>(config: Config, work: (adminUrl: string) => Promise<T>): Promise<T> {
  if (config.adminDatabaseUrl !== null) return work(config.adminDatabaseUrl);
  const server = await openEmbedded(config.home);
  try {
    if (server.owned) await migrate(server.adminUrl);
    return await work(server.adminUrl);
  } finally {
    await server.stop();
  }
}
