import type { LightMyRequestResponse } from 'fastify';
import t from 'tap';
import { addClient } from '../../../src/identity/departments-and-clients.ts';
import { createJudge, type Document } from '../../helpers/openapi-document.ts';
import { parseListField } from '../../helpers/structured-fields.ts';
import { createDatabase } from '../../helpers/database.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { actor } from '../../helpers/keys.ts';

const database = await createDatabase(t);
const test = await startGateway(t, { database, config: { tokenRateLimit: 1 } });
const proxied = await startGateway(t, {
  database,
  config: { tokenRateLimit: 1, trustedProxies: ['192.0.2.0/24', '::1'] },
});
const client = await addClient(database.database, actor, { department: 'taxation', roles: ['exchange'] });
for (const { gateway } of [test, proxied]) await gateway.exchanges.authority.refresh();
const judge = createJudge((await test.app.inject({ url: '/openapi/v1.json' })).json<Document>());

interface Asked {
  from: string;
  forwardedFor?: string;
  secret?: string;
  gateway?: typeof test;
}

function ask({
  from,
  forwardedFor,
  secret = client.clientSecret,
  gateway = test,
}: Asked): Promise<LightMyRequestResponse> {
  const credentials = Buffer.from(`${client.clientId}:${secret}`).toString('base64');
  return gateway.app.inject({
    method: 'POST',
    url: '/oauth/token',
    remoteAddress: from,
    headers: {
      authorization: `Basic ${credentials}`,
      'content-type': 'application/x-www-form-urlencoded',
      ...(forwardedFor !== undefined && { 'x-forwarded-for': forwardedFor }),
    },
    payload: 'grant_type=client_credentials',
  });
}

async function statuses(times: number, asked: Asked): Promise<number[]> {
  const found: number[] = [];
  for (let i = 0; i < times; i++) found.push((await ask(asked)).statusCode);
  return found;
}

await t.test(
  'takes six requests of an address at once, and refuses the next in the form of RFC 6749, 5.2',
  async (t) => {
    const from = '203.0.113.1';
    t.same(await statuses(6, { from }), [200, 200, 200, 200, 200, 200]);
    const refused = await ask({ from });
    t.equal(refused.statusCode, 429);
    t.match(refused.json(), { error: 'temporarily_unavailable', error_description: /^[\x20-\x7e]+$/ });
    t.equal(refused.headers['retry-after'], '1');
    t.equal(refused.headers['cache-control'], 'no-store');
    t.same(parseListField(String(refused.headers['ratelimit-policy'])), [
      { value: 'address', parameters: { q: 6, w: 6 } },
    ]);
    t.same(parseListField(String(refused.headers.ratelimit)), [
      { value: 'address', parameters: { r: 0, t: 1 } },
    ]);
    judge.checkAnswer(t, 'getToken', refused);
    test.clock.advance(1000);
    t.same(await statuses(2, { from }), [200, 429], 'one comes back each second');
    t.match(
      await test.gateway.metrics.registry.metrics(),
      /onevisit_problems_total\{code="rate-limited"\} 2\b/,
    );
  },
);

await t.test('bounds how fast an address can guess secrets', async (t) => {
  const from = '203.0.113.2';
  t.same(await statuses(7, { from, secret: 'ovs_wrong' }), [401, 401, 401, 401, 401, 401, 429]);
  t.equal((await ask({ from })).statusCode, 429, 'the right one is no exception');
});

await t.test('counts IPv4 addresses each, and IPv6 addresses of one /64 together', async (t) => {
  t.same(await statuses(1, { from: '203.0.113.3' }), [200]);
  for (let i = 1; i <= 6; i++) t.equal((await ask({ from: `2001:db8:7:1::${i}` })).statusCode, 200);
  t.equal((await ask({ from: '2001:db8:7:1:ffff::1' })).statusCode, 429);
  t.equal((await ask({ from: '2001:db8:7:2::1' })).statusCode, 200);
});

await t.test('believes X-Forwarded-For of trusted proxies alone', async (t) => {
  const proxy = '192.0.2.7';
  const gateway = proxied;
  const forwardedFor = '198.51.100.1';
  t.same(await statuses(7, { gateway, from: proxy, forwardedFor }), [200, 200, 200, 200, 200, 200, 429]);
  t.equal((await ask({ gateway, from: proxy, forwardedFor: '198.51.100.2' })).statusCode, 200);
  const spoofed = `198.51.100.99, ${forwardedFor}`;
  t.equal(
    (await ask({ gateway, from: proxy, forwardedFor: spoofed })).statusCode,
    429,
    'what a client put before',
  );
  t.equal((await ask({ gateway, from: '::1', forwardedFor })).statusCode, 429, 'by another proxy');

  const from = '203.0.113.9';
  for (let i = 0; i < 6; i++)
    t.equal((await ask({ gateway, from, forwardedFor: `198.51.100.${10 + i}` })).statusCode, 200);
  t.equal((await ask({ gateway, from, forwardedFor: '198.51.100.50' })).statusCode, 429, 'nobody trusts it');
});
