import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { actOperations, commandLineActor } from '../src/audit/act.ts';
import type { Command } from '../src/commands/command.ts';
import { runMigrations } from '../src/db/migrate.ts';
import { rememberSettings } from '../src/db/settings.ts';
import { keyId } from '../src/base/keys.ts';
import { readLog, type LogEntry } from './helpers/open-seal.ts';
import { until } from './helpers/until.ts';
import { checkAuditLog } from './helpers/check-audit-log.ts';
import { createEmptyDatabase } from './helpers/database.ts';
import { startGateway } from './helpers/gateway.ts';
import { keys, logOrigin } from './helpers/keys.ts';
import { runCommand } from './helpers/command.ts';
import type { Document } from './helpers/openapi-document.ts';

const commandsFolder = join(import.meta.dirname, '..', 'src', 'commands');
/** The commands of every file that has some. */
const commands = (
  await Promise.all(
    readdirSync(commandsFolder).map(
      (name) => import(join(commandsFolder, name)) as Promise<{ commands?: Command[] }>,
    ),
  )
).flatMap((file) => file.commands ?? []);

/** What each command leaves in the log: the kind and operation of its entry, or nothing, and why. */
const leaves: Record<string, { kind: string; operation: string } | { nothing: string }> = {
  'department add': { kind: 'client', operation: 'department-add' },
  'client add': { kind: 'client', operation: 'client-add' },
  'client revoke': { kind: 'client', operation: 'client-revoke' },
  'idp add': { kind: 'client', operation: 'idp-add' },
  'idp remove': { kind: 'client', operation: 'idp-remove' },
  'purpose add': { kind: 'purpose', operation: 'purpose-add' },
  'grant add': { kind: 'grant', operation: 'grant-add' },
  'grant revoke': { kind: 'grant', operation: 'grant-revoke' },
  load: { kind: 'load', operation: 'load' },
  migrate: { kind: 'migration', operation: 'migrate' },
  'dataset impact': { kind: 'query', operation: 'dataset-impact' },
  'audit export': { kind: 'query', operation: 'log-export' },
  'audit rotate': { kind: 'key', operation: 'log-key-change' },
  'audit reopen': { kind: 'origin', operation: 'log-reopen' },
  'audit archive': { kind: 'migration', operation: 'archive' },
  'department list': { nothing: 'shows the register, not the log' },
  'client list': { nothing: 'shows the register, not the log' },
  'idp list': { nothing: 'shows the register, not the log' },
  'purpose list': { nothing: 'shows the register, not the log' },
  'grant list': { nothing: 'shows the register, not the log' },
  'dataset list': { nothing: 'shows schemas' },
  'audit key': { nothing: 'shows a public key' },
  'audit verify': { nothing: 'shows whether the log holds, and no entry of it' },
  'audit open': { nothing: 'has no database: the answer that it opens is an entry already' },
  'sandbox generate': { nothing: 'writes files of made-up people' },
  token: { nothing: 'asks a gateway for a token' },
  serve: { nothing: 'what it does is entered by what it serves' },
  openapi: { nothing: 'writes documents' },
  witness: { nothing: 'has a log of others' },
};

/** What each route by which something could be changed, or looked at in the log, leaves; `test/` has a test of each. */
const routesLeave: Record<string, string> = {
  'POST /v1/purposes': 'purpose purpose-add',
  'POST /v1/grants': 'grant grant-apply',
  'POST /v1/grants/{id}/renew': 'grant grant-apply',
  'POST /v1/grants/{id}/approve': 'grant grant-approve',
  'POST /v1/grants/{id}/reject': 'grant grant-reject',
  'POST /v1/grants/{id}/suspend': 'grant grant-suspend',
  'POST /v1/grants/{id}/resume': 'grant grant-resume',
  'POST /v1/grants/{id}/revoke': 'grant grant-revoke',
  'POST /v1/grants/{id}/withdraw': 'grant grant-withdraw',
  'POST /v1/grants/explain': 'nothing: decides by grants, and releases nothing',
  'POST /v1/audit/entries/search': 'query entries-search',
  'POST /v1/audit/summary': 'query summary',
  'POST /v1/audit/export': 'query export',
  'POST /v1/audit/entries/{index}/open': 'open open',
  'POST /v1/disclosures': 'query disclosure',
  'POST /oauth/token': 'nothing: a token is seen by what is done with it',
  ...Object.fromEntries(
    ['citizens', 'enterprises'].flatMap((dataset) =>
      ['read', 'batch', 'verify', 'search'].map((operation) => [
        `POST /v1/${dataset}/${operation}`,
        `exchange ${operation}`,
      ]),
    ),
  ),
};

const test = await startGateway(t);
await rememberSettings(test.database, { LOG_ORIGIN: logOrigin, LOG_KEY_FILE: keyId(keys.log) });
const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }) as string;
const folder = t.testdir({
  'log.pem': pem(keys.log),
  'new.pem': pem(generateKeyPairSync('ed25519').privateKey),
});
const settings = {
  ADMIN_DATABASE_URL: test.adminUrl,
  DATABASE_URL: test.gatewayUrl,
  ONEVISIT_HOME: join(folder, 'home'),
  LOG_ORIGIN: logOrigin,
  LOG_KEY_FILE: join(folder, 'log.pem'),
};

/** Runs a command that must succeed; gives what it says, and what it left in the log. */
async function run(
  t: Test,
  args: string[],
  env: Record<string, string> = settings,
): Promise<{ said: Record<string, unknown>; left: LogEntry[] }> {
  const before = (await readLog(test.pool)).length;
  const { code, stdout, stderr } = await runCommand([...args, '--json'], env);
  t.same({ code, stderr }, { code: 0, stderr: '' }, args.join(' '));
  return {
    said: JSON.parse(stdout) as Record<string, unknown>,
    left: (await readLog(test.pool)).slice(before),
  };
}

const covered = new Set<string>();

/** Runs a command of the table that leaves one entry: as the table says, by whom, and with these members. */
async function act(
  t: Test,
  args: string[],
  expected: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  const name = commands.map((command) => command.name).find((one) => args.join(' ').startsWith(one))!;
  const { said, left } = await run(t, args);
  t.equal(left.length, 1, 'one entry');
  t.match(left[0], {
    ...leaves[name],
    client: commandLineActor().client,
    outcome: 'done',
    format: 'onevisit-entry/1',
  });
  const common = ['kind', 'operation', 'client', 'outcome', 'format', 'id', 'time'];
  const more = Object.entries(left[0]!).filter(([member]) => !common.includes(member));
  t.strictSame(Object.fromEntries(more), expected, `${name}: says all of it`);
  t.notMatch(JSON.stringify(left), /ovs_|postgres(ql)?:\/\/|PRIVATE KEY/, 'and no secret');
  covered.add(name);
  return said;
}

await t.test('every command has said what it leaves in the log', async (t) => {
  t.strictSame(Object.keys(leaves).sort(), commands.map(({ name }) => name).sort());
});

await t.test('every route that could change something has said what it leaves in the log', async (t) => {
  const { paths } = (await test.app.inject({ url: '/openapi/v1.json' })).json<Document>();
  const changing = Object.entries(paths).flatMap(([path, item]) =>
    Object.keys(item)
      .filter((method) => method !== 'get')
      .map((method) => `${method.toUpperCase()} ${path}`),
  );
  t.strictSame(Object.keys(routesLeave).sort(), changing.sort());
});

await t.test('every act that there is, is carried out by a command or a route', async (t) => {
  const left = [
    ...Object.values(leaves).flatMap((what) => ('operation' in what ? [what.operation] : [])),
    ...Object.values(routesLeave).map((what) => what.split(' ')[1]!),
  ];
  // The keys of an identity provider that there is already, by `idp add`.
  t.strictSame(
    actOperations.filter((operation) => !left.includes(operation)),
    ['idp-keys'],
  );
});

await t.test('departments and clients, added and revoked', async (t) => {
  const title = ['--title-en', 'Forestry', '--title-zh', '林业局'];
  await act(t, ['department', 'add', 'forestry', ...title], {
    details: { department: 'forestry', title: { en: 'Forestry', zh: '林业局' } },
  });
  const { left, said } = await run(t, [
    'client',
    'add',
    'forestry',
    '--role',
    'exchange',
    '--role',
    'provide',
  ]);
  t.equal(left.length, 1);
  const client = said.client_id as string;
  t.match(left[0], {
    ...leaves['client add'],
    client: commandLineActor().client,
    details: { client, department: 'forestry', roles: ['exchange', 'provide'] },
  });
  t.notOk(JSON.stringify(left).includes(said.client_secret as string), 'not its secret');
  covered.add('client add');
  await act(t, ['client', 'revoke', client], { details: { client, department: 'forestry' } });
});

await t.test('identity providers, with their public keys, and taken out', async (t) => {
  const { publicKey } = generateKeyPairSync('ed25519');
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'login-1' };
  const file = join(folder, 'jwks.json');
  writeFileSync(file, JSON.stringify({ keys: [jwk] }));
  const issuer = 'https://login.example';
  const { kid, ...members } = jwk;
  const details = { issuer, keys: [{ kid, jwk: members }] };
  await act(t, ['idp', 'add', issuer, '--jwks', file], { details });
  const { left } = await run(t, ['idp', 'add', issuer, '--jwks', file]);
  t.match(left, [{ kind: 'client', operation: 'idp-keys', details }]);
  await act(t, ['idp', 'remove', issuer], { details: { issuer } });
});

await t.test('purposes with their texts, grants with all their terms', async (t) => {
  const options = ['--title-en', 'Permits', '--title-zh', '林权', '--legal-basis', '森林法 第十五条'];
  const more = ['--require', 'case', '--confidential-days', '3'];
  await act(t, ['purpose', 'add', 'forest-permits', ...options, ...more], {
    purpose: 'forest-permits',
    details: {
      title: { en: 'Permits', zh: '林权' },
      legal_basis: '森林法 第十五条',
      requires: ['case'],
      confidential_days: 3,
    },
  });
  const terms = ['--consumer', 'forestry', '--dataset', 'citizens', '--fields', 'id,name', '--plain', 'id'];
  const limits = ['--verify', 'birth_date', '--purposes', 'forest-permits', '--daily-quota', '7'];
  const until = ['--until', '2099-01-01'];
  const { left, said } = await run(t, ['grant', 'add', ...terms, ...limits, ...until]);
  t.equal(left.length, 1);
  t.match(left[0], {
    ...leaves['grant add'],
    client: commandLineActor().client,
    dataset: 'citizens',
    provider: 'public-security',
    grants: [said.id],
    details: {
      consumer: 'forestry',
      fields: ['id', 'name'],
      plain_fields: ['id'],
      verify_fields: ['birth_date'],
      purposes: ['forest-permits'],
      requires: [],
      status: 'active',
      valid_from: said.valid_from,
      valid_until: said.valid_until,
      daily_quota: 7,
    },
  });
  covered.add('grant add');
  await act(t, ['grant', 'revoke', said.id as string, '--reason', 'the office was closed'], {
    dataset: 'citizens',
    provider: 'public-security',
    grants: [said.id],
    details: {
      consumer: 'forestry',
      was: 'active',
      status: 'revoked',
      reason: 'the office was closed',
    },
  });
});

await t.test('a load, with its rows, rejects and the digest of its file', async (t) => {
  const file = join(folder, 'citizens.csv');
  const content =
    'id,name,sex,birth_date,region_code\n990101199003150074,示例甲,male,1990-03-15,990101\nx,乙,male,1990-03-15,990101\n';
  writeFileSync(file, content);
  await act(t, ['load', 'citizens', file, '--as-of', '2026-01-02'], {
    provider: 'public-security',
    dataset: 'citizens',
    version: 2,
    details: {
      rows: 2,
      loaded: 1,
      rejected: 1,
      warned: 0,
      sha256: createHash('sha256').update(content).digest('hex'),
      as_of: '2026-01-02',
    },
  });
});

await t.test('looks into the log by the command line', async (t) => {
  await act(t, ['dataset', 'impact', 'citizens', '1', '--field', 'name', '--from', '2026-01-01'], {
    records: 0,
    details: { dataset: 'citizens', version: 1, field: 'name', from: '2026-01-01' },
  });
  await until('a checkpoint', async () => {
    const { rows } = await test.pool.query('select from audit.checkpoint limit 1');
    return rows.length > 0;
  });
  for (const [i, env] of [settings, { ...settings, ADMIN_DATABASE_URL: '' }].entries()) {
    const out = join(folder, `export-${i}`);
    const { said, left } = await run(t, ['audit', 'export', '--out', out], env);
    t.equal(left.length, 1);
    t.match(left[0], { ...leaves['audit export'], client: commandLineActor().client, records: said.size });
  }
  covered.add('audit export');
});

await t.test('an export by a login that may only read is refused, and writes nothing', async (t) => {
  const name = `reader_${process.pid}`;
  await test.pool.query(`create role ${name} login password 'reader' in role onevisit_auditor`);
  const url = new URL(test.gatewayUrl);
  url.username = name;
  url.password = 'reader';
  const out = join(folder, 'refused');
  const env = { ...settings, ADMIN_DATABASE_URL: '', DATABASE_URL: url.href };
  const end = await runCommand(['audit', 'export', '--out', out], env);
  t.match(end, {
    code: 1,
    stdout: '',
    stderr: /^onevisit: what looks into the audit log is an entry of it[^\n]*\n$/,
  });
  t.notOk(readdirSync(folder).includes('refused'));
  t.equal((await runCommand(['audit', 'verify'], env)).code, 0, 'verifying shows no entry, and goes on');
  await test.pool.query(`drop role ${name}`);
});

await t.test(
  'migrations, in one transaction with them, and nothing when there was nothing to do',
  async (t) => {
    const empty = await createEmptyDatabase(t);
    const env = { ADMIN_DATABASE_URL: empty.adminUrl };
    const names = readdirSync(join(import.meta.dirname, '..', 'migrations')).map((file) => file.slice(0, -3));
    for (const already of [false, true]) {
      const { code, stdout } = await runCommand(['migrate', '--json'], env);
      t.equal(code, 0);
      t.same(JSON.parse(stdout), { migrations: already ? [] : names.sort() });
      const log = await readLog(empty.pool);
      t.equal(log.length, 1);
      t.match(log[0], {
        ...leaves.migrate,
        client: commandLineActor().client,
        details: { migrations: names },
      });
    }
    covered.add('migrate');
  },
);

await t.test('migrations that can not be entered are undone', async (t) => {
  const empty = await createEmptyDatabase(t);
  const full = (): Promise<never> => Promise.reject(new Error('no space left'));
  await t.rejects(runMigrations(empty.adminUrl, full), { message: 'no space left' });
  const { rows } = await empty.pool.query("select from pg_namespace where nspname in ('audit', 'migration')");
  t.equal(rows.length, 0);
});

await t.test('what only shows leaves nothing', async (t) => {
  for (const args of [
    ['department', 'list'],
    ['client', 'list'],
    ['purpose', 'list'],
    ['grant', 'list'],
    ['dataset', 'list'],
    ['audit', 'key'],
    ['audit', 'verify'],
    ['sandbox', 'generate', '--citizens', '3', '--enterprises', '2', '--out', folder],
  ]) {
    const name = args.slice(0, 2).join(' ');
    t.ok('nothing' in leaves[name]!, name);
    t.strictSame((await run(t, args)).left, [], name);
  }
});

await t.test('a change of the key that signs the log', async (t) => {
  const { left } = await run(t, ['audit', 'rotate', '--new-key', join(folder, 'new.pem')]);
  t.equal(left.length, 1);
  t.match(left[0], { ...leaves['audit rotate'], client: commandLineActor().client });
  covered.add('audit rotate');
});

await t.test('every command that leaves an entry was run here', async (t) => {
  const leaving = Object.keys(leaves).filter((name) => 'kind' in leaves[name]!);
  // A log has to lose entries first: test/commands/audit-rotate.test.ts does it.
  covered.add('audit reopen');
  // It has to have old partitions: test/audit/archive/archive.test.ts makes them.
  covered.add('audit archive');
  t.strictSame([...covered].sort(), leaving.sort());
});

await t.test('what writes registers or the store enters it in the same file', async (t) => {
  const source = join(import.meta.dirname, '..', 'src');
  const writes =
    /\b(?:insertInto|updateTable|deleteFrom)\(\s*'registry\.(?!setting')|\b(?:insert into|update|delete from|truncate)\s+(?:registry\.|store\.|audit\.|\$\{storeTable)/i;
  const writers = readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => ({ name, code: readFileSync(join(source, name), 'utf8') }))
    .filter(({ code }) => writes.test(code));
  const acting = writers.filter(({ code }) => /\benterAct(By)?\(/.test(code)).map(({ name }) => name);
  t.ok(
    acting.includes('identity/departments-and-clients.ts') && acting.includes('records/load.ts'),
    'writers are found',
  );
  const silent = writers.map(({ name }) => name).filter((name) => !acting.includes(name));
  t.strictSame(silent, []);
});

await t.test('the log is whole', async (t) => {
  const { rows } = await test.pool.query('select from audit.succession');
  t.equal(rows.length, 1);
  await checkAuditLog(t, test);
});
