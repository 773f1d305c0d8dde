import type { LightMyRequestResponse } from 'fastify';
import t from 'tap';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { hintsOperation } from '../../../src/routes/audit/hint-documents.ts';
import { findHints } from '../../../src/audit/hints/find-hints.ts';
import { readIndexLag } from '../../../src/audit/search/index-stage.ts';
import { createOfficeHours } from '../../../src/base/office-hours.ts';
import { rules } from '../../../src/audit/hints/rules.ts';
import {
  burstMs,
  leastAbsent,
  leastRefusals,
  leastRun,
  type Hint,
} from '../../../src/audit/hints/watches.ts';
import { openDatabase } from '../../../src/db/database.ts';
import { checkProblem } from '../../helpers/checks.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { holdLock, logLocks, newLeaf, readVersion, startAppender } from '../../helpers/log.ts';
import { until } from '../../helpers/until.ts';
import { readLog } from '../../helpers/open-seal.ts';
import { newAsker, type Asker } from '../../helpers/search.ts';

const test = await startGateway(t);
const auditor = await newAsker(test, 'audit-office', ['audit']);

interface Found {
  rule: string;
  official: string | null;
  consumer: string;
  count: number;
  entries: number[];
  title: string;
}

async function ask(
  asker: Asker,
  query = '',
  headers: Record<string, string> = { 'exchange-official': 'auditor-1' },
): Promise<LightMyRequestResponse> {
  const authorization = `Bearer ${await asker.token()}`;
  return test.app.inject({ url: `/v1/audit/hints${query}`, headers: { authorization, ...headers } });
}

/** A citizens' id that nobody has: region, birth date, number, and the check character of GB 11643. */
function citizenId(number: number): string {
  const body = `99990119700101${String(number).padStart(3, '0')}`;
  const weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
  const sum = weights.reduce((total, weight, i) => total + weight * Number(body[i]), 0);
  return body + '10X98765432'[sum % 11]!;
}

await t.test('finds ids asked in sequence, absent ones, and refusals, each with its entries', async (t) => {
  const official = { 'exchange-official': 'li' };
  const tried: number[] = [];
  for (let i = 0; i < leastAbsent; i++) {
    const token = await test.token('civil-affairs');
    const answer = await test.read('citizens', { id: citizenId(100 + i) }, { token, headers: official });
    t.equal(answer.statusCode, 404);
    tried.push(Number(answer.headers['exchange-entry']));
  }
  const refused: number[] = [];
  for (let i = 0; i < leastRefusals; i++) {
    const token = await test.token('taxation');
    const answer = await test.read('citizens', { id: citizenId(1), fields: ['ethnicity'] }, { token });
    t.ok(answer.statusCode >= 400);
    refused.push(Number(answer.headers['exchange-entry']));
  }
  test.clock.advance(1000);
  const answer = await ask(auditor, '', { 'exchange-official': 'auditor-1', 'accept-language': 'en' });
  t.equal(answer.statusCode, 200);
  t.equal(answer.headers['content-language'], 'en');
  const { items } = answer.json<{ items: Found[] }>();
  const byRule = Object.fromEntries(items.map((item) => [item.rule, item]));
  t.match(byRule.absent, { official: 'li', consumer: 'civil-affairs', count: leastAbsent });
  t.strictSame(byRule.absent!.entries, tried.slice(0, 20));
  t.match(byRule.sequence, { official: 'li', count: leastAbsent, title: rules.sequence.title.en });
  t.strictSame(byRule.sequence!.entries, tried.slice(leastRun - 1, leastRun - 1 + 20));
  t.match(byRule.refusals, { consumer: 'taxation', count: leastRefusals, official: null });
  t.strictSame(byRule.refusals!.entries, refused);

  const { responses } = hintsOperation as {
    responses: Record<string, { content: Record<string, { schema: object }> }>;
  };
  const ajv = new Ajv2020({ strict: false });
  addFormats.default(ajv);
  const validate = ajv.compile(responses['200']!.content['application/json']!.schema);
  t.ok(validate(answer.json()), JSON.stringify(validate.errors));
  const newest = (await readLog(test.pool)).at(-1)!;
  t.match(newest, {
    kind: 'query',
    operation: 'hints',
    id: answer.headers['exchange-id'],
    official: { id: 'auditor-1' },
    records: items.length,
  });
});

await t.test(
  'speaks Chinese to whoever does not say otherwise, and looks at the time asked for',
  async (t) => {
    const answer = await ask(auditor);
    t.equal(answer.headers['content-language'], 'zh');
    const titles = answer.json<{ items: Found[] }>().items.map(({ title }) => title);
    t.ok(titles.includes(rules.absent.title.zh));
    const before = new Date(test.clock.now().getTime() - 3_600_000).toISOString();
    const none = await ask(auditor, `?to=${before}`);
    t.strictSame(none.json(), { items: [], next: null });
  },
);

await t.test(
  'looks at one department alone, whether the search tables have its entries or not',
  async (t) => {
    const rulesOf = async (consumer: string): Promise<string[]> => {
      const answer = await ask(auditor, `?consumer=${consumer}`);
      t.equal(answer.statusCode, 200);
      const newest = (await readLog(test.pool)).at(-1)!;
      t.match(newest, { operation: 'hints', details: { consumer } });
      const { items } = answer.json<{ items: Found[] }>();
      t.ok(items.every((item) => item.consumer === consumer));
      return items
        .map(({ rule }) => rule)
        .filter((rule) => rule !== 'hours') // the test may run on a Sunday
        .sort();
    };
    test.clock.advance(burstMs + 1000);
    const token = await test.token('civil-affairs');
    const lock = await holdLock(t, test, logLocks.index);
    for (let i = 0; i < leastRefusals; i++)
      await test.read('citizens', { id: citizenId(1), fields: ['ethnicity'] }, { token });
    test.clock.advance(1000);
    const found = ['absent', 'refusals', 'sequence'];
    t.strictSame(await rulesOf('civil-affairs'), found, 'some are in none');
    t.strictSame(await rulesOf('taxation'), ['refusals']);
    t.strictSame(await rulesOf('justice'), []);
    await lock.release();
    await until('the search tables have all', async () => (await readIndexLag(test.pool)).entries === 0);
    t.strictSame(await rulesOf('civil-affairs'), found, 'all are in them');
  },
);

await t.test('is not kept from one department by how much others ask', async (t) => {
  const { database, close } = openDatabase(test.gatewayUrl, 'test hints', { maxConnections: 1 });
  t.teardown(close);
  await until('the search tables have all', async () => (await readIndexLag(test.pool)).entries === 0);
  const span = { from: new Date(test.clock.now().getTime() - 86_400_000), to: test.clock.now() };
  const most = leastRefusals;
  const office = createOfficeHours('Asia/Shanghai');
  t.equal(await findHints(database, span, office, { most }), null);
  t.equal(await findHints(database, { ...span, consumer: 'civil-affairs' }, office, { most }), null);
  const hints = await findHints(database, { ...span, consumer: 'taxation' }, office, { most });
  const refusals = hints?.find(({ rule }) => rule === 'refusals');
  t.match(refusals, { consumer: 'taxation', count: leastRefusals });
});

await t.test(
  'looks at the department alone among those whose clock was wrong, and at what was not read',
  async (t) => {
    const test = await startGateway(t);
    const { database, close } = openDatabase(test.gatewayUrl, 'test hints', { maxConnections: 1 });
    t.teardown(close);
    const { appender } = startAppender(t, test);
    const append = async (more: Parameters<typeof newLeaf>[0]): Promise<number> =>
      (await appender.append(newLeaf({ operation: 'read', ...more }), await readVersion(test)))!;
    const late = new Date(test.clock.now().getTime() - 3_600_000);
    const many = Array.from({ length: leastRefusals });
    for (const _ of many) await append({ time: late, consumer: 'late-clock' });
    const evaded: number[] = [];
    for (const _ of many)
      evaded.push(await append({ time: test.clock.now(), consumer: 'evader', subjects: ['bad'] }));
    await until('the search tables have all', async () => (await readIndexLag(test.pool)).entries === 0);
    test.clock.advance(1000);
    const span = { from: new Date(late.getTime() - 1000), to: test.clock.now() };
    const office = createOfficeHours('Asia/Shanghai');
    const find = (consumer: string, most = 2 * leastRefusals): Promise<Hint[] | null> =>
      findHints(database, { ...span, consumer }, office, { most });
    t.match(
      (await find('late-clock'))?.find(({ rule }) => rule === 'refusals'),
      { consumer: 'late-clock' },
    );
    t.match(
      (await find('evader'))?.find(({ rule }) => rule === 'refusals'),
      { entries: evaded },
    );
    t.strictSame(await find('justice'), []);
  },
);

await t.test('refuses everybody but auditors, and times that it does not look at', async (t) => {
  for (const role of ['exchange', 'provide', 'disclose', 'admin']) {
    const asker = await newAsker(test, 'civil-affairs', [role]);
    checkProblem(t, await ask(asker), { status: 403, code: 'scope-missing' });
  }
  checkProblem(t, await test.app.inject({ url: '/v1/audit/hints' }), { status: 401, code: 'token-missing' });
  checkProblem(t, await ask(auditor, '', {}), { status: 400, code: 'official-required' });
  const queries = [
    '?from=x',
    '?to=2026-02-30T00:00:00Z',
    '?from=2026-01-01T00:00:00Z',
    '?until=2026-01-01T00:00:00Z',
    '?consumer=Taxation',
    '?consumer=taxation&consumer=justice',
  ];
  for (const query of [...queries, '?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z'])
    checkProblem(t, await ask(auditor, query), { status: 400, code: 'invalid-request' });
});

await t.test('leaves a whole log behind all of that', (t) => checkAuditLog(t, test));
