import type { AddressInfo } from 'node:net';
import t from 'tap';
import { errorTable } from '../../src/base/error-table.ts';
import { personaCitizens } from '../../src/sandbox/personas.ts';
import { makeMalformed } from '../helpers/malformed-requests.ts';
import { sendRaw, type RawAnswer } from '../helpers/raw-http.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway } from '../helpers/gateway.ts';

const { id, name } = personaCitizens[0]!;
const test = await startGateway(t, { config: { logLevel: 'warn' } });
await test.app.listen({ port: 0, host: '127.0.0.1' });
const { port } = test.app.server.address() as AddressInfo;

const internal =
  /\bpg\b|fastify|node_modules|\bat \S+ \(|\bat \w+:\/\/|\bstack\b|\bselect\b|\binsert\b|postgres|sqlstate|kysely|ajv|HPE_|FST_|ERR_|\.[jt]s\b|undefined|\[object/i;

/** What is wrong with an answer to a malformed request; null when it is as it should be. */
function faultOf({ status, headers, body }: RawAnswer, isHead: boolean): string | null {
  if (status < 400 || status > 499) return `answered ${status}`;
  if (!isHead) {
    if (headers['content-type'] !== 'application/problem+json; charset=utf-8')
      return `answered ${status} as ${headers['content-type'] ?? 'nothing'}`;
    const problem = JSON.parse(body) as { code: string; status: number; instance: string };
    if (!Object.hasOwn(errorTable, problem.code)) return `answered the code ${problem.code}`;
    if (problem.status !== status) return `answered ${status} and in the body ${problem.status}`;
    if (problem.instance !== `urn:uuid:${headers['exchange-id']}`) return 'gave two ids';
  }
  const found = internal.exec(body)?.[0];
  if (found !== undefined) return `told of "${found}"`;
  if (body.includes(name)) return 'released data';
  if (headers['x-injected'] !== undefined) return 'let a header in';
  return null;
}

await t.test('answers a thousand malformed requests with problems, and goes on', async (t) => {
  const token = await test.token('civil-affairs');
  const requests = makeMalformed(1000, 20261123, token);
  t.ok(new Set(requests.map(({ kind }) => kind)).size > 50, 'they are of many kinds');
  const faults = new Set<string>();
  const silent = new Set<string>();
  const answered = new Map<string, number | null>();
  for (let i = 0; i < requests.length; i += 20)
    await Promise.all(
      requests.slice(i, i + 20).map(async ({ kind, bytes, cutShort }) => {
        const answers = await sendRaw(port, bytes, { cutShort });
        if (answers.length === 0) silent.add(kind);
        for (const answer of answers) {
          const { 'exchange-id': id, 'exchange-entry': entry } = answer.headers;
          if (id !== undefined) answered.set(id, entry === undefined ? null : Number(entry));
          const fault = faultOf(answer, bytes.subarray(0, 5).toString() === 'HEAD ');
          if (fault !== null) faults.add(`${kind}: ${fault}`);
        }
      }),
    );
  t.same([...faults].sort(), []);
  t.same(
    [...silent].filter((kind) => kind !== 'nothing' && kind !== 'CONNECT'),
    [],
    'the socket is closed without an answer only where nothing was asked',
  );

  const response = await test.read('citizens', { id, fields: ['name'] });
  t.equal(response.body, JSON.stringify({ name }), 'a good read still works');
  const entries = await checkAuditLog(t, test);
  const exchanges = entries.filter(({ kind }) => kind === 'exchange');
  const indexOf = new Map(exchanges.map((entry) => [entry.id, entries.indexOf(entry)]));
  t.same(
    [...answered].filter(([id, index]) => (indexOf.get(id) ?? null) !== index),
    [],
    'every answer names its entry, or has none',
  );
  t.ok([...answered.values()].filter((index) => index !== null).length > 200, 'many were entered');
  t.equal(exchanges.filter(({ outcome }) => outcome !== 'refused').length, 1, 'all were refused');
});

await t.test('tells headers that are too large', async (t) => {
  const head = 'POST /v1/citizens/read HTTP/1.1\r\nHost: gateway.test\r\n';
  for (const line of [`X: ${'a'.repeat(20_000)}`, `Cookie: ${'a=b; '.repeat(5000)}`]) {
    const [answer] = await sendRaw(port, `${head}${line}\r\n\r\n`);
    t.equal(answer?.status, 431);
    t.match(JSON.parse(answer!.body), { code: 'headers-too-large', status: 431 });
    t.match(answer!.headers, { 'exchange-id': /^[0-9a-f-]{36}$/, 'content-language': 'zh' });
  }
  const [long] = await sendRaw(port, `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: gateway.test\r\n\r\n`);
  t.equal(long?.status, 431);
});

await t.test('says in both languages what is wrong', async (t) => {
  for (const [asked, answered] of [
    ['en', 'en'],
    ['zh-CN,zh;q=0.9', 'zh'],
    ['fr', 'zh'],
    ['en;q=0.1, zh;q=0.9', 'zh'],
    ['*', 'zh'],
    ['\u0000;;;', 'zh'],
  ] as const) {
    const headers = { 'accept-language': asked };
    const response = await test.app.inject({ url: '/nowhere', headers });
    t.equal(response.headers['content-language'], answered, asked);
    t.equal(response.headers.vary, 'Accept-Language');
    t.equal(response.json<{ title: string }>().title, errorTable['route-unknown'].title[answered]);
  }
});

await t.test('refuses on each route the methods that it does not take', async (t) => {
  const allowed: Record<string, string> = {
    '/v1/citizens/read': 'POST',
    '/v1/enterprises/read': 'POST',
    '/v1/enterprises/91350100M000100Y43': 'GET',
    '/v1/audit/entries/search': 'POST',
    '/v1/audit/export': 'POST',
    '/.well-known/oauth-authorization-server': 'GET',
    '/.well-known/jwks.json': 'GET',
    '/oauth/token': 'POST',
    '/openapi/v1.json': 'GET',
    '/livez': 'GET',
    '/readyz': 'GET',
    '/metrics': 'GET',
    '/problems': 'GET',
    '/problems/no-grant': 'GET',
    '/docs': 'GET',
    '/docs/': 'GET',
    '/docs/json': 'GET',
    '/docs/static/swagger-ui.css': 'GET',
  };
  const wrong: string[] = [];
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY'];
  for (const [url, allow] of Object.entries(allowed))
    for (const method of methods.filter((one) => one !== allow)) {
      const head = `${method} ${url} HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n`;
      const body = 'Content-Type: text/xml\r\nContent-Length: 4\r\n\r\n<a/>';
      for (const rest of method === 'PUT' ? ['\r\n', body] : ['\r\n']) {
        const [answer] = await sendRaw(port, head + rest);
        const found = `${answer?.status} ${answer?.headers.allow}`;
        if (found !== `405 ${allow}`)
          wrong.push(`${method} ${url}${rest === body ? ' with a body' : ''}: ${found}`);
      }
    }
  t.same(wrong, []);
});
