import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import { deriveLogSecrets, subjectRef } from '../../../src/audit/subjects.ts';
import { readIndexLag, startIndexStage } from '../../../src/audit/search/index-stage.ts';
import { openDatabase } from '../../../src/db/database.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { createDatabase, type TestDatabase } from '../../helpers/database.ts';
import { keys } from '../../helpers/keys.ts';
import {
  countEntries,
  connect,
  holdLock,
  logLocks,
  newLeaf,
  readVersion,
  startAppender,
} from '../../helpers/log.ts';
import { until } from '../../helpers/until.ts';

const secrets = deriveLogSecrets(keys.logSecret);
const ref = (id: string): string => subjectRef(secrets, 'citizens', id);

async function appendEntries(t: Test, test: TestDatabase, count: number): Promise<void> {
  const { appender } = startAppender(t, test);
  const authority = await readVersion(test);
  await Promise.all(
    Array.from({ length: count }, (_, i) =>
      appender.append(
        newLeaf({
          time: new Date(Date.now() + (i % 7) * 1000),
          consumer: ['taxation', 'civil-affairs', undefined][i % 3],
          dataset: i % 2 === 0 ? 'citizens' : undefined,
          provider: 'public-security',
          purpose: 'tax-assessment',
          official: i % 5 === 0 ? { id: `official "${i}"`, proof: 'asserted' } : undefined,
          case: i % 4 === 0 ? `案 ${i}` : undefined,
          subjects: i % 2 === 0 ? [ref('a'), ref(String(i)), ref('a')] : undefined,
        }),
        authority,
      ),
    ),
  );
}

async function step(test: TestDatabase, atMost: number): Promise<number> {
  const { rows } = await test.pool.query<{ taken: number }>('select audit.index_entries($1) as taken', [
    atMost,
  ]);
  return rows[0]!.taken;
}

/** What the search tables hold, in an order of its own. */
async function searchTables({ pool }: TestDatabase): Promise<unknown[]> {
  const found = await pool.query('select * from audit.find order by index');
  const subjects = await pool.query('select * from audit.find_subject order by subject_ref, index');
  return [...found.rows, ...subjects.rows];
}

await t.test(
  'fills the search tables from the bytes, in steps that end where they are told to',
  async (t) => {
    const test = await createDatabase(t);
    await appendEntries(t, test, 100);
    const total = await countEntries(test);
    t.strictSame([await step(test, 30), await step(test, 30)], [30, 30]);
    const { rows } = await test.pool.query(
      'select audit.indexed() as mark, count(*) as held from audit.find',
    );
    t.strictSame(rows, [{ mark: 60, held: 60 }]);
    t.equal(await step(test, total), total - 60, 'the next takes it up there');
    t.equal(await step(test, total), 0);
    const { rows: subjects } = await test.pool.query<{ count: number }>(
      'select count(*) as count from audit.find_subject where subject_ref = $1',
      [Buffer.from(ref('a'), 'base64url')],
    );
    t.equal(subjects[0]!.count, 50, 'a subject named twice in an entry is found once');
    await checkAuditLog(t, test);
  },
);

await t.test('runs in one process at a time', async (t) => {
  const test = await createDatabase(t);
  const lock = await holdLock(t, test, logLocks.index);
  t.equal(await step(test, 10), -1);
  t.equal((await searchTables(test)).length, 0);
  await lock.release();
  t.equal(await step(test, 10), 10);
  await checkAuditLog(t, test);
});

await t.test('leaves a step that was cut short undone', async (t) => {
  const test = await createDatabase(t);
  await appendEntries(t, test, 20);
  const client = await connect(t, test.gatewayUrl);
  await client.query('begin');
  await client.query('select audit.index_entries(25)');
  await client.query('rollback');
  t.equal((await searchTables(test)).length, 0);
  await checkAuditLog(t, test);
});

await t.test('builds the search tables again from the entries', async (t) => {
  const test = await createDatabase(t);
  await appendEntries(t, test, 60);
  while ((await step(test, 1000)) > 0);
  const before = await searchTables(test);
  t.ok(before.length > 100);
  await test.pool.query('delete from audit.find');
  await test.pool.query('delete from audit.find_subject');
  while ((await step(test, 7)) > 0);
  t.strictSame(await searchTables(test), before);
  await checkAuditLog(t, test);
});

await t.test('says how far it is behind, in entries and in seconds', async (t) => {
  const test = await createDatabase(t);
  while ((await step(test, 1000)) > 0);
  t.strictSame(await readIndexLag(test.pool), { entries: 0, oldestSeconds: 0 });
  const { appender } = startAppender(t, test);
  const authority = await readVersion(test);
  for (const ageSeconds of [90, 30, 0])
    await appender.append(newLeaf({ time: new Date(Date.now() - ageSeconds * 1000) }), authority);
  const lag = await readIndexLag(test.pool);
  t.equal(lag.entries, 3);
  t.ok(lag.oldestSeconds >= 89, `the oldest counts: ${lag.oldestSeconds}`);
  await step(test, 1);
  const less = await readIndexLag(test.pool);
  t.equal(less.entries, 2);
  t.ok(less.oldestSeconds >= 29 && less.oldestSeconds < lag.oldestSeconds);
  await step(test, 2);
  t.strictSame(await readIndexLag(test.pool), { entries: 0, oldestSeconds: 0 });
  await checkAuditLog(t, test);
});

await t.test('follows the log by itself, goes on after a fault, and stops when told to', async (t) => {
  const test = await createDatabase(t);
  const { pool, close } = openDatabase(test.gatewayUrl, 'test index stage', { maxConnections: 1 });
  t.teardown(close);
  await test.pool.query('revoke execute on function audit.index_entries from onevisit_gateway');
  const stage = startIndexStage(pool, () => undefined);
  await appendEntries(t, test, 30);
  t.equal((await searchTables(test)).length, 0);
  await test.pool.query('grant execute on function audit.index_entries to onevisit_gateway');
  const caughtUp = async (): Promise<boolean> => (await readIndexLag(test.pool)).entries === 0;
  await until('the stage catches up', caughtUp);
  await test.pool.query(`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name = 'test index stage'`);
  await appendEntries(t, test, 30);
  await until('the stage catches up over a new connection', caughtUp);
  await stage.stop();
  await appendEntries(t, test, 1);
  t.equal((await readIndexLag(test.pool)).entries, 1);
  await checkAuditLog(t, test);
});

await t.test('bounds a step by what its entries hold: large ones do not outlast the timeout', async (t) => {
  const test = await createDatabase(t);
  const { appender } = startAppender(t, test);
  const authority = await readVersion(test);
  const subjects = (): string[] => Array.from({ length: 1000 }, () => randomBytes(16).toString('base64url'));
  for (let i = 0; i < 10; i++)
    await Promise.all(
      Array.from({ length: 50 }, () =>
        appender.append(newLeaf({ dataset: 'citizens', subjects: subjects() }), authority),
      ),
    );
  const { pool, close } = openDatabase(test.gatewayUrl, 'test index stage', {
    maxConnections: 1,
    statementTimeoutMs: 1500,
  });
  t.teardown(close);
  const stage = startIndexStage(pool, () => undefined);
  try {
    await until('the stage catches up', async () => (await readIndexLag(test.pool)).entries === 0);
  } finally {
    await stage.stop();
  }
  // Half a million subjects are too many for the helper's check of the whole log.
  const { rows } = await test.pool.query<{ count: number }>(
    'select count(*) as count from audit.find_subject',
  );
  t.equal(rows[0]!.count, 500_000);
});
