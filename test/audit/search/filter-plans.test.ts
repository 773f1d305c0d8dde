import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import t from 'tap';
import { dimensions, summarize } from '../../../src/audit/search/summarize.ts';
import type { EntryFilter, Visibility } from '../../../src/audit/search/filter.ts';
import { findEntries } from '../../../src/audit/search/find-entries.ts';
import { connectionConfig } from '../../../src/db/connection.ts';
import type { Tables } from '../../../src/db/tables.ts';
import { createDatabase } from '../../helpers/database.ts';
import { connect } from '../../helpers/log.ts';

/**
 * What a page of a search reads of a log of 300,000 entries, as PostgreSQL itself counts it: no more than a log of a
 * thousand would have it read.
 */
const rows = 300_000;
const people = 3000;
const test = await createDatabase(t);
const owner = await connect(t, test.adminUrl, 120_000);
await owner.query('truncate audit.find, audit.find_subject');
await owner.query(
  `insert into audit.find (index, at, so_far, exchange, consumer, provider, dataset, purpose, outcome, official, case_no)
   select n, timestamptz '2026-01-01T00:00:00Z' + n * interval '1 minute', timestamptz '2026-01-01T00:00:00Z' + n * interval '1 minute', gen_random_uuid(), 'consumer-' || n % 7,
     'provider-' || n % 5, 'dataset-' || n % 6, 'purpose-' || n % 9, 'released', 'official-' || n % 2000,
     'case-' || n % 20000
   from generate_series(0, $1::int - 1) n`,
  [rows],
);
await owner.query(
  `insert into audit.find_subject
   select decode(md5((n % $2)::text), 'hex'), n from generate_series(0, $1::int - 1) n`,
  [rows, people],
);
await owner.query(
  `insert into audit.entry
   select n, convert_to('{}', 'UTF8'), sha256('') from generate_series((select max(index) + 1 from audit.entry), $1::int - 1) n`,
  [rows],
);
await owner.query('vacuum analyze audit.find, audit.find_subject, audit.entry');

interface Plan {
  'Relation Name'?: string;
  'Actual Rows'?: number;
  'Actual Loops'?: number;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
}

const plans: Plan[] = [];
const pool = new pg.Pool({ ...connectionConfig(test.adminUrl, 'plans'), max: 1 });
pool.on('connect', (client) => {
  client.on('notice', ({ message }) => {
    if (message?.startsWith('duration') === true)
      plans.push((JSON.parse(message.slice(message.indexOf('{'))) as { Plan: Plan }).Plan);
  });
  void client.query(`load 'auto_explain'; set auto_explain.log_min_duration = 0; set auto_explain.log_analyze = on;
    set auto_explain.log_format = json; set auto_explain.log_level = notice; set client_min_messages = notice`);
});
const database = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
t.teardown(() => database.destroy());

/** How many rows of the search tables and of the log itself were looked at, those thrown away too. */
function rowsRead(plan: Plan): number {
  const own = /^(?:find|entry)/.test(plan['Relation Name'] ?? '')
    ? ((plan['Actual Rows'] ?? 0) + (plan['Rows Removed by Filter'] ?? 0)) * (plan['Actual Loops'] ?? 0)
    : 0;
  return (plan.Plans ?? []).reduce((sum, child) => sum + rowsRead(child), own);
}

async function readBy(work: () => Promise<unknown>): Promise<number> {
  plans.length = 0;
  await work();
  return plans.reduce((sum, plan) => sum + rowsRead(plan), 0);
}

const limit = 50;
const subjectRef = Buffer.from('c4ca4238a0b923820dcc509a6f75849b', 'hex').toString('base64url');
const late = new Date(Date.parse('2026-01-01T00:00:00Z') + (rows - 1000) * 60_000);
const early = new Date(Date.parse('2026-01-01T00:00:00Z') + 1000 * 60_000);
const cases: [string, EntryFilter, Visibility, number | null][] = [
  ['no filter', {}, 'all', null],
  ['consumer', { consumer: 'consumer-3' }, 'all', null],
  ['provider', { provider: 'provider-2' }, 'all', null],
  ['dataset', { dataset: 'dataset-1' }, 'all', null],
  ['official', { official: 'official-77' }, 'all', null],
  ['case', { caseNo: 'case-777' }, 'all', null],
  ['subject', { subjectRefs: [subjectRef], subjectDataset: 'dataset-1' }, 'all', null],
  ['from', { from: late }, 'all', null],
  ['to', { to: early }, 'all', null],
  ['an official of nobody', { official: 'nobody' }, 'all', null],
  ['official and dataset', { official: 'official-77', dataset: 'dataset-5' }, 'all', null],
  ['consumer, far back', { consumer: 'consumer-3' }, 'all', 100_000],
  ["a consumer's own", {}, { consumer: 'consumer-3' }, null],
  ["a provider's own", {}, { provider: 'provider-2' }, null],
  ['subject and consumer', { subjectRefs: [subjectRef], consumer: 'consumer-1' }, 'all', null],
  ['case and time', { caseNo: 'case-777', from: early, to: late }, 'all', null],
];

for (const [name, filter, visibility, before] of cases)
  await t.test(`a page by ${name} reads about as much as it may show`, async (t) => {
    const read = await readBy(() => findEntries(database, filter, visibility, { before, limit }));
    t.ok(read <= 1000, `${read} rows`);
  });

await t.test('a page of who asks and provides reads a bounded part of each index', async (t) => {
  const own = { consumer: 'consumer-3', provider: 'provider-2' };
  const read = await readBy(() => findEntries(database, {}, own, { before: null, limit }));
  t.ok(read <= 41_000, `${read} rows`);
});

await t.test('what others asked does not lead a search, whose time would tell of it', async (t) => {
  const own = { consumer: 'nobody' };
  for (const filter of [
    { consumer: 'consumer-3' },
    { official: 'official-77' },
    { subjectRefs: [subjectRef] },
  ]) {
    const read = await readBy(async () => {
      const page = await findEntries(database, filter, own, { before: null, limit });
      t.strictSame(page, { entries: [], next: null });
    });
    t.equal(read, 0, JSON.stringify(filter));
  }
  const some = await readBy(() =>
    findEntries(database, { subjectRefs: [subjectRef] }, { consumer: 'consumer-3' }, { before: null, limit }),
  );
  t.ok(some <= 41_000, `${some} rows`);
});

await t.test('a page by what has no index stops after a bounded number of entries', async (t) => {
  const read = await readBy(() =>
    findEntries(database, { purpose: 'nothing' }, 'all', { before: null, limit }),
  );
  t.ok(read > limit);
  t.ok(read <= 41_000, `${read} rows`);
});

await t.test('a summary of a time or of an official reads no other entries', async (t) => {
  for (const filter of [{ from: late }, { official: 'official-77' }]) {
    const question = { filter, visibility: 'all', by: [...dimensions], timeZone: 'Asia/Shanghai' } as const;
    const read = await readBy(() => summarize(database, question));
    t.ok(read <= 1500, `${read} rows`);
  }
});
