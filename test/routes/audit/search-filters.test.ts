import fc from 'fast-check';
import t from 'tap';
import type { EntryFilter, Visibility } from '../../../src/audit/search/filter.ts';
import { findEntries } from '../../../src/audit/search/find-entries.ts';
import { personaCitizens } from '../../../src/sandbox/personas.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { startGateway } from '../../helpers/gateway.ts';
import {
  filtersOf,
  holds,
  makeExchanges,
  readAll,
  traces,
  untilIndexed,
  visibilities,
} from '../../helpers/filters.ts';
import { holdLock, logLocks, newLeaf, readVersion } from '../../helpers/log.ts';
import { found, newAsker, search } from '../../helpers/search.ts';

const test = await startGateway(t);
const auditor = await newAsker(test, 'audit-office', ['audit']);
const minuteMs = 60_000;
const ada = personaCitizens[0]!.id;

await makeExchanges(test);

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
  const all = await readAll(test);
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

await t.test('any filters together find what each of them finds, in pages of any size', async () => {
  await untilIndexed(test);
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
  await untilIndexed(test);
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
  await untilIndexed(test);
  const items = await found(test, auditor, { from, kind: 'exchange' });
  t.strictSame(
    items.map(({ index }) => index),
    asked.toReversed(),
  );
});

await t.test(
  'over HTTP, each filter by its name in the API, and the query says what was asked',
  async (t) => {
    const all = await readAll(test);
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
    t.match((await readAll(test))[0]!.entry, { kind: 'query', details: given });
  },
);

await t.test(
  'a clock that was wrong hides no entry from whoever searches by time, its own not either',
  async (t) => {
    const now = test.clock.now().getTime();
    const years = 365 * 24 * 60 * minuteMs;
    const leaves = [now + 70 * years, now - 6 * minuteMs, now - years, now + 4 * minuteMs].map((ms) =>
      newLeaf({ time: new Date(ms), consumer: 'civil-affairs' }),
    );
    await test.pool.query('select audit.append($1, $2, $3)', [
      await readVersion(test),
      leaves.map(({ bytes }) => bytes),
      leaves.map(({ hash }) => hash),
    ]);
    await test.read('citizens', { id: ada }, { token: await test.token('civil-affairs') });
    await untilIndexed(test);
    await checkAnyFilter();
    const { rows } = await test.pool.query<{ low: number }>(
      "select min(index) as low from audit.find where so_far >= '2090-01-01'",
    );
    t.equal(rows[0]!.low, null, 'a time still to come is not how far the log is');
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
