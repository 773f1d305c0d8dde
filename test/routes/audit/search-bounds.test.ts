import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import t from 'tap';
import { rangeOf, type EntryFilter, type Range } from '../../../src/audit/search/filter.ts';
import { findEntries } from '../../../src/audit/search/find-entries.ts';
import { createDatabase } from '../../helpers/database.ts';

const test = await createDatabase(t);
const days = 100;
const perDay = 600;

// A long log, as the search tables have it, with one consumer's entries at its very beginning.
await test.pool.query('truncate audit.find, audit.find_subject');
await test.pool.query(
  `insert into audit.find (index, at, so_far, exchange, consumer, provider, dataset, outcome)
   select n, timestamptz '2026-01-01T00:00:00Z' + n * interval '1 day' / $2, timestamptz '2026-01-01T00:00:00Z' + n * interval '1 day' / $2, $3,
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

async function bound(filter: EntryFilter): Promise<Range> {
  const { rows } = await sql<Range>`${rangeOf(filter, null)}`.execute(test.database);
  return rows[0]!;
}

const skewEntries = Math.ceil(perDay / 288);

await t.test('a time is the range of indices that has it, and little more', async (t) => {
  const { low, end, strays } = await bound({
    from: new Date('2026-01-02T00:00:00Z'),
    to: new Date('2026-01-03T00:00:00Z'),
  });
  t.equal(low, perDay);
  t.ok(end >= 2 * perDay && end <= 2 * perDay + skewEntries + 1, `${end}`);
  t.strictSame(strays, []);
  t.same(await bound({ from: new Date('2040-01-01') }), { low: days * perDay, end: 2 ** 63, strays: [] });
});

await t.test('an entry with a wrong clock is looked for by its time, and moves no range', async (t) => {
  const last = days * perDay;
  await test.pool.query(
    `insert into audit.find (index, at, exchange, so_far)
     select $1 + n, at, gen_random_uuid(), (select max(so_far) from audit.find)
     from unnest(array['2026-01-20T23:54:00Z', '2029-06-01']::timestamptz[]) with ordinality u(at, n)`,
    [last - 1],
  );
  const before = await bound({
    from: new Date('2026-01-02T00:00:00Z'),
    to: new Date('2026-01-03T00:00:00Z'),
  });
  t.ok(before.end <= 2 * perDay + skewEntries + 1);
  t.strictSame(before.strays, []);
  const its = await bound({ from: new Date('2026-01-20T00:00:00Z'), to: new Date('2026-01-21T00:00:00Z') });
  t.match(its, { low: 19 * perDay, strays: [last] });
  t.ok(its.end <= 20 * perDay + skewEntries + 1);
  t.match(await bound({ from: new Date('2029-01-01') }), { low: last + 2, strays: [last + 1] });
});
