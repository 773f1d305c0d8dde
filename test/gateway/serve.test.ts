import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { personaCitizens } from '../../src/sandbox/personas.ts';
import { runCommand, runProgram } from '../helpers/command.ts';
import { until } from '../helpers/until.ts';
import {
  askSandbox,
  createHome,
  readSandbox,
  runInShell,
  startSandbox,
  startServe,
} from '../helpers/sandbox.ts';

const home = createHome(t);
const ordinary = personaCitizens[0]!;
const request = { id: ordinary.id, fields: ['name'] };
const noCurl =
  (await runInShell('curl --version && npx --version')).code !== 0 && 'curl or npx is missing here';

/** How many entries the log has, as its newest answer tells. */
async function newestEntry(): Promise<number> {
  const response = await askSandbox(readSandbox(home), request);
  t.equal(response.status, 200);
  return Number(response.headers.get('exchange-entry'));
}

let entriesBefore = 0;

await t.test('a newcomer starts it, and the line that it prints works as pasted', async (t) => {
  const sandbox = await startSandbox(t, home);
  const { baseUrl, example } = sandbox;
  t.match(baseUrl, /^http:\/\/127\.0\.0\.1:[1-9]\d+$/);

  await t.test('which answers a record', { skip: noCurl }, async (t) => {
    const { code, output } = await runInShell(example);
    t.equal(code, 0);
    t.match(output, /^HTTP\/1\.1 200 /m);
    t.match(output, /^exchange-id: [0-9a-f-]{36}\r$/im);
    const record = JSON.parse(output.slice(output.indexOf('\r\n\r\n'))) as Record<string, unknown>;
    t.same(Object.keys(record), ['name', 'birth_date', 'marital_status', 'mobile_phone']);
    t.equal(record.name, ordinary.name);
    t.not(record.mobile_phone, ordinary.mobile_phone, 'the phone is masked');
  });

  const response = await askSandbox(readSandbox(home), request);
  t.equal(response.status, 200);
  t.equal(response.headers.get('exchange-sandbox'), 'true');
  t.equal((await fetch(`${baseUrl}/nowhere`)).headers.get('exchange-sandbox'), 'true', 'on every answer');
  t.equal((await fetch(`${baseUrl}/docs`)).status, 200);
  t.match(sandbox.output().stdout, new RegExp(`${baseUrl}/docs`));

  const file = readSandbox(home);
  t.equal(statSync(join(home, 'sandbox.json')).mode & 0o777, 0o600);
  t.same(Object.keys(file), ['base_url', 'clients', 'personas']);
  t.equal(file.base_url, baseUrl);
  t.same(file.clients.map(({ department, roles }) => `${department} ${roles.join()}`).sort(), [
    'audit-office audit',
    'civil-affairs exchange',
    'data-bureau admin',
    'human-resources exchange',
    'market-regulation provide',
    'public-security provide',
    'service-portal disclose',
    'taxation exchange',
  ]);
  for (const client of file.clients) {
    t.same(Object.keys(client), ['department', 'roles', 'client_id', 'client_secret']);
    t.match(client.client_secret, /^ovs_[\w-]{43}$/);
  }
  t.ok(file.personas.filter(({ dataset }) => dataset === 'citizens').length >= 6);
  for (const persona of file.personas) {
    t.same(Object.keys(persona), ['dataset', 'id', 'story']);
    const regionAt = persona.dataset === 'citizens' ? 0 : 2;
    t.equal(persona.id.slice(regionAt, regionAt + 2), '99', 'of a region that was never issued');
  }

  const settings = { ONEVISIT_HOME: home };
  const [token, wrong, json] = await Promise.all([
    runCommand(['token', 'civil-affairs'], settings),
    runCommand(['token', 'no-such'], settings),
    runCommand(['token', 'taxation', '--json'], settings),
  ]);
  t.match(token, { code: 0, stdout: /^[\w-]+\.[\w-]+\.[\w-]+\n$/, stderr: '' });
  t.match(wrong, {
    code: 1,
    stdout: '',
    stderr: /^onevisit: the sandbox has no department "no-such"; it has [^\n]+\n$/,
  });
  t.match(JSON.parse(json.stdout), { access_token: /\./, token_type: 'Bearer', scope: 'exchange' });
  const listed = await runCommand(['department', 'list', '--json'], settings);
  t.equal(listed.code, 0, 'administering needs no setting beside the home');
  t.equal((JSON.parse(listed.stdout) as { items: object[] }).items.length, 8);

  const second = await runProgram(['serve'], { ...settings, PORT: '0' });
  t.match(second, { code: 1, stderr: /^onevisit: another gateway runs in [^\n]+\n$/ });
  t.equal((await askSandbox(readSandbox(home), request)).status, 200, 'the first one goes on');
  t.equal(readSandbox(home).base_url, baseUrl);

  entriesBefore = await newestEntry();
  sandbox.child.kill('SIGTERM');
  await until('readiness says no', async () => (await fetch(`${baseUrl}/readyz`)).status === 503);
  t.equal((await fetch(`${baseUrl}/livez`)).status, 200, 'while it still answers');
  const { code, stdout, stderr } = await sandbox.ended;
  t.same({ code, stderr }, { code: 0, stderr: '' });
  t.notOk(
    stdout.includes(ordinary.id) && stdout.split(ordinary.id).length > 2,
    'the id is in the example alone',
  );
  t.notOk(existsSync(join(home, 'postgres', 'data', 'postmaster.pid')), 'PostgreSQL is stopped as well');
});

await t.test('a second start keeps all data, on another port', async (t) => {
  const clients = readSandbox(home).clients;
  const oldBaseUrl = readSandbox(home).base_url;
  const sandbox = await startSandbox(t, home);
  t.not(sandbox.baseUrl, oldBaseUrl);
  t.same(readSandbox(home).clients, clients);
  t.ok((await newestEntry()) > entriesBefore);
  sandbox.child.kill('SIGINT');
  t.equal((await sandbox.ended).code, 0, 'Ctrl-C ends it well');
});

await t.test('starts again after it was killed', async (t) => {
  const killed = await startSandbox(t, home);
  const entries = await newestEntry();
  killed.child.kill('SIGKILL');
  t.equal((await killed.ended).code, null);
  t.ok(existsSync(join(home, 'postgres', 'data', 'postmaster.pid')), 'its PostgreSQL is left behind');
  const sandbox = await startSandbox(t, home);
  t.ok((await newestEntry()) > entries);
  sandbox.child.kill('SIGTERM');
  t.equal((await sandbox.ended).code, 0);
  t.notOk(existsSync(join(home, 'postgres', 'data', 'postmaster.pid')), 'and ended in the end');
});

await t.test('refuses in one line what it can not start with', async (t) => {
  const sandbox = await startSandbox(t, home);
  const { port } = new URL(sandbox.baseUrl);
  const other = createHome(t);
  const taken = await runProgram(['serve'], { ONEVISIT_HOME: other, PORT: port });
  t.match(taken, { code: 1, stderr: /^onevisit: 127\.0\.0\.1:\d+ is taken by another program; set PORT/ });
  t.notOk(existsSync(join(other, 'postgres', 'data', 'postmaster.pid')), 'its PostgreSQL is stopped');
  const settings = { ONEVISIT_HOME: other, PORT: '0' };
  const ops = await runProgram(['serve'], { ...settings, OPS_PORT: port });
  t.match(ops, { code: 1, stderr: /is taken by another program; set OPS_PORT/ });
  const exposed = await runProgram(['serve'], { ...settings, HOST: '0.0.0.0', NODE_ENV: 'production' });
  t.match(exposed, { code: 1, stderr: /2 faults:\n {2}HOST: .+\n {2}NODE_ENV: .+\n$/ });
  const changed = await runProgram(['serve'], { ...settings, LOG_ORIGIN: 'another.example/log' });
  t.match(changed, {
    code: 1,
    stderr: /LOG_ORIGIN: this database is used with onevisit\.local\/audit/,
  });
  for (const { stderr } of [taken, ops, exposed, changed])
    t.notMatch(stderr, /\bat \S+ \(|failed unexpectedly/);
});

await t.test('keeps passwords and keys for its owner alone', async (t) => {
  for (const name of ['postgres.json', 'sandbox.json', 'keys/token.pem', 'keys/log.pem', 'keys/log-secret'])
    t.equal(statSync(join(home, name)).mode & 0o777, 0o600, name);
  const log = readFileSync(join(home, 'postgres', 'server.log'), 'utf8');
  for (const { id, name } of personaCitizens) t.notOk(log.includes(id) || log.includes(name));
});

await t.test('ends at once when it is told to before it has begun', async (t) => {
  const command = startServe(t, { ONEVISIT_HOME: home, PORT: '0' });
  await command.says(/Starting/);
  command.child.kill('SIGTERM');
  t.equal((await command.ended).code, 0);
  t.notOk(existsSync(join(home, 'postgres', 'data', 'postmaster.pid')));
});
