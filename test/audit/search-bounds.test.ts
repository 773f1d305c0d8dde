import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import t from 'tap';
import { highest, lowest } from '../../src/audit/filter.ts';
import { findEntries } from '../../src/audit/query.ts';
import { createDatabase } from '../helper.ts';

const test = await createDatabase(t);
const days = 100;
const perDay = 600;

// A long log, as the search tables have it, with one consumer's entries at its very beginning.
await test.pool.query('truncate audit.find, audit.find_subject');
await test.pool.query(
  `insert into audit.find (index, at, exchange, consumer, provider, dataset, outcome)
   select n, timestamptz '2026-01-01T00:00:00Z' + n * interval '1 day' / $2, $3,
     case when n < 10 then 'rare' else 'common-' || n % 3 end, 'public-security',
     case when n % 2 = 0 then 'citizens' else 'enterprises' end, 'released'
   from generate_series(0, $1::int - 1) n`,
  [days * perDay, perDay, randomUUID()],
);
await test.pool.query('analyze audit.find');

/** Follows the pages to the end; gives how many there were. */
async function countPages(filter: Parameters<typeof findEntries>[1]): Promise<number> {
  let pages = 0;
  for (let before: number | null = null; pages < 20;) {
    const { next } = await findEntries(test.database, filter, 'all', { before, limit: 10 });
    pages++;
    if (next === null) return pages;
    before = next;
  }
  throw new Error('no end');
}

await t.test('a search without any match ends after a bounded number of pages', async (t) => {
  // Each page looks at 20,000 entries: 30,000 of citizens, none of which is of the rare consumer, take two.
  t.equal(await countPages({ consumer: 'rare', dataset: 'vehicles' }), 1);
  t.equal(await countPages({ dataset: 'vehicles' }), 1);
  t.ok((await countPages({ consumer: 'common-1', dataset: 'vehicles' })) <= 2);
});

await t.test(
  'a search by consumer, by subject or by time reads by an index, however long the log',
  async (t) => {
    const statements: string[] = [];
    const { rows } = await test.pool.query<{ 'QUERY PLAN': string }>(
      `explain (analyze, costs off) select f.index from audit.find f
     where f.consumer = 'rare' and f.index < 1000000 order by f.index desc limit 20000`,
    );
    statements.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
    t.match(statements[0], / on find_consumer|using find_consumer/);
    t.notMatch(statements[0], /Seq Scan|Rows Removed by Filter/);
    const time = await test.pool.query<{ 'QUERY PLAN': string }>(
      `explain (analyze, costs off) select f.index from audit.find f
     where f.at >= timestamptz '2026-02-01' - interval '5 minutes' order by f.at limit 1`,
    );
    t.match(time.rows.map((row) => row['QUERY PLAN']).join('\n'), /Index (Only )?Scan using find_at/);
  },
);

await t.test('the clock of a command line, whose entries have no consumer, bounds no time', async (t) => {
  const [low, high] = [days * perDay, days * perDay + 1];
  await test.pool.query(
    `insert into audit.find (index, at, exchange) values ($1, '2026-01-01T23:54:00Z', gen_random_uuid()), ($2, '2029-06-01', gen_random_uuid())`,
    [low, high],
  );
  const bound = async (filter: Parameters<typeof lowest>[0]): Promise<unknown> => {
    const { rows } = await sql<{ low: number; end: number }>`
      select ${lowest(filter)} as low, ${highest(filter, null)} as end`.execute(test.database);
    return rows[0];
  };
  t.match(await bound({ from: new Date('2026-01-02T00:00:00Z') }), {
    low: perDay - Math.floor(perDay / 288),
  });
  const { end } = (await bound({ to: new Date('2029-01-01T00:00:00Z') })) as { end: number | null };
  t.ok(Number(end) > high, 'it cuts nothing off');
});
