import type pg from 'pg';
import { connectionConfig, openLink, type Link } from '../db/connection.ts';
import { openDatabase, type Database } from '../db/database.ts';

/** A gateway's connections, each for its own kind of work: none of them waits behind another kind. */
export interface Connections {
  /** Health, lags and the index stage. */
  main: { database: Database; pool: pg.Pool };
  /** Reads of one subject: pipelined, and for short statements alone. */
  records: Link;
  /** Reads of many subjects at once. */
  bulk: pg.Pool;
  /** Searches for records: one that finds next to nothing among very many may be long, and is given up soon. */
  find: pg.Pool;
  /** Quotas and guesses. */
  limits: pg.Pool;
  /** Auditors' searches in the log, tiles and proofs. */
  search: { database: Database; pool: pg.Pool };
  /** Registers, and acts on them. */
  govern: Database;
  /** Of the appender, which opens its own. */
  append: pg.ClientConfig;
  close(): Promise<void>;
}

/** Opens the connections of the gateway's role; each connects when it is first used. */
export function openConnections(url: string): Connections {
  const main = openDatabase(url, 'onevisit');
  const records = openLink(connectionConfig(url, 'onevisit read', { pipeline: true }));
  const bulk = openDatabase(url, 'onevisit bulk', { maxConnections: 3 });
  const find = openDatabase(url, 'onevisit find', { maxConnections: 2, statementTimeoutMs: 2000 });
  const limits = openDatabase(url, 'onevisit limits', { maxConnections: 2 });
  const search = openDatabase(url, 'onevisit search', { maxConnections: 2 });
  const govern = openDatabase(url, 'onevisit govern', { maxConnections: 2 });
  return {
    main,
    records,
    bulk: bulk.pool,
    find: find.pool,
    limits: limits.pool,
    search,
    govern: govern.database,
    append: connectionConfig(url, 'onevisit append'),
    async close() {
      await Promise.all([records, bulk, find, limits, search, govern, main].map((each) => each.close()));
    },
  };
}
