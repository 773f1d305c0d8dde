import { Ajv2020 } from 'ajv/dist/2020.js';
import t from 'tap';
import { searchOperation } from '../../../src/routes/audit/documents.ts';
import { deriveLogSecrets, subjectRef } from '../../../src/audit/subjects.ts';
import { personaCitizens, personaEnterprises } from '../../../src/sandbox/personas.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { keys } from '../../helpers/keys.ts';
import { holdLock, logLocks } from '../../helpers/log.ts';
import { until } from '../../helpers/until.ts';
import { found, foundByPages, newAsker, search, type FoundItem, type Page } from '../../helpers/search.ts';

const test = await startGateway(t);
const auditor = await newAsker(test, 'audit-office', ['audit']);
const [ada, bob] = personaCitizens.map(({ id }) => id) as [string, string];
const enterprise = personaEnterprises[0]!.id;
const minuteMs = 60_000;

/** Three minutes with a read each, then two more reads; the index of each entry by its name. */
const startMs = test.clock.now().getTime();
const asked: Record<string, number> = {};
async function ask(
  name: string,
  department: string,
  purpose: string,
  dataset: string,
  id: string,
): Promise<void> {
  const response = await test.read(dataset, { id }, { purpose, token: await test.token(department) });
  asked[name] = Number(response.headers['exchange-entry']);
}
await ask('ada', 'civil-affairs', 'marriage-registration', 'citizens', ada);
test.clock.advance(minuteMs);
await ask('bob', 'civil-affairs', 'marriage-registration', 'citizens', bob);
test.clock.advance(minuteMs);
await ask('refused', 'taxation', 'tax-assessment', 'citizens', ada);
await ask('enterprise', 'taxation', 'tax-assessment', 'enterprises', enterprise);
await ask('adaAgain', 'civil-affairs', 'marriage-registration', 'citizens', ada);

const at = (minutes: number): string => new Date(startMs + minutes * minuteMs).toISOString();
const names = new Map(Object.entries(asked).map(([name, index]) => [index, name]));
/** The names of the exchanges among what was found. */
function exchanges(items: FoundItem[]): (string | undefined)[] {
  return items.filter(({ entry }) => entry.kind === 'exchange').map(({ index }) => names.get(index));
}

const filters: [string, object, string[]][] = [
  ['no filter', {}, ['adaAgain', 'enterprise', 'refused', 'bob', 'ada']],
  ['a consumer', { consumer: 'civil-affairs' }, ['adaAgain', 'bob', 'ada']],
  ['a dataset', { dataset: 'citizens' }, ['adaAgain', 'refused', 'bob', 'ada']],
  ['a subject', { dataset: 'citizens', subject: ada }, ['adaAgain', 'refused', 'ada']],
  ['an enterprise', { dataset: 'enterprises', subject: enterprise }, ['enterprise']],
  ['a beginning, inclusive', { from: at(1) }, ['adaAgain', 'enterprise', 'refused', 'bob']],
  ['an end, exclusive', { from: at(0), to: at(1) }, ['ada']],
  ['a span', { from: at(1), to: at(2) }, ['bob']],
  ['an empty span', { from: at(1), to: at(1) }, []],
  ['a time of another zone', { from: at(1).replace('Z', '+00:00'), to: at(2) }, ['bob']],
  ['a consumer and a subject', { consumer: 'taxation', dataset: 'citizens', subject: ada }, ['refused']],
  ['a subject and a span', { dataset: 'citizens', subject: ada, from: at(1) }, ['adaAgain', 'refused']],
  [
    'all at once',
    { consumer: 'civil-affairs', dataset: 'citizens', subject: ada, from: at(0), to: at(1) },
    ['ada'],
  ],
  ['a consumer that there is not', { consumer: 'nobody' }, []],
  [
    'a citizen whom an enterprise names',
    { dataset: 'citizens', subject: personaCitizens[5]!.id },
    ['enterprise'],
  ],
  ['a subject of whom nobody asked', { dataset: 'citizens', subject: personaCitizens[4]!.id }, []],
];

await t.test('finds entries by each filter and by any combination, newest first', async (t) => {
  await until('the search tables hold all', async () => {
    const { rows } = await test.pool.query<{ mark: number }>('select audit.indexed() as mark');
    return rows[0]!.mark > asked.adaAgain!;
  });
  for (const [what, filter, expected] of filters)
    t.strictSame(exchanges(await found(test, auditor, filter)), expected, what);
});

await t.test('finds entries that the search tables do not hold yet', async (t) => {
  const lock = await holdLock(t, test, logLocks.index);
  const { rows } = await test.pool.query<{ mark: number }>('select audit.indexed() as mark');
  await ask('late', 'civil-affairs', 'marriage-registration', 'citizens', bob);
  names.set(asked.late!, 'late');
  t.ok(rows[0]!.mark <= asked.late!, 'it is behind the watermark');
  t.strictSame(exchanges(await found(test, auditor, { dataset: 'citizens', subject: bob })), ['late', 'bob']);
  t.strictSame(exchanges(await found(test, auditor, { consumer: 'civil-affairs' })), [
    'late',
    'adaAgain',
    'bob',
    'ada',
  ]);
  await test.pool.query('delete from audit.find');
  await test.pool.query('delete from audit.find_subject');
  const all = await found(test, auditor, { dataset: 'citizens' });
  t.strictSame(exchanges(all), ['late', 'adaAgain', 'refused', 'bob', 'ada'], 'even with nothing in them');
  await lock.release();
});

await t.test('gives each entry as the log holds it, and says so by its schema', async (t) => {
  const response = await search(test, auditor, { limit: 500 }, 'who-has-not-asked-before');
  t.equal(response.statusCode, 200);
  t.equal(response.headers['cache-control'], 'no-store');
  t.match(response.headers['exchange-id'], /^[0-9a-f-]{36}$/);
  const { responses } = searchOperation as {
    responses: Record<string, { content: Record<string, { schema: object }> }>;
  };
  const validate = new Ajv2020({ strict: false }).compile(
    responses['200']!.content['application/json']!.schema,
  );
  t.ok(validate(response.json()), JSON.stringify(validate.errors));

  const { items } = response.json<Page>();
  const { rows } = await test.pool.query<{ index: number; bytes: Buffer; leaf_hash: Buffer }>(
    'select * from audit.entry order by index desc',
  );
  t.equal(items.length, rows.length - 1, 'all but the entry of this query');
  for (const [i, item] of items.entries()) {
    const row = rows[i + 1]!;
    const expected = { index: row.index, leaf_hash: row.leaf_hash.toString('base64') };
    t.strictSame(item, { ...expected, entry: JSON.parse(row.bytes.toString()) as object });
  }
});

await t.test('enters each query, without the plain id that it asked for', async (t) => {
  const filter = { consumer: 'civil-affairs', dataset: 'citizens', subject: ada, from: at(0), to: at(3) };
  const response = await search(test, auditor, { ...filter, limit: 1 }, '%E5%AE%A1%E8%AE%A1%E5%91%98');
  t.equal(response.statusCode, 200);
  const [newest] = await found(test, auditor, { limit: 1 });
  const { leaf_hash: _, ...rest } = newest!;
  t.match(rest.entry, {
    kind: 'query',
    id: response.headers['exchange-id'],
    consumer: 'audit-office',
    client: auditor.clientId,
    official: { id: '审计员', proof: 'asserted' },
    operation: 'entries-search',
    outcome: 'done',
    records: 1,
    details: {
      consumer: 'civil-affairs',
      dataset: 'citizens',
      subject: subjectRef(deriveLogSecrets(keys.logSecret), 'citizens', ada),
      from: at(0),
      to: at(3),
    },
  });
  t.notOk(JSON.stringify(rest).includes(ada));
});

await t.test('pages through all entries without repetition, while others come in', async (t) => {
  test.clock.advance(minuteMs);
  const before = (await found(test, auditor, {})).map(({ index }) => index);
  const pages = await foundByPages(test, auditor, {}, 7);
  for (const page of pages.slice(0, -1)) t.equal(page.length, 7);
  const seen = pages.flat().map(({ index }) => index);
  t.strictSame(
    seen,
    [before[0]! + 1, ...before],
    'each once, newest first, from the query before to the first entry',
  );
  const filtered = await foundByPages(test, auditor, { dataset: 'citizens', subject: ada }, 1);
  t.strictSame(exchanges(filtered.flat()), ['adaAgain', 'refused', 'ada']);
  t.equal(filtered.length, 3, 'there is no empty page at the end');
});

await t.test('leaves a whole log behind all of that', async (t) => {
  await checkAuditLog(t, test);
});
