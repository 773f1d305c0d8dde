import type { LightMyRequestResponse } from 'fastify';
import t from 'tap';
import { personaCitizens } from '../../../src/sandbox/personas.ts';
import { createJudge, type Document } from '../../helpers/openapi-document.ts';
import { parseListField } from '../../helpers/structured-fields.ts';
import { checkBeside, checkProblem } from '../../helpers/checks.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { startGateway } from '../../helpers/gateway.ts';

const { id } = personaCitizens[0]!;
const test = await startGateway(t, { config: { rateLimit: 2, tokenRateLimit: 0 } });
const judge = createJudge((await test.app.inject({ url: '/openapi/v1.json' })).json<Document>());
const body = { id, fields: ['name'] };

function limitsOf({ headers }: LightMyRequestResponse): {
  left: number | undefined;
  quota: number | undefined;
} {
  const [policy] = parseListField(String(headers['ratelimit-policy']));
  const [limit] = parseListField(String(headers.ratelimit));
  t.equal(policy!.value, limit!.value);
  return { left: limit!.parameters.r, quota: policy!.parameters.q };
}

await t.test(
  'refuses a client beside the log once it has used its quota, and tells each time what is left',
  async (t) => {
    for (const left of [3, 2, 1, 0]) {
      const answer = await test.read('citizens', body);
      t.equal(answer.statusCode, 200);
      t.same(limitsOf(answer), { left, quota: 4 });
      judge.checkAnswer(t, 'readCitizens', answer);
    }
    const expected = { status: 429, code: 'rate-limited' };
    const refused = await checkBeside(t, test, () => test.read('citizens', body), expected);
    t.same(limitsOf(refused), { left: 0, quota: 4 });
    t.equal(refused.headers['retry-after'], '1');
    t.match(refused.json<{ detail: string }>().detail, /4.*2|2.*4/);
    judge.checkAnswer(t, 'readCitizens', refused);

    test.clock.advance(1000);
    t.equal((await test.read('citizens', body)).statusCode, 200, 'after Retry-After it is taken');
  },
);

await t.test('counts a refusal of a request that is at fault like any other', async (t) => {
  test.clock.advance(10_000);
  const answer = await test.read('citizens', '{');
  t.equal(answer.statusCode, 400);
  t.equal(limitsOf(answer).left, 3);
  const unknown = await test.read('vehicles', body);
  checkProblem(t, unknown, { status: 404, code: 'route-unknown' });
  t.equal(limitsOf(unknown).left, 2, 'as an address that is none');
});

await t.test('leaves other clients alone, those of the same department too', async (t) => {
  test.clock.advance(10_000);
  for (let i = 0; i < 5; i++) await test.read('citizens', body);
  checkProblem(t, await test.read('citizens', body), { status: 429, code: 'rate-limited' });
  const other = await test.token('civil-affairs', ['exchange', 'provide']);
  t.equal(limitsOf(await test.read('citizens', body, { token: other })).left, 3);
});

await t.test('refuses before it reads the body', async (t) => {
  test.clock.advance(10_000);
  for (let i = 0; i < 4; i++) await test.read('citizens', body);
  const large = await test.read('citizens', 'x'.repeat(200_000));
  checkProblem(t, large, { status: 429, code: 'rate-limited' });
  const xml = await test.read('citizens', '<id/>', { headers: { 'content-type': 'text/xml' } });
  checkProblem(t, xml, { status: 429, code: 'rate-limited' });
});

await t.test('tells whoever has no token nothing of limits', async (t) => {
  for (const token of [null, 'x']) {
    const answer = await test.read('citizens', body, { token });
    t.equal(answer.statusCode, 401);
    t.notOk(answer.headers.ratelimit ?? answer.headers['ratelimit-policy']);
  }
});

await t.test('counts the requests of auditors, each once', async (t) => {
  const token = await test.token('audit-office', ['audit']);
  const headers = { authorization: `Bearer ${token}`, 'exchange-official': 'auditor-1' };
  const search = (): Promise<LightMyRequestResponse> =>
    test.app.inject({ method: 'POST', url: '/v1/audit/entries/search', headers, payload: {} });
  const get = (url: string): Promise<LightMyRequestResponse> => test.app.inject({ url, headers });
  const asked: [operation: string, ask: () => Promise<LightMyRequestResponse>][] = [
    ['searchEntries', search],
    ['getEntry', () => get('/v1/audit/entries/999999999')],
    ['getReceipt', () => get('/v1/exchanges/none/receipt')],
    ['getReceiptProof', () => get('/v1/exchanges/none/receipt.tlog-proof')],
    ['getEntryBundle', () => get('/log/tile/entries/x999/999')],
  ];
  for (const [operation, ask] of asked) {
    test.clock.advance(10_000);
    const first = await ask();
    t.equal(limitsOf(first).left, 3, operation);
    for (let i = 0; i < 3; i++) await ask();
    const refused = await ask();
    checkProblem(t, refused, { status: 429, code: 'rate-limited' });
    judge.checkAnswer(t, operation, refused);
  }
});

await t.test('counts what it refuses, and enters nothing of it', async (t) => {
  const metrics = await test.gateway.metrics.registry.metrics();
  t.match(metrics, /onevisit_problems_total\{code="rate-limited"\} 10\b/);
  const entries = await checkAuditLog(t, test);
  t.notOk(entries.some(({ code }) => code === 'rate-limited'));
});

await t.test('sets no limit, and tells of none, when the setting is 0', async (t) => {
  const open = await startGateway(t, { config: { rateLimit: 0 } });
  for (let i = 0; i < 20; i++) {
    const answer = await open.read('citizens', body);
    t.equal(answer.statusCode, 200);
    t.notOk(answer.headers.ratelimit);
  }
  await checkAuditLog(t, open);
});
