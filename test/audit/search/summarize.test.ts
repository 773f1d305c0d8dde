import fc from 'fast-check';
import t from 'tap';
import {
  dimensions,
  maxGroups,
  summarize,
  type Dimension,
  type Group,
} from '../../../src/audit/search/summarize.ts';
import { summaryOperation } from '../../../src/routes/audit/summary-documents.ts';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { checkProblem } from '../../helpers/checks.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { startGateway } from '../../helpers/gateway.ts';
import {
  filtersOf,
  holds,
  makeExchanges,
  readAll,
  untilIndexed,
  visibilities,
  type Read,
} from '../../helpers/filters.ts';
import { holdLock, logLocks } from '../../helpers/log.ts';
import { newAsker, type Asker } from '../../helpers/search.ts';

const test = await startGateway(t);
const auditor = await newAsker(test, 'audit-office', ['audit']);
const timeZone = 'Asia/Shanghai';
await makeExchanges(test);

/** What an entry counts as, told without SQL. */
function valueOf({ entry }: Read, dimension: Dimension): string | null {
  if (dimension === 'official') return (entry.official as { id: string } | undefined)?.id ?? null;
  if (dimension === 'hour') return `${(entry.time as string).slice(0, 13)}:00:00.000Z`;
  if (dimension === 'day') return new Date(entry.time as string).toLocaleDateString('sv-SE', { timeZone });
  return (entry[dimension] as string | undefined) ?? null;
}

function counted(all: readonly Read[], by: readonly Dimension[]): Set<string> {
  const groups = Map.groupBy(all, (one) => JSON.stringify(by.map((dimension) => valueOf(one, dimension))));
  return new Set([...groups].map(([key, entries]) => `${key} ${entries.length}`));
}

async function checkAnySummary(): Promise<void> {
  const all = await readAll(test);
  const any = fc.tuple(filtersOf(all), visibilities, fc.subarray([...dimensions], { minLength: 1 }));
  await fc.assert(
    fc.asyncProperty(any, async ([filter, visibility, by]) => {
      const groups = (await summarize(test.database, { filter, visibility, by, timeZone })) as Group[];
      const found = groups.map(
        (group) => `${JSON.stringify(by.map((name) => group[name]))} ${group.entries}`,
      );
      const expected = counted(
        all.filter((one) => holds(one, filter, visibility)),
        by,
      );
      if (found.length !== expected.size || found.some((one) => !expected.has(one)))
        throw new Error(`${found.join()} in place of ${[...expected].join()}`);
    }),
    { numRuns: 300 },
  );
}

async function ask(asker: Asker, body: object, official: string | null = 'auditor-1') {
  return test.app.inject({
    method: 'POST',
    url: '/v1/audit/summary',
    headers: {
      authorization: `Bearer ${await asker.token()}`,
      'accept-language': 'en',
      ...(official !== null && { 'exchange-official': official }),
    },
    payload: body,
  });
}

await t.test('counts by any dimensions what any filters find', async () => {
  await untilIndexed(test);
  await checkAnySummary();
});

await t.test('counts the part of the log that the search tables do not hold yet', async () => {
  const lock = await holdLock(t, test, logLocks.index);
  await test.pool.query('delete from audit.find_subject where index > 9');
  await test.pool.query('delete from audit.find where index > 9');
  await checkAnySummary();
  await lock.release();
  await untilIndexed(test);
});

await t.test('answers in its documented form, and is an entry itself', async (t) => {
  const before = await readAll(test);
  const answer = await ask(auditor, { by: ['consumer', 'outcome'], kind: 'exchange' });
  t.equal(answer.statusCode, 200);
  t.equal(answer.headers['cache-control'], 'no-store');
  const { responses } = summaryOperation as {
    responses: Record<string, { content: Record<string, { schema: object }> }>;
  };
  const validate = new Ajv2020({ strict: false }).compile(
    responses['200']!.content['application/json']!.schema,
  );
  t.ok(validate(answer.json()), JSON.stringify(validate.errors));
  const { items } = answer.json<{ items: Group[] }>();
  t.equal(
    items.reduce((sum, { entries }) => sum + entries, 0),
    before.filter(({ entry }) => entry.kind === 'exchange').length,
  );
  const [newest] = await readAll(test);
  t.match(newest!.entry, {
    kind: 'query',
    operation: 'summary',
    id: answer.headers['exchange-id'],
    records: items.length,
    official: { id: 'auditor-1' },
    details: { by: ['consumer', 'outcome'], kind: 'exchange' },
  });
});

await t.test('counts for a consumer its own alone, and for a provider those on its datasets', async (t) => {
  const seen = async (department: string, role: string): Promise<Group[]> => {
    const asker = await newAsker(test, department, [role]);
    return (await ask(asker, { by: ['consumer', 'provider'] })).json<{ items: Group[] }>().items;
  };
  const own = await seen('taxation', 'exchange');
  t.ok(own.length > 0);
  t.ok(own.every(({ consumer }) => consumer === 'taxation'));
  const provided = await seen('market-regulation', 'provide');
  t.ok(provided.length > 0);
  t.ok(provided.every(({ provider }) => provider === 'market-regulation'));
});

await t.test('refuses whoever may not, and what it does not know', async (t) => {
  const portal = await newAsker(test, 'service-portal', ['disclose']);
  checkProblem(t, await ask(portal, { by: ['day'] }), { status: 403, code: 'scope-missing' });
  checkProblem(t, await ask(auditor, { by: ['day'] }, null), { status: 400, code: 'official-required' });
  for (const body of [{}, { by: [] }, { by: ['week'] }, { by: ['day', 'day'] }, { by: ['day'], from: 'x' }])
    checkProblem(t, await ask(auditor, body), { status: 400, code: 'invalid-request' });
});

await t.test('refuses what has more counts than it gives, and says so', async (t) => {
  await untilIndexed(test);
  const lock = await holdLock(t, test, logLocks.index);
  await test.pool.query(
    `insert into audit.find (index, at, so_far, exchange, official)
     select 1000000 + n, now(), now(), gen_random_uuid(), 'official-' || n from generate_series(1, $1::int) n`,
    [maxGroups + 1],
  );
  const answer = await ask(auditor, { by: ['official'] });
  checkProblem(t, answer, { status: 400, code: 'invalid-request' });
  t.equal(answer.json<{ errors: { pointer: string }[] }>().errors[0]!.pointer, '#/by');
  await test.pool.query('delete from audit.find where index >= 1000000');
  await lock.release();
});

await t.test('leaves a whole log behind all of that', (t) => checkAuditLog(t, test));
