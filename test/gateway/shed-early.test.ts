import { Agent, request, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { personaCitizens } from '../../src/sandbox/personas.ts';
import { checkProblem } from '../helpers/checks.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway } from '../helpers/gateway.ts';

const test = await startGateway(t);
const token = await test.token('civil-affairs');
await test.app.listen({ port: 0, host: '127.0.0.1' });
const { port } = test.app.server.address() as AddressInfo;
const agent = new Agent({ keepAlive: true });
const body = JSON.stringify({ id: personaCitizens[0]!.id, fields: ['name'] });
const read = '/v2/citizens/read';

interface Answer {
  statusCode: number;
  headers: IncomingHttpHeaders;
  body: string;
  reused: boolean;
}

function send(
  method: string,
  path: string,
  { headers = {}, payload = body }: { headers?: Record<string, string>; payload?: string } = {},
): Promise<Answer> {
  const all = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'exchange-purpose': 'marriage-registration',
    ...headers,
  };
  return new Promise((resolve, reject) => {
    const sent = request({ port, agent, method, path, headers: all }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () =>
        resolve({
          statusCode: response.statusCode!,
          headers: response.headers,
          body: text,
          reused: sent.reusedSocket,
        }),
      );
    });
    sent.on('error', reject);
    sent.end(method === 'GET' ? undefined : payload);
  });
}

// While the log takes nothing, every exchange stays in work.
const locker = await test.pool.connect();
await locker.query('begin; lock table audit.entry in access exclusive mode');
const inWork = Array.from({ length: 320 }, () => send('POST', read));
await sleep(1500);

const expected = { status: 503, code: 'overloaded' };
const problemOf = (answer: Answer): Parameters<typeof checkProblem>[1] =>
  ({ ...answer, json: () => JSON.parse(answer.body) as unknown }) as never;

await t.test('refuses in the form of every problem, in the language that is asked for', async (t) => {
  const plain = await send('POST', read);
  t.equal(checkProblem(t, problemOf(plain), expected).title, '网关过载');
  t.equal(Number(plain.headers['content-length']), Buffer.byteLength(plain.body));
  const english = await send('POST', read, { headers: { 'accept-language': 'en' } });
  t.equal(checkProblem(t, problemOf(english), expected).title, 'The gateway is overloaded');
  const names = ({ headers }: Answer): string[] =>
    Object.keys(headers)
      .filter((name) => name !== 'connection' && name !== 'keep-alive')
      .sort();
  t.same(names(english), names(plain), 'by whatever way');
});

await t.test('leaves a body unread, and the connection in use', async (t) => {
  const [first, second] = [
    await send('POST', read, { payload: 'x'.repeat(100_000) }),
    await send('POST', read),
  ];
  t.same([first.statusCode, second.statusCode, second.reused], [503, 503, true]);
});

await t.test('answers what is no data request', async (t) => {
  t.equal((await send('GET', '/livez')).statusCode, 200);
  t.equal((await send('GET', read)).statusCode, 405);
  const unknown = await send('POST', '/v1/vehicles/lists');
  t.equal(unknown.statusCode, 404);
  const form = { authorization: 'Basic eDp5', 'content-type': 'application/x-www-form-urlencoded' };
  const refused = await send('POST', '/oauth/token', {
    headers: form,
    payload: 'grant_type=client_credentials',
  });
  t.equal(refused.statusCode, 401);
});

await t.test('counts whom it refused, and enters nothing of them', async (t) => {
  await locker.query('rollback');
  locker.release();
  t.same([...new Set((await Promise.all(inWork)).map(({ statusCode }) => statusCode))], [200]);
  const metrics = await test.gateway.metrics.registry.metrics();
  t.match(metrics, /onevisit_problems_total\{code="overloaded"\} 4\b/);
  const entries = await checkAuditLog(t, test);
  t.equal(entries.filter(({ kind }) => kind === 'exchange').length, 320);
  agent.destroy();
});
