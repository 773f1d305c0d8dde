import type { LightMyRequestResponse } from 'fastify';
import t from 'tap';
import { addClient } from '../../src/identity/departments-and-clients.ts';
import { personas } from '../../src/sandbox/personas.ts';
import { createJudge, type Document } from '../helpers/openapi-document.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway, type AskOptions } from '../helpers/gateway.ts';

const test = await startGateway(t);
const { app } = test;
const judge = createJudge((await app.inject({ url: '/openapi/v1.json' })).json<Document>());
const persona = (dataset: string, index = 0): string =>
  personas.filter((one) => one.dataset === dataset)[index]!.id;
const citizen = persona('citizens');
const enterprise = persona('enterprises');

await t.test('answers every persona in the documented form', async (t) => {
  for (const { dataset, id } of personas.filter((one) => one.dataset === 'citizens')) {
    const answer = await test.read(dataset, { id });
    judge.checkAnswer(t, 'readCitizens', answer);
    if (answer.statusCode === 200) t.ok(Object.keys(answer.json<object>()).length > 5);
  }
  const token = await test.token('taxation');
  const purpose = 'tax-assessment';
  for (const { id } of personas.filter((one) => one.dataset === 'enterprises')) {
    const headers = { authorization: `Bearer ${token}`, 'exchange-purpose': purpose };
    judge.checkAnswer(t, 'readEnterprises', await test.read('enterprises', { id }, { token, purpose }));
    judge.checkAnswer(
      t,
      'getEnterprises',
      await app.inject({ url: `/v1/enterprises/${id}?fields=name,status`, headers }),
    );
  }
  t.equal((await test.read('citizens', { id: citizen })).statusCode, 200, 'there was something to answer');
});

await t.test('answers every citizen in the documented form of version 2', async (t) => {
  const document = (await app.inject({ url: '/openapi/v2.json' })).json<Document>();
  const judge = createJudge(document);
  const asked = personas.filter((one) => one.dataset === 'citizens').map(({ id }) => id);
  for (const id of asked) {
    const answer = await test.read('citizens', { id }, { version: 2 });
    judge.checkAnswer(t, 'readCitizens', answer);
    if (answer.statusCode === 200) t.ok(Object.keys(answer.json<object>()).length > 8);
  }
  judge.checkAnswer(t, 'batchCitizens', await test.ask('batch', 'citizens', { ids: asked }, { version: 2 }));
  const refused = await test.read('citizens', { id: citizen, fields: ['occupation'] }, { version: 2 });
  t.equal(refused.statusCode, 403);
  judge.checkAnswer(t, 'readCitizens', refused);
});

await t.test('refuses a read in the documented form, whatever is wrong', async (t) => {
  const refused: [string, string, Parameters<typeof test.read>[1], Parameters<typeof test.read>[2]][] = [
    ['token-missing', 'citizens', { id: citizen }, { token: null }],
    ['token-invalid', 'citizens', { id: citizen }, { token: 'e30.e30.x' }],
    ['scope-missing', 'citizens', { id: citizen }, { token: await test.token('audit-office', ['audit']) }],
    ['purpose-required', 'citizens', { id: citizen }, { purpose: null }],
    ['purpose-unknown', 'citizens', { id: citizen }, { purpose: 'gossip' }],
    ['case-required', 'citizens', { id: citizen }, { purpose: 'social-assistance' }],
    [
      'official-required',
      'citizens',
      { id: citizen },
      { purpose: 'social-assistance', headers: { 'exchange-case': '1' } },
    ],
    ['purpose-not-granted', 'citizens', { id: citizen }, { purpose: 'tax-assessment' }],
    ['no-grant', 'enterprises', { id: enterprise }, {}],
    [
      'grant-expired',
      'citizens',
      { id: citizen },
      { token: await test.token('human-resources'), purpose: 'social-insurance' },
    ],
    [
      'grant-suspended',
      'citizens',
      { id: citizen },
      { token: await test.token('taxation'), purpose: 'tax-assessment' },
    ],
    ['invalid-request', 'citizens', { fields: ['name'] }, {}],
    ['invalid-request', 'citizens', '{"id":', {}],
    ['invalid-id', 'citizens', { id: '110105194912310020' }, {}],
    ['unknown-field', 'citizens', { id: citizen, fields: ['salary'] }, {}],
    ['field-not-granted', 'citizens', { id: citizen, fields: ['ethnicity'] }, {}],
    ['record-absent', 'citizens', { id: '11010519491231002X' }, {}],
    ['payload-too-large', 'citizens', `{"id":"${'9'.repeat(200_000)}"}`, {}],
    ['media-type-unsupported', 'citizens', '<id/>', { headers: { 'content-type': 'text/xml' } }],
  ];
  for (const [code, dataset, body, options] of refused) {
    const answer = await test.read(dataset, body, options);
    t.equal(answer.json<{ code: string }>().code, code);
    judge.checkAnswer(t, dataset === 'citizens' ? 'readCitizens' : 'readEnterprises', answer);
  }
});

await t.test('answers a GET by id in the documented form', async (t) => {
  const token = await test.token('taxation');
  const get = (url: string, headers: Record<string, string> = {}): Promise<LightMyRequestResponse> =>
    app.inject({
      url,
      headers: { authorization: `Bearer ${token}`, 'exchange-purpose': 'tax-assessment', ...headers },
    });
  const asked: [number, string, Record<string, string>?][] = [
    [200, `/v1/enterprises/${enterprise}`],
    [400, '/v1/enterprises/none'],
    [400, `/v1/enterprises/${enterprise}?fields=name&fields=status`],
    [400, `/v1/enterprises/${enterprise}?field=name`],
    [403, `/v1/enterprises/${enterprise}?fields=address`],
    [401, `/v1/enterprises/${enterprise}`, { authorization: 'Bearer x' }],
    [404, '/v1/enterprises/91350100M000100Y43'],
  ];
  for (const [status, url, headers] of asked) {
    const answer = await get(url, headers);
    t.equal(answer.statusCode, status, url);
    judge.checkAnswer(t, 'getEnterprises', answer);
  }
});

await t.test('answers batches, verifications and searches in the documented form', async (t) => {
  const enterpriseOptions = { token: await test.token('taxation'), purpose: 'tax-assessment' };
  const asked: [operation: string, code: string | null, body: object, options?: AskOptions][] = [
    ['batch', null, { ids: [citizen, 'x', '999901199001010096'], meta: true }],
    ['batch', null, { ids: [citizen], fields: ['name', 'phone'] }],
    ['batch', 'invalid-request', { ids: [] }],
    ['batch', 'field-not-granted', { ids: [citizen], fields: ['ethnicity'] }],
    ['verify', null, { id: citizen, claims: { name: 'x', birth_date: { age_at_least: 18 } } }],
    ['verify', null, { id: '999901199001010096', claims: { name: { one_of: ['x'] } } }],
    ['verify', 'invalid-id', { id: 'x', claims: { name: 'x' } }],
    ['verify', 'invalid-request', { id: citizen, claims: { name: { before: 'x' } } }],
    ['verify', 'token-missing', { id: citizen, claims: { name: 'x' } }, { token: null }],
    ['search', null, { where: { name: { prefix: '王' } }, limit: 2, meta: true }],
    ['search', null, { where: { name: 'nobody' } }],
    ['search', 'unknown-field', { where: { nam: 'x' } }],
    ['search', 'invalid-request', { where: { name: 'x' }, after: 'x' }],
  ];
  for (const [operation, code, body, options] of asked) {
    const answer = await test.ask(operation, 'citizens', body, options);
    t.equal(answer.json<{ code?: string }>().code ?? null, code, JSON.stringify(body));
    judge.checkAnswer(t, `${operation}Citizens`, answer);
  }
  for (const [operation, body] of [
    ['batch', { ids: [enterprise], meta: true }],
    ['verify', { id: enterprise, claims: { registered_capital: 1, industry_code: { prefix: 'I' } } }],
    ['search', { where: { name: { contains: '公司' }, status: 'active' } }],
  ] as const) {
    const answer = await test.ask(operation, 'enterprises', body, enterpriseOptions);
    t.equal(answer.statusCode, 200);
    judge.checkAnswer(t, `${operation}Enterprises`, answer);
  }
  for (let attempt = 0; attempt < 6; attempt++) {
    const answer = await test.ask('verify', 'citizens', {
      id: persona('citizens', 1),
      claims: { name: 'x' },
    });
    t.equal(answer.statusCode, attempt < 5 ? 200 : 429);
    judge.checkAnswer(t, 'verifyCitizens', answer);
  }
});

await t.test('documents which claims make sense, as they are taken', async (t) => {
  const { operation } = judge.operations.find((one) => one.operation.operationId === 'verifyCitizens')!;
  const { schema } = operation.requestBody!.content['application/json']!;
  const claims: [taken: boolean, claims: object][] = [
    [true, { name: 'x' }],
    [true, { name: { prefix: 'x', exists: true } }],
    [true, { birth_date: { after: '1980-01-01', on_or_before: '2010-01-01' }, sex: { one_of: ['male'] } }],
    [false, { name: {} }],
    [false, { name: 5 }],
    [false, { name: { before: '2000-01-01' } }],
    [false, { name: { prefix: 'x', before: '2000-01-01' } }],
    [false, { name: { prefix: 'x', exists: 'yes' } }],
    [false, { birth_date: { prefix: '19' } }],
  ];
  for (const [taken, one] of claims) {
    const body = { id: persona('citizens', 2), claims: one };
    t.equal(judge.faultsOf(schema, body).length === 0, taken, `documented: ${JSON.stringify(one)}`);
    t.equal((await test.ask('verify', 'citizens', body)).statusCode, taken ? 200 : 400, JSON.stringify(one));
  }
});

await t.test('answers a search of the audit log in the documented form', async (t) => {
  const token = await test.token('audit-office', ['audit']);
  const search = (
    payload: object | string,
    headers: Record<string, string> = {},
  ): Promise<LightMyRequestResponse> =>
    app.inject({
      method: 'POST',
      url: '/v1/audit/entries/search',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${token}`,
        'exchange-official': 'auditor-1',
        ...headers,
      },
      payload,
    });
  const administrator = await test.token('data-bureau', ['admin']);
  const asked: [number, object | string, Record<string, string>?][] = [
    [200, { consumer: 'civil-affairs', limit: 3 }],
    [200, { dataset: 'citizens', subject: citizen }],
    [400, { limit: 0 }],
    [400, { after: 'made-up' }],
    [400, { dataset: 'citizens', subject: 'X' }],
    [400, {}, { 'exchange-official': '' }],
    [401, {}, { authorization: '' }],
    [403, {}, { authorization: `Bearer ${administrator}` }],
    [413, { subject: 'x'.repeat(200_000) }],
    [415, '<a/>', { 'content-type': 'text/xml' }],
  ];
  for (const [status, body, headers] of asked) {
    const answer = await search(body, headers);
    t.equal(answer.statusCode, status, JSON.stringify(body).slice(0, 60));
    judge.checkAnswer(t, 'searchEntries', answer);
  }
  t.ok((await search({ consumer: 'civil-affairs' })).json<{ items: object[] }>().items.length > 0);
});

await t.test('answers an export of the audit log in the documented form', async (t) => {
  const [auditor, provider] = [
    await test.token('audit-office', ['audit']),
    await test.token('public-security', ['provide']),
  ];
  for (const [status, payload, token, official] of [
    [200, { format: 'ndjson' }, auditor, 'auditor-1'],
    [200, { format: 'csv', consumer: 'civil-affairs' }, auditor, 'auditor-1'],
    [400, { format: 'xml' }, auditor, 'auditor-1'],
    [400, { format: 'csv' }, auditor, ''],
    [401, { format: 'csv' }, '', 'auditor-1'],
    [403, { format: 'csv' }, provider, 'auditor-1'],
    [413, { format: 'csv', case: 'x'.repeat(200_000) }, auditor, 'auditor-1'],
  ] as const) {
    const headers = { authorization: `Bearer ${token}`, 'exchange-official': official };
    const answer = await app.inject({ method: 'POST', url: '/v1/audit/export', headers, payload });
    t.equal(answer.statusCode, status);
    judge.checkAnswer(t, 'exportEntries', answer);
  }
});

await t.test('answers what OAuth asks for, health, and pages in the documented form', async (t) => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const basic = (text: string): Record<string, string> => ({
    ...form,
    authorization: `Basic ${Buffer.from(text).toString('base64')}`,
  });
  const token = (payload: string, headers: Record<string, string>): Promise<LightMyRequestResponse> =>
    app.inject({ method: 'POST', url: '/oauth/token', headers, payload });
  const client = { department: 'civil-affairs', roles: ['exchange'] };
  const { clientId, clientSecret } = await addClient(test.database, { client: 'cli:t' }, client);
  await test.gateway.exchanges.authority.refresh();
  const good = basic(`${clientId}:${clientSecret}`);
  const asked: [number, string, Record<string, string>][] = [
    [200, 'grant_type=client_credentials', good],
    [200, 'grant_type=client_credentials&scope=exchange', good],
    [400, 'grant_type=client_credentials&scope=admin', good],
    [400, 'grant_type=password', good],
    [400, '', good],
    [400, '{}', { ...good, 'content-type': 'application/json' }],
    [400, 'a'.repeat(20_000), good],
    [401, 'grant_type=client_credentials', basic(`${clientId}:wrong`)],
    [401, 'grant_type=client_credentials', form],
  ];
  for (const [status, payload, headers] of asked) {
    const answer = await token(payload, headers);
    t.equal(answer.statusCode, status, payload.slice(0, 60));
    judge.checkAnswer(t, 'getToken', answer);
  }
  const others = {
    getAuthorizationServerMetadata: '/.well-known/oauth-authorization-server',
    getKeys: '/.well-known/jwks.json',
    getLiveness: '/livez',
    getReadiness: '/readyz',
    getMetrics: '/metrics',
    listProblems: '/problems',
    getProblemPage: '/problems/no-grant',
  };
  for (const [operation, url] of Object.entries(others)) {
    const answer = await app.inject({ url });
    t.equal(answer.statusCode, 200, url);
    judge.checkAnswer(t, operation, answer);
  }
  judge.checkAnswer(t, 'getProblemPage', await app.inject({ url: '/problems/none' }));
  const personal = await app.inject({ url: `/v1/citizens/${citizen}` });
  t.equal(personal.json<{ code: string }>().code, 'ids-not-in-urls');
});

await t.test('leaves a whole audit log', async (t) => {
  await checkAuditLog(t, test);
});
