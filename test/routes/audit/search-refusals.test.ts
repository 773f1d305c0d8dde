import t, { type Test } from 'tap';
import { revokeClient } from '../../../src/identity/departments-and-clients.ts';
import { personaCitizens, personaEnterprises } from '../../../src/sandbox/personas.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { actor } from '../../helpers/keys.ts';
import { countEntries } from '../../helpers/log.ts';
import { found, newAsker, search, type Page } from '../../helpers/search.ts';

const test = await startGateway(t);
const auditor = await newAsker(test, 'audit-office', ['audit']);
const subject = personaCitizens[0]!.id;
const exchanges = await Promise.all([
  test.read('citizens', { id: subject }),
  test.read(
    'enterprises',
    { id: personaEnterprises[0]!.id },
    { purpose: 'tax-assessment', token: await test.token('taxation') },
  ),
  test.read('citizens', { id: subject }, { purpose: 'tax-assessment', token: await test.token('taxation') }),
]);
const [byCivilAffairs, byTaxation, refusedToTaxation] = exchanges.map((response) =>
  Number(response.headers['exchange-entry']),
) as [number, number, number];

interface Refusal {
  code: string;
  errors?: { pointer: string; detail: string }[];
}
async function refuse(
  t: Test,
  body: unknown,
  expected: { status: number; code: string; pointer?: string },
  official?: string | null,
): Promise<Refusal> {
  const before = await countEntries(test);
  const response = await search(test, auditor, body, official);
  const problem = response.json<Refusal>();
  t.equal(response.statusCode, expected.status, response.body);
  t.match(response.headers['content-type'], 'application/problem+json');
  t.equal(problem.code, expected.code);
  if (expected.pointer !== undefined) t.equal(problem.errors?.[0]?.pointer, expected.pointer);
  t.equal(await countEntries(test), before, 'no entry');
  return problem;
}
const invalid = { status: 400, code: 'invalid-request' };

await t.test('shows a provider the exchanges on its datasets, and nothing else', async (t) => {
  const provider = await newAsker(test, 'public-security', ['provide']);
  const items = await found(test, provider, {});
  const acts = items.filter(({ entry }) => entry.kind !== 'exchange');
  t.ok(acts.length > 0, 'acts on its datasets as well');
  t.ok(acts.every(({ entry }) => entry.provider === 'public-security'));
  t.strictSame(
    items.filter(({ entry }) => entry.kind === 'exchange').map(({ index }) => index),
    [byCivilAffairs, refusedToTaxation].sort((a, b) => b - a),
  );
  t.strictSame(await found(test, provider, { dataset: 'enterprises' }), []);
  const own = await found(test, provider, { dataset: 'citizens', subject, consumer: 'taxation' });
  t.strictSame(
    own.map(({ index }) => index),
    [refusedToTaxation],
  );
});

await t.test('shows a consumer its own entries, and nothing else', async (t) => {
  const consumer = await newAsker(test, 'taxation', ['exchange']);
  const items = await found(test, consumer, {});
  t.strictSame(
    items.map(({ index }) => index),
    [byTaxation, refusedToTaxation].sort((a, b) => b - a),
  );
  t.strictSame(await found(test, consumer, { consumer: 'civil-affairs' }), []);
  t.ok((await found(test, consumer, {})).every(({ entry }) => entry.consumer === 'taxation'));
});

await t.test('shows a department that consumes and provides both', async (t) => {
  const both = await newAsker(test, 'market-regulation', ['exchange', 'provide']);
  const items = await found(test, both, {});
  t.ok(items.some(({ index }) => index === byTaxation));
  const foreign = items.filter(
    ({ entry }) => entry.consumer !== 'market-regulation' && entry.provider !== 'market-regulation',
  );
  t.strictSame(foreign, []);
});

await t.test('shows the audit office every kind of entry', async (t) => {
  const kinds = new Set((await found(test, auditor, {})).map(({ entry }) => entry.kind));
  for (const kind of ['exchange', 'grant', 'purpose', 'client', 'key', 'load', 'query'])
    t.ok(kinds.has(kind), kind);
});

await t.test('refuses a token without one of the scopes', async (t) => {
  for (const roles of [['admin'], ['disclose']]) {
    const other = await newAsker(test, 'data-bureau', roles);
    const response = await search(test, other, {});
    t.equal(response.statusCode, 403);
    t.equal(response.json<Refusal>().code, 'scope-missing');
    t.match(response.headers['www-authenticate'], /error="insufficient_scope"/);
  }
});

await t.test('refuses whoever has no token, and a client that was revoked', async (t) => {
  const bare = await test.app.inject({ method: 'POST', url: '/v1/audit/entries/search', payload: {} });
  t.equal(bare.statusCode, 401);
  t.equal(bare.json<Refusal>().code, 'token-missing');
  const revoked = await newAsker(test, 'audit-office', ['audit']);
  const token = await revoked.token();
  await revokeClient(test.database, actor, revoked.clientId);
  const response = await search(test, { ...revoked, token: () => Promise.resolve(token) }, {});
  t.equal(response.statusCode, 401);
  t.equal(response.json<Refusal>().code, 'token-invalid');
});

await t.test('wants to know which official asks', async (t) => {
  await refuse(t, {}, { status: 400, code: 'official-required' }, null);
  await refuse(t, {}, { status: 400, code: 'official-required' }, ' ');
  await refuse(t, {}, invalid, '%ff');
  await refuse(t, {}, invalid, 'x'.repeat(65));
  await refuse(t, {}, invalid, 'a%00b');
});

await t.test('refuses a member that it does not know, and names it', async (t) => {
  const problem = await refuse(t, { colour: 'red' }, invalid);
  t.match(JSON.stringify(problem.errors), /colour/);
});

await t.test('refuses what is malformed, and says where', async (t) => {
  const faults: [object, string][] = [
    [{ consumer: 7 }, '#/consumer'],
    [{ consumer: 'No Such' }, '#/consumer'],
    [{ dataset: '' }, '#/dataset'],
    [{ from: 'yesterday' }, '#/from'],
    [{ from: '2026-11-23' }, '#/from'],
    [{ to: '2026-13-01T00:00:00Z' }, '#/to'],
    [{ to: '2026-02-30T00:00:00Z' }, '#/to'],
    [{ to: '2026-11-23T25:00:00Z' }, '#/to'],
    [{ limit: 0 }, '#/limit'],
    [{ limit: 501 }, '#/limit'],
    [{ limit: '10' }, '#/limit'],
    [{ after: 'x'.repeat(201) }, '#/after'],
    [{ subject: 7, dataset: 'citizens' }, '#/subject'],
    [{ subject: null, dataset: 'citizens' }, '#/subject'],
    [{ subject }, '#/dataset'],
    [{ subject, dataset: 'vehicles' }, '#/dataset'],
  ];
  for (const [body, pointer] of faults) await refuse(t, body, { ...invalid, pointer });
  for (const body of [[], 'text', 7, null]) await refuse(t, body, invalid);
});

await t.test("refuses an id that is not one of the dataset's", async (t) => {
  const invalidId = { status: 400, code: 'invalid-id' };
  for (const id of ['1', '999901198804120025', personaEnterprises[0]!.id, 'a\u0000b', '\ud800'])
    await refuse(t, { dataset: 'citizens', subject: id }, invalidId);
});

await t.test(
  'takes a cursor from the client and for the query that it was given to, for a day',
  async (t) => {
    const dayMs = 24 * 60 * 60 * 1000;
    const { next } = (await search(test, auditor, { limit: 1 })).json<Page>();
    t.type(next, 'string');
    t.equal((await search(test, auditor, { limit: 5, after: next })).statusCode, 200, 'whatever the limit');

    const wrong = { ...invalid, pointer: '#/after' };
    await refuse(t, { after: next, dataset: 'citizens' }, wrong);
    await refuse(t, { after: next, from: '2026-01-01T00:00:00Z' }, wrong);
    const bytes = Buffer.from(next!, 'base64url');
    bytes[7]! ^= 1;
    await refuse(t, { after: bytes.toString('base64url') }, wrong);
    await refuse(t, { after: 'made-up' }, wrong);
    await refuse(t, { after: '' }, wrong);
    const colleague = await newAsker(test, 'audit-office', ['audit']);
    t.equal((await search(test, colleague, { after: next })).statusCode, 400);

    test.clock.advance(dayMs);
    t.equal((await search(test, auditor, { after: next })).statusCode, 200, 'good for a day');
    test.clock.advance(1000);
    await refuse(t, { after: next }, wrong);
  },
);

await t.test('refuses text that no entry can hold', async (t) => {
  for (const member of ['official', 'case'])
    for (const text of ['\ud800', 'a\u0085'])
      await refuse(t, { [member]: text }, { ...invalid, pointer: `#/${member}` });
});

await t.test('enters what may be a typed id as a hash', async (t) => {
  const typed = [
    { case: subject },
    { official: `王 ${subject}` },
    { trace_id: `${'0'.repeat(14)}${subject}` },
  ];
  for (const filter of typed) {
    const answer = await search(test, auditor, filter);
    t.equal(answer.statusCode, 200, answer.body);
  }
  const { rows } = await test.pool.query<{ bytes: Buffer }>(
    'select bytes from audit.entry order by index desc limit 3',
  );
  for (const { bytes } of rows) {
    t.notOk(bytes.includes(subject));
    t.match(bytes.toString(), /"hash:[\w-]{22}"/);
  }
});

await t.test('seeks a subject by a code given before there was a check digit', async (t) => {
  const early = `${personaEnterprises[0]!.id.slice(0, 17)}${personaEnterprises[0]!.id.endsWith('0') ? '1' : '0'}`;
  t.equal((await search(test, auditor, { dataset: 'enterprises', subject: early })).statusCode, 200);
  await refuse(t, { dataset: 'enterprises', subject: early.slice(1) }, { status: 400, code: 'invalid-id' });
});

await t.test('leaves a whole log behind all of that', async (t) => {
  await checkAuditLog(t, test);
});
