import type pg from 'pg';
import t from 'tap';
import { appendStatement } from '../../src/audit/append.ts';
import { storeCheckpoint, readFullTiles } from '../../src/audit/publishing/store-checkpoint.ts';
import {
  findLastCheckpoint,
  readEntries,
  readLeafTiles,
  readTreeState,
  tileReader,
} from '../../src/audit/stored-log.ts';
import { byteaArray } from '../../src/db/binary-array.ts';
import { loadCatalogue } from '../../src/catalogue/catalogue.ts';
import { readStatement } from '../../src/records/read.ts';
import { connect, newLeaf, readVersion } from '../helpers/log.ts';
import { createDatabase } from '../helpers/database.ts';

/**
 * The plans of the hot statements, on tables large enough that a sequential scan or a sort would be ruinous, as
 * PostgreSQL itself tells of each statement that it ran, those inside functions among them.
 */
const rows = 200_000;
const test = await createDatabase(t);
await fill();
const session = await connect(t, test.adminUrl);
const plans = await listenToPlans(session);

interface Plan {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  Plans?: Plan[];
}

interface Explained {
  'Query Text': string;
  Plan: Plan;
}

/** Citizens, enterprises and entries by the hundred thousand, the entries in two partitions; checkpoints. */
async function fill(): Promise<void> {
  const owner = await connect(t, test.adminUrl, 120_000);
  await owner.query(`insert into store.citizens (id, name, sex, birth_date, region_code)
    select 'citizen-' || n, 'name', 'female', '2000-01-01', '999901' from generate_series(1, ${rows}) n`);
  const { rows: columns } = await owner.query<{ name: string; type: string }>(
    `select column_name as name, data_type as type from information_schema.columns
     where table_schema = 'store' and table_name = 'enterprises' and is_nullable = 'NO' and column_name <> 'id'`,
  );
  const values = columns.map(({ type }) =>
    type === 'text' ? `'text'` : type === 'date' ? `'2000-01-01'` : '1',
  );
  await owner.query(`insert into store.enterprises (id, ${columns.map(({ name }) => name).join(', ')})
    select 'enterprise-' || n, ${values.join(', ')} from generate_series(1, ${rows}) n`);
  await owner.query(`
    insert into audit.entry (index, bytes, leaf_hash)
      select i, bytes, sha256('\\x00'::bytea || bytes) from (
        select case when n <= ${rows / 2} then 1000 + n else 4194304 - ${rows / 2} + n end as i,
          convert_to(format('{"kind":"exchange","id":"%s","time":"2026-11-25T00:00:00.000Z","consumer":"c%s",'
            '"dataset":"citizens","subjects":["AAAAAAAAAAAAAAAAAAAAAA"]}', gen_random_uuid(), n % 7), 'UTF8') as bytes
        from generate_series(1, ${rows}) n) made`);
  await owner.query(`insert into audit.checkpoint
    select n, n - 1, sha256(n::text::bytea), 'note', now() from generate_series(1, ${rows / 10}) n`);
  for (let step = 0; step < 20; step++) await owner.query('select audit.index_entries(5000)');
  await owner.query('vacuum analyze');
}

/** Has the session tell the plan of every statement that it runs, nested ones too. */
async function listenToPlans(client: pg.Client): Promise<Explained[]> {
  const heard: Explained[] = [];
  client.on('notice', ({ message }) => {
    const json = message?.slice(message.indexOf('{'));
    if (message?.startsWith('duration') === true && json) heard.push(JSON.parse(json) as Explained);
  });
  await client.query(`load 'auto_explain'`);
  await client.query(`set auto_explain.log_min_duration = 0; set auto_explain.log_nested_statements = on;
    set auto_explain.log_format = json; set auto_explain.log_level = notice; set client_min_messages = notice`);
  return heard;
}

/** What a run of statements was planned as: each node with the relation or index that it reads. */
async function planned(run: () => Promise<unknown>): Promise<string[]> {
  plans.length = 0;
  await run();
  const nodes: string[] = [];
  function walk(plan: Plan): void {
    const on = plan['Index Name'] ?? plan['Relation Name'];
    nodes.push(on === undefined ? plan['Node Type'] : `${plan['Node Type']} ${on}`);
    for (const child of plan.Plans ?? []) walk(child);
  }
  for (const { Plan } of plans) walk(Plan);
  return nodes;
}

/** Reads a whole table, or sorts, where an index should lead. One row is all that audit.authority has. */
function ruinous(nodes: string[]): string[] {
  return nodes.filter((node) =>
    /^(Seq Scan(?! authority$)|Bitmap Heap Scan|Sort|Incremental Sort|Hash)/.test(node),
  );
}

for (const dataset of loadCatalogue().datasets)
  await t.test(
    `reads records of ${dataset.name} by the index of their key, however many at once`,
    async (t) => {
      for (const size of [1, 30, 500]) {
        const ids = Array.from(
          { length: size },
          (_, i) => `${dataset.name === 'citizens' ? 'citizen' : 'enterprise'}-${i + 1}`,
        );
        // The server plans a named statement for its values at first, and once for all after five times.
        for (let time = 0; time < 8; time++) {
          let found = 0;
          const nodes = await planned(async () => {
            found = (await session.query({ ...readStatement(dataset), values: [ids] })).rows.length;
          });
          t.equal(found, size);
          t.strictSame(nodes, [`Index Scan ${dataset.name}_pkey`]);
        }
      }
    },
  );

await t.test('appends to the log without a look at more of it than its end', async (t) => {
  const authority = await readVersion(test);
  for (let time = 0; time < 8; time++) {
    const leaves = Array.from({ length: 30 }, () => newLeaf());
    const values = [
      authority,
      byteaArray(leaves.map(({ bytes }) => bytes)),
      byteaArray(leaves.map(({ hash }) => hash)),
    ];
    const nodes = await planned(async () => session.query({ ...appendStatement, values }));
    t.ok(
      nodes.some((node) => /^Index.* Scan entry_000\d_pkey/.test(node)),
      'the end is found by an index',
    );
    t.ok(nodes.includes('ModifyTable entry'), 'and the plans are those of the append');
    t.strictSame(ruinous(nodes), []);
  }
});

await t.test('takes entries into the search tables from where it stands, in order as they are', async (t) => {
  let taken = 0;
  const nodes = await planned(async () => {
    const answer = await session.query<{ taken: number }>('select audit.index_entries(2000) as taken');
    taken = answer.rows[0]!.taken;
  });
  t.equal(taken, 2000);
  t.ok(nodes.some((node) => /^Index Scan entry_000\d_pkey/.test(node)));
  t.ok(
    nodes.some((node) => /^Index Only Scan.* find_pkey/.test(node)),
    'where it stands is found by an index',
  );
  const sorts = ruinous(nodes);
  t.strictSame([...new Set(sorts)], ['Sort'], 'no table is read whole');
  t.ok(sorts.length <= 2, 'and what is sorted are the subjects and the entries of the step');
});

await t.test(
  'keeps a checkpoint with its tiles without a look at more of the log than they cover',
  async (t) => {
    const { entries, last } = await readTreeState(session);
    const from = last!.size;
    const size = Math.min(entries, (Math.floor(from / 256) + 4) * 256 + 7);
    const tiles = await readFullTiles(
      { from, size },
      tileReader(session, from, await readLeafTiles(session, Math.floor(from / 256) * 256, size)),
    );
    t.ok(tiles.length >= 3);
    for (let time = 0; time < 7; time++) {
      await session.query('begin');
      const nodes = await planned(() =>
        storeCheckpoint(
          session,
          { size, root: Buffer.alloc(32), note: 'a note' },
          { previousSize: from, successions: 0, tiles },
        ),
      );
      await session.query('rollback');
      t.ok(nodes.some((node) => /^Index.* Scan.* entry_000\d_pkey/.test(node)));
      // Successions are a handful, and there are no tiles here yet: each call is planned anew.
      t.strictSame(
        ruinous(nodes).filter((node) => !/^(Sort|Hash|Seq Scan (succession|tile)$)/.test(node)),
        [],
        'no table is read whole',
      );
    }
  },
);

await t.test('publishes and serves without a look at more of the log than is new', async (t) => {
  for (const [what, run] of Object.entries({
    'how far the log has come': () => readTreeState(session),
    'the last checkpoint': () => findLastCheckpoint(session),
    'the entries of two tiles': () => readLeafTiles(session, 2048, 2560),
    'the hashes of a tile': () => tileReader(session, 2560)({ level: 0, n: 8, width: 256 }),
    'the entries of a bundle': () => readEntries(session, 2048, 2304),
  })) {
    const nodes = await planned(run);
    t.ok(
      nodes.some((node) => /^Index.* Scan.* (entry_000\d|checkpoint)_pkey/.test(node)),
      what,
    );
    t.strictSame(
      ruinous(nodes).filter((node) => node !== 'Sort'),
      [],
      `${what}: no table is read whole`,
    );
  }
  t.strictSame(
    ruinous(await planned(() => readTreeState(session))),
    [],
    'and nothing is sorted for the ends',
  );
});
