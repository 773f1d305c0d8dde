import t from 'tap';
import type { Leaf } from '../../src/audit/entry.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { createDatabase } from '../helpers/database.ts';
import {
  connect,
  countEntries,
  holdLock,
  newLeaf,
  readVersion,
  startAppender,
  logLocks,
} from '../helpers/log.ts';

const test = await createDatabase(t);
const { appender, batches } = startAppender(t, test);
const authority = await readVersion(test);

/** Appends all of them at once; says what became of each. */
async function appendAll(
  leaves: Leaf[],
  version = authority,
): Promise<PromiseSettledResult<number | null>[]> {
  return Promise.allSettled(leaves.map((leaf) => appender.append(leaf, version)));
}

async function bytesAt(index: number): Promise<Buffer | undefined> {
  const { rows } = await test.pool.query<{ bytes: Buffer }>(
    'select bytes from audit.entry where index = $1',
    [index],
  );
  return rows[0]?.bytes;
}

const failure = { name: 'ProblemError', code: 'audit-unavailable' };

await t.test(
  'gives concurrent entries the next indices, without gaps and in order, in few statements',
  async (t) => {
    const base = await countEntries(test);
    const leaves = Array.from({ length: 500 }, () => newLeaf());
    batches.length = 0;
    const indices = await Promise.all(leaves.map((leaf) => appender.append(leaf, authority)));
    t.strictSame(
      indices,
      leaves.map((_, i) => base + i),
    );
    t.ok(batches.length <= 2, `${batches.length} statements`);
    t.strictSame(await bytesAt(base + 321), leaves[321]!.bytes);
  },
);

await t.test('inserts nothing under an authority that is past, and says so', async (t) => {
  const before = await countEntries(test);
  t.equal(await appender.append(newLeaf(), authority - 1), null);
  t.equal(await appender.append(newLeaf(), authority + 1), null);
  t.equal(await countEntries(test), before);
});

await t.test('keeps apart entries that were decided under different authorities', async (t) => {
  const base = await countEntries(test);
  const answers = [authority, authority, authority - 1, authority, authority - 2].map((version) =>
    appender.append(newLeaf(), version),
  );
  t.strictSame(await Promise.all(answers), [base, base + 1, null, base + 2, null]);
});

const badLeaves: Record<string, Leaf> = {
  'bytes too few to be an entry': { ...newLeaf(), bytes: Buffer.from('x') },
  'bytes too many for an entry': { ...newLeaf(), bytes: Buffer.alloc(65_536, 'x') },
  'a hash of 31 bytes': { ...newLeaf(), hash: Buffer.alloc(31) },
};
for (const [what, bad] of Object.entries(badLeaves))
  await t.test(`fails ${what} alone, and takes its neighbours`, async (t) => {
    const base = await countEntries(test);
    const leaves = Array.from({ length: 33 }, () => newLeaf());
    const results = await appendAll([...leaves.slice(0, 20), bad, ...leaves.slice(20), bad]);
    const failed = results.flatMap((result, i) => (result.status === 'rejected' ? [i] : []));
    t.strictSame(failed, [20, 34]);
    for (const i of failed) t.match((results[i] as PromiseRejectedResult).reason, failure);
    const indices = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    t.strictSame(
      indices,
      leaves.map((_, i) => base + i),
    );
    t.equal(await countEntries(test), base + 33);
  });

await t.test('splits what waits into statements of bounded length and size', async (t) => {
  batches.length = 0;
  const large = 'x'.repeat(60_000);
  const results = await appendAll(Array.from({ length: 150 }, () => newLeaf({ details: { large } })));
  t.ok(results.every((result) => result.status === 'fulfilled'));
  t.ok(Math.max(...batches) * 60_000 <= 4 * 1024 * 1024, `at most ${Math.max(...batches)} large ones`);
});

await t.test('refuses what comes when ten thousand wait, and takes those that wait', async (t) => {
  const base = await countEntries(test);
  const lock = await holdLock(t, test, logLocks.append);
  batches.length = 0;
  const waiting = Array.from({ length: 10_000 }, () => appender.append(newLeaf(), authority));
  await t.rejects(appender.append(newLeaf(), authority), { name: 'ProblemError', code: 'overloaded' });
  await lock.release();
  const indices = await Promise.all(waiting);
  t.equal(indices[0], base);
  t.equal(indices.at(-1), base + 9999);
  t.ok(Math.max(...batches) <= 1000, `at most ${Math.max(...batches)} in one statement`);
});

await t.test('refuses what waits when it is closed, instead of leaving it without an answer', async (t) => {
  const { appender: closing } = startAppender(t, test, 'test closing');
  const lock = await holdLock(t, test, logLocks.append);
  const waiting = Promise.allSettled([
    closing.append(newLeaf(), authority),
    closing.append(newLeaf(), authority),
  ]);
  await closing.close();
  await t.rejects(closing.append(newLeaf(), authority), failure);
  await lock.release();
  for (const result of await waiting) t.equal(result.status, 'rejected');
});

await t.test('is refused, in SQL, without entries and with lists of different lengths', async (t) => {
  const client = await connect(t, test.gatewayUrl);
  const { bytes, hash } = newLeaf();
  const call = (entries: Buffer[], hashes: Buffer[]): Promise<unknown> =>
    client.query('select audit.append($1, $2, $3)', [authority, entries, hashes]);
  const before = await countEntries(test);
  await t.rejects(call([], []), /inserted 0 of 0/);
  await t.rejects(call([bytes, bytes], [hash]));
  await t.rejects(call([bytes], [hash, hash]));
  await t.rejects(client.query('select audit.append($1, null, null)', [authority]));
  t.equal(await countEntries(test), before);
});

await t.test('is refused in a transaction that would not see the entries before it', async (t) => {
  const client = await connect(t, test.gatewayUrl);
  const { bytes, hash } = newLeaf();
  const before = await countEntries(test);
  for (const isolation of ['repeatable read', 'serializable']) {
    await client.query(`begin isolation level ${isolation}`);
    await t.rejects(client.query('select audit.append($1, $2, $3)', [authority, [bytes], [hash]]), {
      message: /read committed/,
    });
    await client.query('rollback');
  }
  t.equal(await countEntries(test), before);
});

await t.test('waits for the disk, also where the database would not', async (t) => {
  const client = await connect(t, test.gatewayUrl);
  const { bytes, hash } = newLeaf();
  for (const setting of ['off', 'local', 'remote_apply']) {
    await client.query(`set synchronous_commit = ${setting}; begin`);
    await client.query('select audit.append($1, $2, $3)', [authority, [bytes], [hash]]);
    const { rows } = await client.query("select current_setting('synchronous_commit') as setting");
    t.strictSame(rows, [{ setting: setting === 'remote_apply' ? setting : 'on' }]);
    await client.query('rollback');
  }
});

await t.test('leaves a whole log behind all of that', async (t) => {
  await checkAuditLog(t, test);
});
