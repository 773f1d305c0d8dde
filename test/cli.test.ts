import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import packageJson from '../package.json' with { type: 'json' };
import { runCommand, runProgram, type CommandEnd } from './helpers/command.ts';
import { createDatabase } from './helpers/database.ts';
import { withDatabase } from './helpers/server.ts';

const test = await createDatabase(t);
const settings = { ADMIN_DATABASE_URL: test.adminUrl };

/** Checks that a command said in one line why it did not do it. */
function isRefused(t: Test, { code, stdout, stderr }: CommandEnd, reason: RegExp): void {
  t.equal(code, 1, 'exit code 1');
  t.equal(stdout, '', 'nothing on stdout');
  t.match(stderr, reason);
  t.match(stderr, /^onevisit: [^\n]+\n$/, 'one line');
  t.notMatch(stderr, /\bat \S+ \(|node_modules|failed unexpectedly/, 'no stack trace');
}

const commands = [
  'serve',
  'migrate',
  'department add',
  'department list',
  'client add',
  'client revoke',
  'client list',
  'token',
  'idp add',
  'idp list',
  'idp remove',
  'purpose add',
  'purpose list',
  'grant add',
  'grant list',
  'grant revoke',
  'dataset list',
  'load',
  'audit key',
  'audit verify',
  'sandbox generate',
  'openapi',
];

await t.test('the program says and ends as its commands do', async (t) => {
  const ends = await Promise.all([
    runProgram(['--version']),
    runProgram(['department', 'list'], settings),
    runProgram(['no-such-command']),
    runProgram(['client', 'revoke', 'no-such-client'], settings),
  ]);
  t.strictSame(
    ends.map(({ code }) => code),
    [0, 0, 2, 1],
  );
  t.equal(ends[0].stdout, `${packageJson.version}\n`);
  t.match(ends[1].stdout, /^CODE .*\ncivil-affairs /s);
  t.match(ends[2], { stdout: '', stderr: /unknown command/ });
  t.match(ends[3], { stdout: '', stderr: /^onevisit: [^\n]+\n$/ });
});

await t.test('explains every command', async (t) => {
  const ends = await Promise.all(
    commands.map(async (name) => ({ name, ...(await runCommand([...name.split(' '), '--help'])) })),
  );
  for (const { name, code, stdout, stderr } of ends) {
    t.equal(code, 0, name);
    t.ok(stdout.startsWith(`Usage: onevisit ${name}`), name);
    t.match(stdout, /--json/);
    t.equal(stderr, '');
  }
  const [all, version] = await Promise.all([runCommand(['--help']), runCommand(['--version'])]);
  t.equal(all.code, 0);
  for (const name of commands) t.ok(all.stdout.includes(`  ${name.split(' ')[0]!}`), name);
  t.equal(version.stdout, `${packageJson.version}\n`);
});

await t.test('ends with 2 on wrong usage', async (t) => {
  const wrong = [
    ['no-such-command'],
    ['department'],
    ['department', 'remove'],
    ['department', 'add'],
    ['department', 'add', 'forestry', '--title-en', 'Forestry'],
    ['department', 'add', 'forestry', 'fishery', '--title-en', 'F', '--title-zh', '林'],
    ['department', 'list', '--colour'],
    ['client', 'add', 'taxation'],
    ['grant', 'add', '--consumer', 'taxation'],
    ['grant', 'list', '--consumer'],
    ['load', 'citizens'],
    ['--colour'],
  ];
  const ends = await Promise.all(wrong.map((args) => runCommand(args, settings)));
  for (const [i, { code, stdout, stderr }] of ends.entries()) {
    const what = wrong[i]!.join(' ');
    t.equal(code, 2, what);
    t.equal(stdout, '', `${what}: nothing on stdout`);
    t.ok(stderr.length > 0 && !/\bat \S+ \(/.test(stderr), `${what}: says why`);
  }
});

await t.test('says with every setting that is wrong why it does not begin', async (t) => {
  const bad = { ADMIN_DATABASE_URL: 'mysql://x', TIME_ZONE: 'Mars/Base', LOG_LEVEL: 'loud' };
  const { code, stdout, stderr } = await runCommand(['department', 'list'], bad);
  t.equal(code, 1);
  t.equal(stdout, '');
  for (const name of Object.keys(bad)) t.match(stderr, new RegExp(`^ {2}${name}: `, 'm'));
  t.notMatch(stderr, /\bat \S+ \(/);
});

await t.test('says when the database is out of reach, and never a password', async (t) => {
  const password = 'correct-horse-battery';
  const changed = (change: (url: URL) => void): string => {
    const url = new URL(test.adminUrl);
    change(url);
    return url.href;
  };
  const urls = [
    changed((url) => (url.password = password)),
    changed((url) => ([url.port, url.password] = ['1', password])),
    changed((url) => ([url.hostname, url.password] = ['no-such-host.invalid', password])),
    changed((url) => (url.pathname = '/no_such_database')),
    changed((url) => ([url.username, url.password] = ['nobody', password])),
  ];
  for (const url of urls) {
    const end = await runCommand(['department', 'list'], { ADMIN_DATABASE_URL: url });
    isRefused(t, end, /the database does not answer, or refuses the login/);
    t.notOk(end.stderr.includes(password) || end.stderr.includes(new URL(test.adminUrl).password));
  }
});

await t.test('administers only a database that is migrated', async (t) => {
  await test.pool.query(`create database ${test.name}_empty`);
  const empty = { ADMIN_DATABASE_URL: withDatabase(test.adminUrl, `${test.name}_empty`) };
  isRefused(
    t,
    await runCommand(['department', 'list'], empty),
    /lacks \d+ migrations: run "onevisit migrate"/,
  );

  const first = await runCommand(['migrate', '--json'], empty);
  t.equal(first.code, 0);
  const names = readdirSync(join(import.meta.dirname, '..', 'migrations')).map((name) => name.slice(0, -3));
  t.same(JSON.parse(first.stdout), { migrations: names.sort() });
  const second = await runCommand(['migrate'], empty);
  t.same({ ...second }, { code: 0, stdout: 'nothing to do\n', stderr: '' });
  t.same(JSON.parse((await runCommand(['department', 'list', '--json'], empty)).stdout), {
    items: [],
    next: null,
  });

  const { pool } = test;
  t.teardown(() => pool.query(`drop database ${test.name}_empty with (force)`));
});

await t.test('refuses a schema that is newer than the program', async (t) => {
  const name = '29991231T0000Z-from-the-future';
  await test.pool.query(
    `insert into migration.kysely_migration (name, timestamp) values ($1, '2999-12-31T00:00:00Z')`,
    [name],
  );
  for (const args of [['migrate'], ['department', 'list']])
    isRefused(t, await runCommand(args, settings), /newer than this program: it has 29991231T0000Z/);
  await test.pool.query('delete from migration.kysely_migration where name = $1', [name]);
  t.equal((await runCommand(['department', 'list'], settings)).code, 0);
});

await t.test('says that the documents are current, or which are not', async (t) => {
  const { code, stdout, stderr } = await runCommand(['openapi', '--check', '--json']);
  t.same({ code, stderr }, { code: 0, stderr: '' });
  t.same(JSON.parse(stdout), { stale: [] });
});

await t.test('lists the datasets without any database', async (t) => {
  const { code, stdout } = await runCommand(['dataset', 'list', '--json']);
  t.equal(code, 0);
  const { items, next } = JSON.parse(stdout) as {
    items: { name: string; version: number; fields: string[] }[];
    next: null;
  };
  t.same(
    items.map(({ name, version }) => `${name} v${version}`),
    ['citizens v1', 'citizens v2', 'enterprises v1'],
  );
  t.match(items, [
    { deprecated: '2026-12-01', sunset: '2027-12-31' },
    { deprecated: null, sunset: null },
    { deprecated: null, sunset: null },
  ]);
  t.ok(items.every(({ fields }) => fields.includes('id')));
  t.equal(next, null);
  const table = await runCommand(['dataset', 'list']);
  t.match(
    table.stdout,
    /^DATASET +VERSION +PROVIDER +SHARING +DEPRECATED +SUNSET +FIELDS\ncitizens +v1 +public-security +conditional +2026-12-01 +2027-12-31 +id,/,
  );
});

await t.test('says where there is no sandbox', async (t) => {
  const home = t.testdir();
  isRefused(
    t,
    await runCommand(['token', 'civil-affairs'], { ONEVISIT_HOME: home }),
    /there is no sandbox in/,
  );
});
