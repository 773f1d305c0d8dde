import pg from 'pg';
import type { Config } from '../base/config.ts';
import { connectionConfig } from '../db/connection.ts';
import { openDatabase, type Database } from '../db/database.ts';
import { openEmbedded } from '../db/embedded.ts';
import { migrate } from '../audit/migrate.ts';
import { listPendingMigrations } from '../db/migrate.ts';
import { UserError } from '../base/errors.ts';

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

/** Runs reading work on one connection: that of DATABASE_URL is enough. @throws Error as pg when it can't be opened */
export function withClient<T>(config: Config, work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
  const onUrl = async (found: string): Promise<T> => {
    const client = new pg.Client(connectionConfig(found, 'onevisit verify'));
    // A connection that breaks fails the next query; without a listener it would end the process.
    client.on('error', () => undefined);
    try {
      await client.connect();
      return await work(client);
    } finally {
      await client.end();
    }
  };
  const url = config.adminDatabaseUrl ?? config.databaseUrl;
  return url === null ? withAdminUrl(config, onUrl) : onUrl(url);
}
