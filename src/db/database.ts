import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { connectionConfig } from './connection.ts';
import type { Tables } from './tables.ts';

export type Database = Kysely<Tables>;

/** A pool with Kysely on it, for all that is not the hot path. */
export function openDatabase(
  url: string,
  applicationName: string,
  options: { maxConnections?: number; statementTimeoutMs?: number } = {},
): { pool: pg.Pool; database: Database; close: () => Promise<void> } {
  const pool = new pg.Pool({
    ...connectionConfig(url, applicationName),
    max: options.maxConnections ?? 4,
    ...(options.statementTimeoutMs !== undefined && {
      statement_timeout: options.statementTimeoutMs,
      query_timeout: options.statementTimeoutMs + 3000,
    }),
  });
  // A server that stops would otherwise end the process; whoever queries next hears of it.
  pool.on('error', () => undefined);
  // So would a connection that is lost while somebody has it in hand, whose statement fails by then.
  pool.on('connect', (client) => client.on('error', () => undefined));
  const database = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  return { pool, database, close: () => pool.end() };
}
