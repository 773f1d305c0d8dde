import t from 'tap';
import { buildApp, buildOperationsApp } from '../../src/gateway/app.ts';
import { personas } from '../../src/sandbox/personas.ts';
import { takeAway } from '../helpers/database-away.ts';
import { until } from '../helpers/until.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway, type TestGateway } from '../helpers/gateway.ts';

const citizen = personas.find((persona) => persona.dataset === 'citizens')!;
const request = { id: citizen.id, fields: ['name'] };
const test = await startGateway(t);

async function readiness(app = test.app): Promise<{ status: number; checks: Record<string, string> }> {
  const response = await app.inject({ url: '/readyz' });
  t.match(response.headers, { 'content-type': /^application\/json/, 'cache-control': 'no-store' });
  return { status: response.statusCode, checks: response.json<{ checks: Record<string, string> }>().checks };
}

/** The samples of the metrics: name with labels, to value. */
async function samples(app = test.app): Promise<Map<string, number>> {
  const response = await app.inject({ url: '/metrics' });
  t.equal(response.statusCode, 200);
  t.match(response.headers['content-type'], /^text\/plain; version=0\.0\.4/);
  const lines = response.body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.replace(/ \S+$/, ''), Number(line.split(' ').at(-1))]));
}

function exchanges(outcome: string, code: string): string {
  return `onevisit_exchanges_total{dataset="v1/citizens",operation="read",outcome="${outcome}",code="${code}"}`;
}

await t.test('lives and is ready', async (t) => {
  const live = await test.app.inject({ url: '/livez' });
  t.equal(live.statusCode, 200);
  t.same(live.json(), { status: 'live' });
  t.equal(live.headers['cache-control'], 'no-store');
  await until('the search tables caught up', async () => (await readiness()).status === 200);
  t.same(await readiness(), {
    status: 200,
    checks: { process: 'ok', database: 'ok', migrations: 'ok', audit_lag: 'ok', audit_log: 'ok' },
  });
});

await t.test('counts exchanges by outcome and code, how long they took, and what appends held', async (t) => {
  const before = await samples();
  t.equal((await test.read('citizens', request)).statusCode, 200);
  t.equal((await test.read('citizens', request)).statusCode, 200);
  t.equal((await test.read('citizens', { id: citizen.id, fields: ['salary'] })).statusCode, 400);
  t.equal((await test.read('citizens', { id: 'X' })).statusCode, 400);
  t.equal((await test.read('citizens', { id: '990101199003150074' })).statusCode, 404);
  t.equal((await test.read('citizens', request, { purpose: 'tax-assessment' })).statusCode, 403);
  const after = await samples();
  const counted = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0);
  t.equal(counted(exchanges('released', 'ok')), 2);
  t.equal(counted(exchanges('refused', 'unknown-field')), 1);
  t.equal(counted(exchanges('refused', 'invalid-id')), 1);
  t.equal(counted(exchanges('refused', 'purpose-not-granted')), 1);
  t.equal(counted(exchanges('absent', 'record-absent')), 1);
  const labels = '{dataset="v1/citizens",operation="read"}';
  t.equal(counted(`onevisit_exchange_seconds_count${labels}`), 6);
  t.ok(after.get(`onevisit_exchange_seconds_sum${labels}`)! > 0);
  // Six exchanges, and the data key to which their subjects are sealed.
  t.equal(counted('onevisit_append_batch_entries_sum'), 7);
  await until('the index has caught up', async () => {
    return (await samples()).get('onevisit_index_lag_entries') === 0;
  });
  t.ok(after.has('process_cpu_seconds_total'), 'what every Node process tells');
});

await t.test('counts the faults that are no exchanges', async (t) => {
  const token = await test.token('civil-affairs');
  const post = { method: 'POST' as const, url: '/v1/citizens/read' };
  const authorization = `Bearer ${token}`;
  await test.read('citizens', request, { token: null });
  await test.app.inject({ url: '/no-such-address' });
  await test.app.inject({ method: 'PUT', url: '/livez' });
  await test.app.inject({ ...post, headers: { authorization, 'content-type': 'text/xml' }, payload: '<a/>' });
  await test.read('citizens', `{"id":"${'9'.repeat(200_000)}"}`);
  const names = [...(await samples())].filter(([, value]) => value > 0).map(([name]) => name);
  for (const code of [
    'token-missing',
    'route-unknown',
    'method-not-allowed',
    'media-type-unsupported',
    'payload-too-large',
  ])
    t.ok(
      names.some((name) => name.includes(`code="${code}"`)),
      `${code} is counted`,
    );
});

await t.test('tells no id in its metrics', async (t) => {
  await test.read('citizens', { id: citizen.id }, { headers: { 'exchange-case': 'HY-2026-1' } });
  await test.app.inject({ url: `/v1/citizens/${citizen.id}` });
  await test.app.inject({ url: `/v1/nothing/${citizen.id}?id=${citizen.id}` });
  await test.read('nothing', { id: citizen.id }, { purpose: 'made-up-purpose' });
  const { body } = await test.app.inject({ url: '/metrics' });
  for (const persona of personas) t.notOk(body.includes(persona.id));
  t.notMatch(body, /[0-9a-f]{8}-[0-9a-f]{4}-/i, 'no exchange id');
  t.notMatch(body, /civil-affairs|nothing|made-up|HY-2026/, 'neither a client, nor what a client made up');
  const labels = new Set([...body.matchAll(/(\w+)="/g)].map((match) => match[1]));
  const known = ['dataset', 'operation', 'outcome', 'code', 'le', 'method', 'route', 'status'];
  const ofNode = ['version', 'major', 'minor', 'patch', 'type', 'kind', 'space'];
  t.same(
    [...labels].filter((label) => ![...known, ...ofNode].includes(label!)),
    [],
    'few labels',
  );
});

await t.test('lives on, and says what it can, while the database is away', async (t) => {
  await test.read('citizens', request);
  const bringBack = await takeAway(test);
  t.equal((await test.app.inject({ url: '/livez' })).statusCode, 200);
  t.same(await readiness(), {
    status: 503,
    checks: {
      process: 'ok',
      database: 'unreachable',
      migrations: 'unknown',
      audit_lag: 'unknown',
      audit_log: 'ok',
    },
  });
  t.equal((await test.read('citizens', request)).statusCode, 503);
  const during = await samples();
  t.ok(during.get(exchanges('released', 'ok'))! > 0, 'counters are kept');
  t.equal(during.get(exchanges('failed', 'store-unavailable')), 1);
  t.notOk(during.has('onevisit_index_lag_entries'), 'a lag that nobody knows is not given');

  await bringBack();
  await until('the gateway is ready again', async () => (await readiness()).status === 200);
  t.ok((await samples()).has('onevisit_index_lag_entries'));
});

await t.test('is not ready when the schema is not that of the program', async (t) => {
  const rename = (from: string, to: string): Promise<unknown> =>
    test.pool.query(`update migration.kysely_migration set name = $2 where name = $1`, [from, to]);
  const { rows } = await test.pool.query<{ name: string }>(
    'select max(name) as name from migration.kysely_migration',
  );
  const newest = rows[0]!.name;
  await rename(newest, '29991231T0000Z-from-the-future');
  t.match(await readiness(), { status: 503, checks: { migrations: /^(?!ok$)/, database: 'ok' } });
  await rename('29991231T0000Z-from-the-future', newest);
  t.equal((await readiness()).status, 200);
});

await t.test('serves health and metrics on a port of their own alone when there is one', async (t) => {
  const config = { ...test.gateway.config, opsPort: 9100 };
  const apart: TestGateway['gateway'] = { ...test.gateway, config };
  const [main, operations] = [await buildApp(apart), await buildOperationsApp(apart)];
  t.teardown(() => Promise.all([main.close(), operations.close()]));
  for (const url of ['/livez', '/readyz', '/metrics']) {
    t.equal((await operations.inject({ url })).statusCode, 200, url);
    const elsewhere = await main.inject({ url });
    t.equal(elsewhere.statusCode, 404, `${url} on the main port`);
    t.equal(elsewhere.json<{ code: string }>().code, 'route-unknown');
  }
  for (const url of ['/v1/citizens/read', '/oauth/token', '/docs', '/openapi/v1.json'])
    t.equal((await operations.inject({ method: 'POST', url })).statusCode, 404, `${url} on the other port`);
  const wrong = await operations.inject({ method: 'DELETE', url: '/metrics' });
  t.equal(wrong.statusCode, 405);
  t.equal(wrong.headers.allow, 'GET');
  t.equal(wrong.headers['content-type'], 'application/problem+json; charset=utf-8');
});

await t.test('is not ready once it is about to stop, while it still answers', async (t) => {
  test.gateway.drain();
  t.match(await readiness(), { status: 503, checks: { process: 'draining', database: 'ok' } });
  t.equal((await test.app.inject({ url: '/livez' })).statusCode, 200);
  t.equal((await test.read('citizens', request)).statusCode, 200);
  await checkAuditLog(t, test);
});
