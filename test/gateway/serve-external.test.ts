import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { homeKeyFiles, makeMissingKeys, readLogKey } from '../../src/base/keys.ts';
import { personaCitizens } from '../../src/sandbox/personas.ts';
import { addClient } from '../../src/identity/departments-and-clients.ts';
import { runProgram, type RunningCommand } from '../helpers/command.ts';
import { until } from '../helpers/until.ts';
import { askSandbox, startServe } from '../helpers/sandbox.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { createDatabase } from '../helpers/database.ts';
import { actor } from '../helpers/keys.ts';
import { withDatabase } from '../helpers/server.ts';

const test = await createDatabase(t);
const home = t.testdir();
makeMissingKeys(home);
const settings: Record<string, string> = {
  DATABASE_URL: test.gatewayUrl,
  ONEVISIT_HOME: home,
  ISSUER: 'https://gateway.example',
  LOG_ORIGIN: 'gateway.example/audit',
  PORT: '0',
  OPS_PORT: '0',
  NODE_ENV: 'production',
  ...homeKeyFiles(home),
};
const { clientId, clientSecret } = await addClient(test.database, actor, {
  department: 'civil-affairs',
  roles: ['exchange'],
});
const client = {
  department: 'civil-affairs',
  roles: ['exchange'],
  client_id: clientId,
  client_secret: clientSecret,
};
const ordinary = personaCitizens[0]!;

async function start(t: Test): Promise<RunningCommand & { baseUrl: string; opsUrl: string }> {
  const command = startServe(t, settings);
  const [, baseUrl] = await command.says(/listening on (\S+)\n/);
  const [, opsPort] = await command.says(/^Health and metrics on port (\d+)\n/m);
  return { ...command, baseUrl: baseUrl!, opsUrl: `http://127.0.0.1:${opsPort}` };
}

function ask(baseUrl: string): Promise<Response> {
  const body = { id: ordinary.id, fields: ['name'] };
  return askSandbox({ base_url: baseUrl, clients: [client], personas: [] }, body);
}

async function isRefused(t: Test, changed: Record<string, string>, reason: RegExp): Promise<void> {
  const { code, stderr } = await runProgram(['serve'], { ...settings, ...changed });
  t.equal(code, 1);
  t.match(stderr, reason);
  t.match(stderr, /^onevisit: /);
  t.notMatch(stderr, /\bat \S+ \(|node_modules|failed unexpectedly/);
  t.notOk(stderr.includes(new URL(test.gatewayUrl).password), 'no password');
}

await t.test('serves from a PostgreSQL that somebody else runs', async (t) => {
  const gateway = await start(t);
  t.match(gateway.output().stdout, /OneVisit serves https:\/\/gateway\.example, listening on http/);
  // The database is older than what its log may lag behind: the search tables catch up first.
  let ready = await fetch(`${gateway.opsUrl}/readyz`);
  await until('it is ready', async () => {
    ready = await fetch(`${gateway.opsUrl}/readyz`);
    return ready.status === 200;
  });
  t.match(await ready.json(), { status: 'ready', checks: { database: 'ok', migrations: 'ok' } });
  t.equal((await fetch(`${gateway.baseUrl}/readyz`)).status, 404, 'health is on its own port alone');

  const response = await ask(gateway.baseUrl);
  t.equal(response.status, 200);
  t.same(await response.json(), { name: ordinary.name });
  t.equal(response.headers.get('exchange-sandbox'), null, 'this is no sandbox');
  const metadata = (await (
    await fetch(`${gateway.baseUrl}/.well-known/oauth-authorization-server`)
  ).json()) as object;
  t.match(metadata, {
    issuer: 'https://gateway.example',
    token_endpoint: 'https://gateway.example/oauth/token',
  });
  const problem = (await (await fetch(`${gateway.baseUrl}/nowhere`)).json()) as object;
  t.match(problem, { type: 'https://gateway.example/problems/route-unknown' });
});

await t.test('finishes an exchange in work before it stops', async (t) => {
  const gateway = await start(t);
  t.equal((await ask(gateway.baseUrl)).status, 200);
  const blocker = await test.pool.connect();
  await blocker.query('begin; lock table store.citizens in access exclusive mode');
  const asked = ask(gateway.baseUrl);
  await until('the read waits for the table', async () => {
    const { rows } = await test.pool.query<{ waiting: number }>(
      'select count(*)::int as waiting from pg_locks where not granted and database = (select oid from pg_database where datname = current_database())',
    );
    return rows[0]!.waiting > 0;
  });
  gateway.child.kill('SIGTERM');
  await until('the gateway takes nothing new', async () => {
    const answer = await fetch(`${gateway.opsUrl}/readyz`).catch(() => null);
    return answer?.status !== 200;
  });
  await blocker.query('commit');
  blocker.release();
  const response = await asked;
  t.equal(response.status, 200);
  t.same(await response.json(), { name: ordinary.name });
  t.equal((await gateway.ended).code, 0);
});

await t.test('refuses another issuer, origin or key than those it began with', async (t) => {
  const file = join(home, 'other.pem');
  const { privateKey } = generateKeyPairSync('ed25519');
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const secret = join(home, 'other-secret');
  writeFileSync(secret, Buffer.alloc(32, 1));
  await isRefused(
    t,
    { ISSUER: 'https://other.example', LOG_ORIGIN: 'other.example/audit' },
    /ISSUER: .*gateway\.example, not .*other\.example\n +LOG_ORIGIN: .*gateway\.example\/audit, not/,
  );
  await isRefused(t, { LOG_KEY_FILE: file }, /LOG_KEY_FILE: this database is used with/);
  await isRefused(t, { LOG_SECRET_FILE: secret }, /LOG_SECRET_FILE: this database is used with/);
  const again = await start(t);
  t.equal((await ask(again.baseUrl)).status, 200, 'nothing of it was remembered');
});

await t.test('refuses a database that is not migrated, or not there', async (t) => {
  await test.pool.query(`create database ${test.name}_empty`);
  const { pool } = test;
  t.teardown(() => pool.query(`drop database ${test.name}_empty with (force)`));
  const empty = withDatabase(test.gatewayUrl, `${test.name}_empty`);
  await isRefused(t, { DATABASE_URL: empty }, /lacks \d+ migrations: run "onevisit migrate"/);
  const unknown = withDatabase(test.gatewayUrl, 'no_such_database');
  await isRefused(t, { DATABASE_URL: unknown }, /the database does not answer, or refuses the login/);
  const wrong = new URL(test.gatewayUrl);
  wrong.password = 'correct-horse-battery';
  await isRefused(t, { DATABASE_URL: wrong.href }, /refuses the login \(28P01\)\n$/);
});

await t.test('lists every missing setting at once', async (t) => {
  const { code, stdout, stderr } = await runProgram(['serve'], { DATABASE_URL: test.gatewayUrl });
  t.same({ code, stdout }, { code: 1, stdout: '' });
  for (const name of ['ISSUER', 'LOG_ORIGIN', ...Object.keys(homeKeyFiles(home))])
    t.match(stderr, new RegExp(`^ {2}${name}: required`, 'm'));
});

await t.test('seeds and migrates nothing, and leaves a whole audit log', async (t) => {
  const { key } = readLogKey(homeKeyFiles(home).LOG_KEY_FILE);
  const log = { origin: settings.LOG_ORIGIN!, key: key! };
  const entries = await checkAuditLog(t, test, log);
  const departments = await test.pool.query('select code from registry.department');
  t.equal(departments.rowCount, 8);
  t.ok(entries.filter(({ kind, outcome }) => kind === 'exchange' && outcome === 'released').length >= 4);
});
