/** For tests of the audit log: entries, an appender, locks, and sessions that are killed. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { Test } from 'tap';
import { openAppender, type Appender } from '../../src/audit/append.ts';
import { encodeEntry, type Entry, type Leaf } from '../../src/audit/entry.ts';
import { connectionConfig } from '../../src/db/connection.ts';
import type { TestDatabase } from './database.ts';
import { until } from './until.ts';

export function newLeaf(more: Partial<Entry> = {}): Leaf {
  return encodeEntry({ kind: 'exchange', id: randomUUID(), time: new Date(), outcome: 'refused', ...more });
}

/** An appender in the gateway's role, and the sizes of its batches. */
export function startAppender(
  t: Test,
  { gatewayUrl }: TestDatabase,
  name = 'test append',
): { appender: Appender; batches: number[] } {
  const batches: number[] = [];
  const appender = openAppender(connectionConfig(gatewayUrl, name), (entries) => batches.push(entries));
  t.teardown(() => appender.close());
  return { appender, batches };
}

export async function readVersion({ pool }: TestDatabase): Promise<number> {
  const { rows } = await pool.query<{ version: number }>('select version from audit.authority');
  return rows[0]!.version;
}

/** The number of entries, which in a log without gaps is the next index. */
export async function countEntries({ pool }: Pick<TestDatabase, 'pool'>): Promise<number> {
  const { rows } = await pool.query<{ count: number }>('select count(*) as count from audit.entry');
  return rows[0]!.count;
}

/** A connection of its own, closed at the end of the test. */
export async function connect(t: Test, url: string, statementTimeoutMs = 5000): Promise<pg.Client> {
  const client = new pg.Client(
    connectionConfig(url, 'test session', {
      idle_in_transaction_session_timeout: 0,
      statement_timeout: statementTimeoutMs,
      query_timeout: statementTimeoutMs + 3000,
    }),
  );
  client.on('error', () => undefined);
  await client.connect();
  t.teardown(() => client.end().catch(() => undefined));
  return client;
}

/** The lock of whoever writes the log, and of whoever fills the search tables. */
export const logLocks = {
  append: 'lock table audit.authority in share row exclusive mode',
  index: 'select pg_advisory_xact_lock(7103, 2)',
} as const;

/** Holds a lock of the log in another session until released. */
export async function holdLock(
  t: Test,
  { adminUrl }: TestDatabase,
  lock: string,
): Promise<{ release: () => Promise<void> }> {
  const client = await connect(t, adminUrl);
  await client.query('begin');
  await client.query(lock);
  return {
    async release() {
      await client.query('commit');
    },
  };
}

/** Waits until a session of the name waits for a lock. */
export async function untilBlocked({ pool }: TestDatabase, applicationName: string): Promise<void> {
  await until(`${applicationName} waits for a lock`, async () => {
    const { rowCount } = await pool.query(
      `select 1 from pg_stat_activity
       where datname = current_database() and application_name = $1 and wait_event_type = 'Lock'`,
      [applicationName],
    );
    return rowCount! > 0;
  });
}

/** Ends the sessions of the name, as a server that goes away does; says how many there were. */
export async function killSessions({ pool }: TestDatabase, applicationName: string): Promise<number> {
  const { rowCount } = await pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and application_name = $1`,
    [applicationName],
  );
  return rowCount ?? 0;
}

/** As a superuser puts a database back: what came after the size is gone, checkpoints and all. */
export async function putBack(test: TestDatabase, size: number): Promise<void> {
  const client = await test.pool.connect();
  const tables = ['entry_0000', 'tile', 'checkpoint'].map((name) => `audit.${name}`);
  for (const table of tables) await client.query(`alter table ${table} disable trigger all`);
  await client.query(`delete from audit.entry_0000 where index >= ${size}`);
  await client.query(`delete from audit.checkpoint where size > ${size}`);
  await client.query(`delete from audit.tile where (n + 1) * 256 ^ (level + 1) > ${size}`);
  for (const table of tables) {
    await client.query(`alter table ${table} enable always trigger append_only`);
    await client.query(`alter table ${table} enable always trigger no_truncate`);
  }
  client.release();
}

/** Appends entries until the log has this many. */
export async function fillTo(test: TestDatabase, size: number): Promise<void> {
  for (let from = await countEntries(test); from < size; from += 2000) {
    const leaves = Array.from({ length: Math.min(2000, size - from) }, () => newLeaf());
    await test.pool.query('select audit.append($1, $2, $3)', [
      await readVersion(test),
      leaves.map(({ bytes }) => bytes),
      leaves.map(({ hash }) => hash),
    ]);
  }
}
