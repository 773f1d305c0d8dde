import t from 'tap';
import { createDatabase } from '../helpers/database.ts';
import { connect, newLeaf, readVersion, startAppender } from '../helpers/log.ts';

/** Entries of a partition. These tests jump ahead in the log, so it has gaps: they don't check it as a whole. */
const size = 2 ** 22;

await t.test('keeps three partitions ahead of the log', async (t) => {
  const { pool, gatewayUrl } = await createDatabase(t);
  const gateway = await connect(t, gatewayUrl);

  async function partitions(): Promise<string[]> {
    const { rows } = await pool.query<{ name: string }>(
      `select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
       where i.inhparent = 'audit.entry'::regclass order by 1`,
    );
    return rows.map(({ name }) => name);
  }
  async function enterAt(index: number): Promise<void> {
    const { bytes, hash } = newLeaf();
    await pool.query('insert into audit.entry values ($1, $2, $3)', [index, bytes, hash]);
  }
  const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `entry_000${n}`);

  await gateway.query('select audit.make_partitions_ahead()');
  t.strictSame(await partitions(), names(4), 'there is nothing to do at first');
  await enterAt(size);
  await gateway.query('select audit.make_partitions_ahead()');
  t.strictSame(await partitions(), names(5));
  await enterAt(5 * size - 1);
  await Promise.all(
    Array.from({ length: 3 }, async () =>
      (await connect(t, gatewayUrl)).query('select audit.make_partitions_ahead()'),
    ),
  );
  t.strictSame(await partitions(), names(8), 'from the last of them, by several gateways at once');

  const { rows } = await pool.query<{ name: string; guards: string; may: string; compressed: boolean }>(`
    select c.relname as name,
      (select a.attstorage <> 'e' from pg_attribute a where a.attrelid = c.oid and a.attname = 'bytes') as compressed,
      (select string_agg(t.tgname || ' ' || t.tgenabled::text, ', ' order by t.tgname) from pg_trigger t
       where t.tgrelid = c.oid) as guards,
      concat_ws(' ', case when has_table_privilege('onevisit_gateway', c.oid, 'select') then 'gateway reads' end,
        case when has_table_privilege('onevisit_gateway', c.oid, 'insert, update, delete, truncate') then 'gateway writes' end,
        case when has_table_privilege('onevisit_auditor', c.oid, 'select') then 'auditor reads' end) as may
    from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'audit.entry'::regclass order by 1`);
  for (const row of rows)
    t.match(
      row,
      { guards: 'append_only A, no_truncate A', may: /^gateway reads auditor reads$/, compressed: false },
      row.name,
    );
  t.equal(rows.length, 8);
  await enterAt(8 * size - 1);
  await t.rejects(pool.query('delete from audit.entry where index = $1', [8 * size - 1]), {
    message: /append-only/,
  });
});

await t.test('goes on from one partition into the next', async (t) => {
  const test = await createDatabase(t);
  const { appender } = startAppender(t, test);
  const authority = await readVersion(test);
  const { bytes, hash } = newLeaf();
  await test.pool.query('insert into audit.entry values ($1, $2, $3)', [size - 3, bytes, hash]);

  const leaves = Array.from({ length: 5 }, () => newLeaf());
  const indices = await Promise.all(leaves.map((leaf) => appender.append(leaf, authority)));
  t.strictSame(indices, [size - 2, size - 1, size, size + 1, size + 2]);
  const { rows } = await test.pool.query(
    `select tableoid::regclass::text as partition, index, bytes from audit.entry where index > $1 order by index`,
    [size - 3],
  );
  t.strictSame(
    rows.map(({ partition, index }) => `${partition} ${index}`),
    indices.map((index) => `audit.entry_000${index! < size ? 0 : 1} ${index}`),
  );
  t.strictSame(
    rows.map(({ bytes }) => bytes as Buffer),
    leaves.map((leaf) => leaf.bytes),
  );
  t.equal(await appender.append(newLeaf(), authority), size + 3);
});

await t.test('gives no entry an index that no partition has', async (t) => {
  const test = await createDatabase(t);
  const { appender } = startAppender(t, test);
  const authority = await readVersion(test);
  const { bytes, hash } = newLeaf();
  await test.pool.query('insert into audit.entry values ($1, $2, $3)', [4 * size - 2, bytes, hash]);
  const results = await Promise.allSettled([1, 2, 3].map(() => appender.append(newLeaf(), authority)));
  const answers = results.map((result) =>
    result.status === 'fulfilled' ? result.value : result.reason.code,
  );
  t.strictSame(answers, [4 * size - 1, 'audit-unavailable', 'audit-unavailable']);
  await test.pool.query('select audit.make_partitions_ahead()');
  t.equal(await appender.append(newLeaf(), authority), 4 * size);
});
