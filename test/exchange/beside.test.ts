import t from 'tap';
import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import { personaCitizens } from '../../src/sandbox/personas.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway } from '../helpers/gateway.ts';
import { checkBeside, checkProblem } from '../helpers/checks.ts';

const { id } = personaCitizens[0]!;
const test = await startGateway(t);
const token = await test.token('civil-affairs');

const json = { 'content-type': 'application/json' };
const good = { ...json, authorization: `Bearer ${token}`, 'exchange-purpose': 'marriage-registration' };
const read = '/v1/citizens/read';
const body = JSON.stringify({ id });

function ask(options: InjectOptions): () => Promise<LightMyRequestResponse> {
  return () => test.app.inject(options);
}

await t.test('asks for a token in the plainest way when none came (RFC 6750, 3)', async (t) => {
  const none = [
    {},
    { authorization: '' },
    { authorization: 'Basic Zm9vOmJhcg==' },
    { authorization: 'Bearerx y' },
  ];
  for (const headers of none) {
    const request = ask({ method: 'POST', url: read, headers: { ...json, ...headers }, payload: body });
    const response = await checkBeside(t, test, request, { status: 401, code: 'token-missing' });
    t.equal(response.headers['www-authenticate'], 'Bearer realm="onevisit"', 'no error is named');
  }
});

await t.test('says of a token that is none that it is not valid', async (t) => {
  for (const authorization of ['Bearer', 'Bearer ', 'Bearer x', 'bearer a.b.c', 'Bearer a b', 'Bearer "x"']) {
    const headers = { ...good, authorization };
    const request = ask({ method: 'POST', url: read, headers, payload: body });
    const response = await checkBeside(t, test, request, { status: 401, code: 'token-invalid' });
    t.match(response.headers['www-authenticate'], /^Bearer realm="onevisit", error="invalid_token"/);
  }
});

await t.test('names the scope that is missing in the challenge', async (t) => {
  const response = await test.read('citizens', { id }, { token: await test.token('taxation', ['provide']) });
  t.equal(
    response.headers['www-authenticate'],
    'Bearer realm="onevisit", error="insufficient_scope", scope="exchange"',
  );
});

await t.test('takes the scheme Bearer in any case', async (t) => {
  const headers = { ...good, authorization: `bEARER ${token}` };
  t.equal((await test.app.inject({ method: 'POST', url: read, headers, payload: body })).statusCode, 200);
});

await t.test('knows no address but its own', async (t) => {
  const unknown: InjectOptions[] = [
    { method: 'POST', url: '/v1/vehicles/read', headers: good, payload: body },
    { method: 'POST', url: '/v2/enterprises/read', headers: good, payload: body },
    { method: 'POST', url: '/v3/citizens/read', headers: good, payload: body },
    { method: 'POST', url: '/v1/citizens/read/', headers: good, payload: body },
    { method: 'POST', url: '/v1/Citizens/read', headers: good, payload: body },
    { method: 'POST', url: '/nowhere' },
    { method: 'GET', url: '/v1/%zz', headers: good },
    { method: 'GET', url: '/' },
  ];
  for (const request of unknown)
    await checkBeside(t, test, ask(request), { status: 404, code: 'route-unknown' });
});

await t.test('names the address that was probably meant, after the token', async (t) => {
  const meant: [url: string, en: string, zh: string][] = [
    [
      '/v2/enterprises/read',
      'Version 2 of dataset enterprises does not exist; use /v1/enterprises/read.',
      '数据集 enterprises 没有第 2 版，请使用 /v1/enterprises/read。',
    ],
    [
      '/v3/citizens/search',
      'Version 3 of dataset citizens does not exist; use /v2/citizens/search.',
      '数据集 citizens 没有第 3 版，请使用 /v2/citizens/search。',
    ],
    ['/v2/citizen/read', 'Did you mean /v2/citizens/read?', '是否想用 /v2/citizens/read？'],
    ['/v2/Enterprises/batch', 'Did you mean /v1/enterprises/batch?', '是否想用 /v1/enterprises/batch？'],
    ['/v3/citizen/raed', 'Did you mean /v2/citizens/read?', '是否想用 /v2/citizens/read？'],
    ['/v1/citizens/read/', 'Did you mean /v1/citizens/read?', '是否想用 /v1/citizens/read？'],
  ];
  for (const [url, en, zh] of meant)
    for (const [language, sentence] of [
      ['en', en],
      ['zh', zh],
    ] as const) {
      const headers = { ...good, 'accept-language': language };
      const request = ask({ method: 'POST', url, headers, payload: body });
      const response = await checkBeside(t, test, request, { status: 404, code: 'route-unknown' });
      t.ok(response.json<{ detail: string }>().detail.trim().endsWith(sentence), `${url} ${language}`);
    }
  const before = ask({ method: 'POST', url: '/v2/enterprises/read', payload: body });
  await checkBeside(t, test, before, { status: 401, code: 'token-missing' });
  for (const url of ['/v1/vehicles/read', '/v3/citizens/999901198804120024', '/v2/nowhere', '/v1/']) {
    const request = ask({ method: 'GET', url, headers: { ...good, 'accept-language': 'en' } });
    const response = await checkBeside(t, test, request, { status: 404, code: 'route-unknown' });
    t.ok(response.json<{ detail: string }>().detail.endsWith('list what it serves.'), url);
  }
});

await t.test('refuses another method with 405 and the methods that it takes', async (t) => {
  for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'] as const) {
    const request = ask({
      method,
      url: read,
      headers: { authorization: good.authorization },
    });
    const response = await checkBeside(t, test, request, { status: 405, code: 'method-not-allowed' });
    t.equal(response.headers.allow, 'POST', method);
  }
  const head = await test.app.inject({ method: 'HEAD', url: read });
  t.match({ status: head.statusCode, allow: head.headers.allow }, { status: 405, allow: 'POST' });
});

await t.test('refuses another method whatever body comes with it', async (t) => {
  const bodies = [
    { headers: { ...good, 'content-type': 'text/xml' }, payload: '<id/>' },
    { headers: good, payload: '{"id":' },
    { headers: good, payload: '{"__proto__":{}}' },
  ];
  for (const request of bodies)
    for (const method of ['PUT', 'DELETE'] as const)
      await checkBeside(t, test, ask({ method, url: read, ...request }), {
        status: 405,
        code: 'method-not-allowed',
      });
});

await t.test('knows no address whatever body comes with it', async (t) => {
  const bodies = [
    { headers: { ...good, 'content-type': 'text/xml' }, payload: '<id/>' },
    { headers: good, payload: '{"id":' },
  ];
  for (const request of bodies)
    await checkBeside(t, test, ask({ method: 'POST', url: '/v1/nowhere', ...request }), {
      status: 404,
      code: 'route-unknown',
    });
});

await t.test('refuses a body over the limit: payload-too-large', async (t) => {
  const payload = JSON.stringify({ id, fields: ['x'.repeat(128 * 1024)] });
  const request = ask({ method: 'POST', url: read, headers: good, payload });
  const response = await checkBeside(t, test, request, { status: 413, code: 'payload-too-large' });
  t.match(response.json<{ detail: string }>().detail, /131072/);
});

await t.test('refuses another media type: media-type-unsupported', async (t) => {
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/xml',
    'multipart/form-data',
  ]) {
    const headers = { ...good, 'content-type': type };
    const request = ask({ method: 'POST', url: read, headers, payload: body });
    const response = await checkBeside(t, test, request, { status: 415, code: 'media-type-unsupported' });
    t.match(response.json<{ detail: string }>().detail, /application\/json/);
  }
});

await t.test('reads nobody’s body before the token is verified', async (t) => {
  const requests = [
    { headers: { 'content-type': 'text/xml' }, payload: '<id/>' },
    { headers: json, payload: ' '.repeat(200 * 1024) },
    { headers: json, payload: '{"id":' },
  ];
  for (const request of requests)
    await checkBeside(t, test, ask({ method: 'POST', url: read, ...request }), {
      status: 401,
      code: 'token-missing',
    });
});

await t.test('repeats nothing of a request in a problem beside an exchange', async (t) => {
  const response = await test.app.inject({ method: 'GET', url: `/v1/people/${id}?name=secret` });
  checkProblem(t, response, { status: 404, code: 'route-unknown' });
  t.notMatch(response.body, new RegExp(`${id}|secret`));
});

await t.test('has only exchanges in its log', async (t) => {
  const entries = await checkAuditLog(t, test);
  t.equal(entries.filter(({ kind }) => kind === 'exchange').length, 2);
});
