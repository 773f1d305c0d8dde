import { createHash, randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { migrate } from '../../src/audit/migrate.ts';
import { encodeEntry, type Entry } from '../../src/audit/entry.ts';
import type { EmptyDatabase } from '../helpers/database.ts';
import { createBefore } from '../helpers/before.ts';

const name = '20261126T1500Z-carry-out-acts-by-their-entries';
const time = new Date('2026-11-20T08:00:00.000Z');

async function enter({ pool }: EmptyDatabase, entry: Pick<Entry, 'kind'> & Partial<Entry>): Promise<void> {
  const leaf = encodeEntry({ id: randomUUID(), time, outcome: 'done', ...entry });
  await pool.query('select audit.append_act($1, $2, false)', [leaf.bytes, leaf.hash]);
}

async function createWithGrants(t: Test, grants: string[]): Promise<EmptyDatabase> {
  const before = await createBefore(t, name);
  await before.pool.query(`insert into registry.department values ('taxation', 'Taxation', '税务局')`);
  await before.pool.query(
    `insert into registry.grant (id, consumer, dataset, provider, fields, purposes, status, valid_from, valid_until)
     select id, 'taxation', 'citizens', 'public-security', '{name}', '{audit}', 'revoked', now(), '2100-01-01'
     from unnest($1::uuid[]) id`,
    [grants],
  );
  return before;
}

await t.test('finds the history of the grants that there are in the log, indexed or not', async (t) => {
  const [first, second] = [randomUUID(), randomUUID()];
  const before = await createWithGrants(t, [first, second]);
  const act = { kind: 'grant', client: 'cli:x@y' } as const;
  const added = { consumer: 'taxation', status: 'active' };
  await enter(before, { ...act, operation: 'grant-add', grants: [first], details: added });
  await enter(before, { kind: 'exchange', operation: 'read', grants: [first], outcome: 'released' });
  await before.pool.query('select audit.index_entries(100)');
  await enter(before, { ...act, operation: 'grant-add', grants: [second], details: added });
  await enter(before, { ...act, operation: 'grant-revoke', grants: [first], details: { reason: 'misuse' } });
  await enter(before, { ...act, operation: 'grant-revoke', grants: [randomUUID()], details: {} });
  // Planted by whoever could append: no act, not readable, or of a state that there is not.
  for (const planted of [
    '{"kind":"grant"',
    `{"kind":"grant","operation":"grant-add","grants":["${second}"],"x":1e999999}`,
  ]) {
    const bytes = Buffer.from(planted);
    const hash = createHash('sha256')
      .update(Buffer.concat([Buffer.of(0), bytes]))
      .digest();
    await before.pool.query('select audit.append_act($1, $2, false)', [bytes, hash]);
  }
  await migrate(before.adminUrl);
  const { rows } = await before.pool.query(
    `select grant_id, entry::int, status, act ->> 'operation' as operation, act #>> '{details,reason}' as reason
     from registry.grant_act order by entry`,
  );
  t.strictSame(rows, [
    { grant_id: first, entry: 0, status: 'active', operation: 'grant-add', reason: null },
    { grant_id: second, entry: 2, status: 'active', operation: 'grant-add', reason: null },
    { grant_id: first, entry: 3, status: 'revoked', operation: 'grant-revoke', reason: 'misuse' },
  ]);
});

await t.test('numbers the grants that there are', async (t) => {
  const before = await createWithGrants(t, [randomUUID(), randomUUID(), randomUUID()]);
  await migrate(before.adminUrl);
  const { rows } = await before.pool.query('select number::int from registry.grant order by number');
  t.strictSame(rows, [{ number: 1 }, { number: 2 }, { number: 3 }]);
});
