/** For tests of the search: filters made at random, and what they should find. */
import fc from 'fast-check';
import type { EntryFilter, Visibility } from '../../src/audit/search/filter.ts';
import { personaCitizens, personaEnterprises } from '../../src/sandbox/personas.ts';
import type { TestGateway } from './gateway.ts';
import { until } from './until.ts';

export const traces = ['0af7651916cd43dd8448eb211c80319c', '4bf92f3577b34da6a3ce929d0e0e4736'];
const [ada, bob] = personaCitizens.map(({ id }) => id) as [string, string];

/** Exchanges that differ in everything that a filter may name. */
export async function makeExchanges(test: TestGateway): Promise<void> {
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
}

/** An entry as it was read from the log. */
export interface Read {
  index: number;
  entry: Record<string, unknown>;
}

/** All entries, newest first. */
export async function readAll(test: TestGateway): Promise<Read[]> {
  const { rows } = await test.pool.query<{ index: number; bytes: Buffer }>(
    'select index, bytes from audit.entry order by index desc',
  );
  return rows.map(({ index, bytes }) => ({
    index,
    entry: JSON.parse(bytes.toString()) as Record<string, unknown>,
  }));
}

/** What a filter means, told without SQL. */
export function holds({ entry }: Read, filter: EntryFilter, visibility: Visibility): boolean {
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
export function filtersOf(all: readonly Read[]): fc.Arbitrary<EntryFilter> {
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
    traceId: fc.option(fc.constantFrom(...traces, 'f'.repeat(32)), { nil: undefined, freq: 2 }),
    subjectRefs: fc.option(fc.subarray(subjects, { minLength: 1, maxLength: 2 }), { nil: undefined }),
    from: times,
    to: times,
  });
}

export const visibilities = fc.constantFrom<Visibility>(
  'all',
  { consumer: 'civil-affairs' },
  { provider: 'market-regulation' },
  { consumer: 'taxation', provider: 'public-security' },
);

export async function untilIndexed(test: TestGateway): Promise<void> {
  const [newest] = await readAll(test);
  await until('the search tables hold all', async () => {
    const { rows } = await test.pool.query<{ mark: number }>('select audit.indexed() as mark');
    return rows[0]!.mark > newest!.index;
  });
}
