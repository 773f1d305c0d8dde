import t, { type Test } from 'tap';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LightMyRequestResponse } from 'fastify';
import { personaCitizens, personaEnterprises } from '../../src/sandbox/personas.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway, type TestGateway } from '../helpers/gateway.ts';
import { logFile } from '../helpers/server.ts';
import { absentEnterprise, checkBeside, checkLeaf, checkProblem, checkRefusal } from '../helpers/checks.ts';

const enterprise = personaEnterprises[0]!;
const citizen = personaCitizens[0]!;
const test = await startGateway(t);
const taxation = await test.token('taxation');

interface GetOptions {
  on?: TestGateway;
  token?: string;
  purpose?: string | null;
}

async function get(
  path: string,
  { on = test, token = taxation, purpose = 'tax-assessment' }: GetOptions = {},
): Promise<LightMyRequestResponse> {
  const authorization = `Bearer ${token}`;
  return on.app.inject({
    method: 'GET',
    url: path,
    headers: { authorization, ...(purpose !== null && { 'exchange-purpose': purpose }) },
  });
}

function ask(path: string): Promise<LightMyRequestResponse> {
  return get(`/v1/enterprises/${path}`);
}

await t.test('answers GET as it answers POST', async (t) => {
  const response = await ask(`${enterprise.id}?fields=status,name`);
  t.equal(response.statusCode, 200);
  t.equal(response.body, JSON.stringify({ status: 'active', name: enterprise.name }));
  t.equal(response.headers['cache-control'], 'no-store');
  t.match(response.headers['exchange-salt'], /^[A-Za-z0-9+/]{43}=$/);
  t.match(await test.entryOf(response), {
    id: response.headers['exchange-id'],
    dataset: 'enterprises',
    provider: 'market-regulation',
    operation: 'read',
    fields: ['name', 'status'],
    outcome: 'released',
    records: 1,
  });
  await checkLeaf(t, test, response);
});

await t.test('answers all that is granted when the query names no fields', async (t) => {
  const posted = await test.read(
    'enterprises',
    { id: enterprise.id },
    { token: taxation, purpose: 'tax-assessment' },
  );
  const response = await ask(enterprise.id);
  t.equal(response.statusCode, 200);
  t.equal(response.body, posted.body);
  t.equal(response.headers['exchange-masked'], posted.headers['exchange-masked']);
});

await t.test('enters an absent enterprise', async (t) => {
  const response = await ask(absentEnterprise);
  checkProblem(t, response, { status: 404, code: 'record-absent' });
  t.match(await test.entryOf(response), { outcome: 'absent', records: 0 });
});

await t.test('refuses what GET asks wrongly, on the record', async (t) => {
  const refused: [path: string, code: string, subject: boolean][] = [
    [`${enterprise.id}?field=name`, 'invalid-request', false],
    [`${enterprise.id}?fields=name&limit=1`, 'invalid-request', false],
    [`${enterprise.id}?fields=name&fields=status`, 'invalid-request', false],
    [`${enterprise.id}?fields=`, 'invalid-request', false],
    [`${enterprise.id}?fields=name,`, 'invalid-request', false],
    [`${enterprise.id}?fields=name;status`, 'invalid-request', false],
    [`${enterprise.id}?__proto__=name`, 'invalid-request', false],
    [`${enterprise.id}?access_token=${taxation}`, 'invalid-request', false],
    [`${enterprise.id}?fields=salary`, 'unknown-field', true],
    ['91999901MA00000156', 'invalid-id', false],
    [citizen.id, 'invalid-id', false],
    [enterprise.id.toLowerCase(), 'invalid-id', false],
    [`${enterprise.id}%00`, 'invalid-request', false],
    [`${enterprise.id}%0A`, 'invalid-request', false],
    ['x'.repeat(99), 'invalid-request', false],
  ];
  for (const [path, code, subject] of refused)
    await checkRefusal(t, test, await ask(path), { status: 400, code, subject });
  const field = await ask(`${enterprise.id}?fields=name,address`);
  const { problem } = await checkRefusal(t, test, field, {
    status: 403,
    code: 'field-not-granted',
    subject: true,
  });
  t.same(problem.explain?.missing_fields, ['address']);
});

await t.test('asks GET for a token and a purpose, too', async (t) => {
  const url = `/v1/enterprises/${enterprise.id}`;
  await checkBeside(t, test, () => test.app.inject({ method: 'GET', url }), {
    status: 401,
    code: 'token-missing',
  });
  const response = await get(url, { purpose: null });
  await checkRefusal(t, test, response, { status: 400, code: 'purpose-required', subject: true });
});

await t.test('knows no address behind the id', async (t) => {
  for (const path of [`${enterprise.id}/name`, `${enterprise.id}/`])
    await checkBeside(t, test, () => ask(path), { status: 404, code: 'route-unknown' });
});

await t.test('takes no personal id in a URL: ids-not-in-urls', async (t) => {
  for (const id of [citizen.id, '1', `${citizen.id}?fields=name`]) {
    const request = (): Promise<LightMyRequestResponse> => get(`/v1/citizens/${id}`);
    const response = await checkBeside(t, test, request, { status: 405, code: 'ids-not-in-urls' });
    t.match(response.json<{ detail: string }>().detail, /POST \/v1\/citizens\/read/, 'names the other way');
    t.type(response.headers.allow, 'string');
    t.notOk(response.body.includes(citizen.id));
  }
});

await t.test('offers no GET on an address where it refuses GET', async (t) => {
  const response = await test.app.inject({ method: 'POST', url: `/v1/citizens/${citizen.id}` });
  t.equal(response.statusCode, 405);
  t.notMatch(response.headers.allow, /GET/);
});

await t.test('serves personal ids in URLs where the setting allows it', async (t) => {
  const allowing = await startGateway(t, { config: { personalIdsInUrls: true } });
  const token = await allowing.token('civil-affairs');
  const asked = { on: allowing, token, purpose: 'marriage-registration' };
  const response = await get(`/v1/citizens/${citizen.id}?fields=name`, asked);
  t.equal(response.statusCode, 200);
  t.equal(response.body, JSON.stringify({ name: citizen.name }));
  t.match(await allowing.entryOf(response), { dataset: 'citizens', outcome: 'released' });
  const wrong = await get(`/v1/citizens/${citizen.id.slice(1)}0`, asked);
  await checkRefusal(t, allowing, wrong, { status: 400, code: 'invalid-id', subject: false });
  await checkLogFile(t, allowing, citizen.id);
  await checkAuditLog(t, allowing);
});

/** Waits until the log tells of what was asked last, and looks for the id in all of it. */
async function checkLogFile(t: Test, on: TestGateway, id: string): Promise<void> {
  await on.app.inject({ method: 'GET', url: '/livez' });
  let log = '';
  for (let attempt = 0; attempt < 100 && !log.includes('"route":"/livez"'); attempt++) {
    await sleep(20);
    log = readFileSync(logFile(on.name), 'utf8');
  }
  t.match(log, /"route":"\/v1\/\w+\/:id"/, 'the log has the template of the route');
  t.match(log, /"route":"\/livez"/, 'the log has been read to its end');
  for (const form of [id, Buffer.from(id).toString('base64'), encodeURIComponent(id)])
    t.notOk(log.includes(form), 'and no id');
}

await t.test('logs the template of a route, never a URL, an id, a query or a token', async (t) => {
  await get(`/v1/enterprises/${enterprise.id}/%zz?name=${enterprise.id}`);
  await get(`/v1/enterprises/${'9'.repeat(200)}${enterprise.id}`);
  await checkLogFile(t, test, enterprise.id);
  await checkLogFile(t, test, citizen.id);
  await checkLogFile(t, test, taxation);
});

await t.test('has every GET in a log that is whole', async (t) => {
  await checkAuditLog(t, test);
});
