import fc from 'fast-check';
import t from 'tap';
import type { EntryFilter, Visibility } from '../../src/audit/filter.ts';
import { findEntries } from '../../src/audit/query.ts';
import { personaCitizens, personaEnterprises } from '../../src/sandbox/personas.ts';
import { checkAuditLog, startGateway } from '../helper.ts';
import { holdLock, logLocks, until } from './log.ts';
import { found, newAsker, search } from './search.ts';

const test = await startGateway(t);
const auditor = await newAsker(test, 'audit-office', ['audit']);
const minuteMs = 60_000;
const traces = ['0af7651916cd43dd8448eb211c80319c', '4bf92f3577b34da6a3ce929d0e0e4736'];
const [ada, bob] = personaCitizens.map(({ id }) => id) as [string, string];

/** Exchanges that differ in everything that a filter may name. */
for (let i = 0; i < 16; i++) {
  const purpose = ['marriage-registration', 'tax-assessment'][i % 2]!;
  const department = i % 3 === 0 ? 'taxation' : 'civil-affairs';
  const headers = {
    ...(i % 4 !== 0 && { 'exchange-case': `HY-${i % 3}` }),
    ...(i % 5 !== 0 && { 'exchange-official': ['li', '王'].map(encodeURIComponent)[i % 2]! }),
    ...(i % 2 === 0 && { traceparent: `00-${traces[i % 4 === 0 ? 0 : 1]}-b7ad6b7169203331-01` }),
  };
  const [dataset, id] =
    i % 3 === 0
      ? (['enterprises', personaEnterprises[0]!.id] as const)
      : (['citizens', i % 2 === 0 ? ada : bob] as const);
  await test.ask('read', dataset, { id }, { purpose, token: await test.token(department), headers });
  test.clock.advance(20_000);
}

interface Read {
  index: number;
  entry: Record<string, unknown>;
}

async function readAll(): Promise<Read[]> {
  const { rows } = await test.pool.query<{ index: number; bytes: Buffer }>(
    'select index, bytes from audit.entry order by index desc',
  );
  return rows.map(({ index, bytes }) => ({
    index,
    entry: JSON.parse(bytes.toString()) as Record<string, unknown>,
  }));
}

/** What a filter means, told without SQL. */
function holds({ entry }: Read, filter: EntryFilter, visibility: Visibility): boolean {
  const official = (entry.official as { id: string } | undefined)?.id;
  const time = Date.parse(entry.time as string);
  const wanted: [unknown, unknown][] = [
    [filter.consumer, entry.consumer],
    [filter.provider, entry.provider],
    [filter.dataset, entry.dataset],
    [filter.purpose, entry.purpose],
    [filter.outcome, entry.outcome],
    [filter.official, official],
    [filter.caseNo, entry.case],
    [filter.kind, entry.kind],
    [filter.traceId, entry.trace_id],
  ];
  const subjects = (entry.subjects ?? []) as string[];
  return (
    wanted.every(([value, said]) => value === undefined || value === said) &&
    (filter.subjectRefs === undefined || filter.subjectRefs.some((ref) => subjects.includes(ref))) &&
    (filter.from === undefined || time >= filter.from.getTime()) &&
    (filter.to === undefined || time < filter.to.getTime()) &&
    (visibility === 'all' ||
      (visibility.consumer !== undefined && entry.consumer === visibility.consumer) ||
      (visibility.provider !== undefined && entry.provider === visibility.provider))
  );
}

/** Filters whose values are those of the log, or of nobody. */
function filtersOf(all: readonly Read[]): fc.Arbitrary<EntryFilter> {
  const valuesOf = (member: string): string[] =>
    [...new Set(all.map(({ entry }) => entry[member]))].filter((value) => typeof value === 'string');
  const one = (values: readonly string[]): fc.Arbitrary<string | undefined> =>
    fc.option(fc.constantFrom(...values, 'nobody'), { nil: undefined, freq: 2 });
  const times = fc.option(
    fc.constantFrom(...valuesOf('time')).map((time) => new Date(time)),
    { nil: undefined },
  );
  const subjects = [...new Set(all.flatMap(({ entry }) => (entry.subjects ?? []) as string[]))];
  return fc.record({
    consumer: one(valuesOf('consumer')),
    provider: one(valuesOf('provider')),
    dataset: one(valuesOf('dataset')),
    purpose: one(valuesOf('purpose')),
    outcome: one(valuesOf('outcome')),
    official: one(['li', '王']),
    caseNo: one(valuesOf('case')),
    kind: one(valuesOf('kind')),
    traceId: one(traces),
    subjectRefs: fc.option(fc.subarray(subjects, { minLength: 1, maxLength: 2 }), { nil: undefined }),
    from: times,
    to: times,
  });
}

const visibilities = fc.constantFrom<Visibility>(
  'all',
  { consumer: 'civil-affairs' },
  { provider: 'market-regulation' },
  { consumer: 'taxation', provider: 'public-security' },
);

async function findByPages(filter: EntryFilter, visibility: Visibility, limit: number): Promise<number[]> {
  const indices: number[] = [];
  for (let before: number | null = null; ;) {
    const { entries, next } = await findEntries(test.database, filter, visibility, { before, limit });
    indices.push(...entries.map(({ index }) => index));
    if (next === null) return indices;
    before = next;
  }
}

async function checkAnyFilter(): Promise<void> {
  const all = await readAll();
  await fc.assert(
    fc.asyncProperty(
      filtersOf(all),
      visibilities,
      fc.integer({ min: 1, max: 20 }),
      async (filter, seen, limit) => {
        const expected = all.filter((one) => holds(one, filter, seen)).map(({ index }) => index);
        const indices = await findByPages(filter, seen, limit);
        if (JSON.stringify(indices) !== JSON.stringify(expected))
          throw new Error(`${JSON.stringify(indices)} in place of ${JSON.stringify(expected)}`);
      },
    ),
    { numRuns: 400 },
  );
}

async function untilIndexed(): Promise<void> {
  const [newest] = await readAll();
  await until('the search tables hold all', async () => {
    const { rows } = await test.pool.query<{ mark: number }>('select audit.indexed() as mark');
    return rows[0]!.mark > newest!.index;
  });
}

await t.test('any filters together find what each of them finds, in pages of any size', async () => {
  await untilIndexed();
  await checkAnyFilter();
});

await t.test('so they do in the part of the log that the search tables do not hold yet', async () => {
  const lock = await holdLock(t, test, logLocks.index);
  const { rows } = await test.pool.query<{ mark: number }>('select audit.indexed() as mark');
  await test.pool.query('delete from audit.find_subject where index >= $1', [rows[0]!.mark - 9]);
  await test.pool.query('delete from audit.find where index >= $1', [rows[0]!.mark - 9]);
  await checkAnyFilter();
  await test.pool.query('delete from audit.find_subject');
  await test.pool.query('delete from audit.find');
  await checkAnyFilter();
  await lock.release();
  await untilIndexed();
});

await t.test('a time after a quiet spell finds all, though gateways differ in their clocks', async (t) => {
  test.clock.advance(60 * minuteMs);
  const token = await test.token('civil-affairs');
  const from = test.clock.now().toISOString();
  const asked: number[] = [];
  for (const byMs of [500, -400, 1000, -300]) {
    test.clock.advance(byMs);
    const answer = await test.read('citizens', { id: ada }, { token });
    asked.push(Number(answer.headers['exchange-entry']));
  }
  await untilIndexed();
  const items = await found(test, auditor, { from, kind: 'exchange' });
  t.strictSame(
    items.map(({ index }) => index),
    asked.toReversed(),
  );
});

await t.test(
  'over HTTP, each filter by its name in the contract, and the query says what was asked',
  async (t) => {
    const all = await readAll();
    const given = {
      consumer: 'civil-affairs',
      provider: 'public-security',
      dataset: 'citizens',
      purpose: 'marriage-registration',
      outcome: 'released',
      official: 'li',
      case: 'HY-2',
      kind: 'exchange',
      trace_id: traces[1]!,
    };
    const filter = { ...given, caseNo: given.case, traceId: given.trace_id };
    const expected = all.filter((one) => holds(one, filter, 'all')).map(({ index }) => index);
    t.ok(expected.length > 0);
    const items = await found(test, auditor, given);
    t.strictSame(
      items.map(({ index }) => index),
      expected,
    );
    t.match((await readAll())[0]!.entry, { kind: 'query', details: given });
  },
);

await t.test('refuses values that no entry can have, and says where', async (t) => {
  const wrong = {
    provider: 'X',
    purpose: '',
    outcome: 'no',
    official: 'a\u0000',
    case: '',
    kind: 'x',
    trace_id: 'A',
  };
  for (const [member, value] of Object.entries(wrong)) {
    const answer = await search(test, auditor, { [member]: value });
    t.equal(answer.statusCode, 400, member);
    const { code, errors } = answer.json<{ code: string; errors: { pointer: string }[] }>();
    t.equal(code, 'invalid-request');
    t.strictSame(
      errors.map(({ pointer }) => pointer),
      [`#/${member}`],
    );
  }
});

await t.test('leaves a whole log behind all of that', (t) => checkAuditLog(t, test));
