import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openDatabase } from '../../src/db/database.ts';
import { migrate } from '../../src/audit/migrate.ts';
import { listPendingMigrations } from '../../src/db/migrate.ts';
import { loadCatalogue } from '../../src/catalogue/catalogue.ts';
import { checkRelations } from '../../src/catalogue/relations.ts';
import { UserError } from '../../src/base/errors.ts';
import { homeKeyFiles, makeMissingKeys } from '../../src/base/keys.ts';
import { createEmptyDatabase, type EmptyDatabase } from '../helpers/database.ts';

const root = join(import.meta.dirname, '..', '..');
const names = readdirSync(join(root, 'migrations'))
  .map((file) => file.replace(/\.ts$/, ''))
  .sort();

async function pending({ adminUrl }: { adminUrl: string }): Promise<string[]> {
  const { database, close } = openDatabase(adminUrl, 'test', { maxConnections: 1 });
  try {
    return await listPendingMigrations(database);
  } finally {
    await close();
  }
}

async function schemas({ pool }: EmptyDatabase): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `select nspname as name from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' order by 1`,
  );
  return rows.map(({ name }) => name);
}

function run(
  args: string[],
  env: Record<string, string>,
): Promise<{ code: number | null; out: string; error: string }> {
  const child = spawn(process.execPath, [join(root, 'src', 'onevisit.js'), ...args], {
    cwd: root,
    env: { PATH: process.env.PATH ?? '', ...env },
  });
  let out = '';
  let error = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (error += chunk.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, error })));
}

await t.test('makes the schema in an empty database, in order, and then has nothing to do', async (t) => {
  const empty = await createEmptyDatabase(t);
  t.strictSame(await pending(empty), names);
  t.strictSame(await migrate(empty.adminUrl), names);
  t.strictSame(await pending(empty), []);
  t.strictSame(await migrate(empty.adminUrl), []);
  t.strictSame(await pending({ adminUrl: empty.gatewayUrl }), [], 'a gateway can tell as well');
  const { database, close } = openDatabase(empty.gatewayUrl, 'test', { maxConnections: 1 });
  await checkRelations(database, loadCatalogue());
  await close();
});

await t.test(
  'refuses a schema that is newer than the program, and names what it does not know',
  async (t) => {
    const empty = await createEmptyDatabase(t);
    await migrate(empty.adminUrl);
    const future = '20991231T2359Z-add-time-travel';
    await empty.pool.query('insert into migration.kysely_migration (name, timestamp) values ($1, $2)', [
      future,
      new Date().toISOString(),
    ]);
    const refusal = {
      name: UserError.name,
      message: new RegExp(`newer than this program: it has ${future};`),
    };
    await t.rejects(migrate(empty.adminUrl), refusal);
    await t.rejects(pending(empty), refusal);
  },
);

await t.test('changes nothing when a migration fails, and goes well once its cause is gone', async (t) => {
  const empty = await createEmptyDatabase(t);
  await empty.pool.query('create schema registry');
  await t.rejects(migrate(empty.adminUrl), {
    name: UserError.name,
    message: /^migration \S+-create-registry failed, nothing was changed: .*registry/,
  });
  t.strictSame(await schemas(empty), ['public', 'registry'], 'not even by those before it');
  t.strictSame(await pending(empty), names);
  await empty.pool.query('drop schema registry');
  t.strictSame(await migrate(empty.adminUrl), names);
});

await t.test('comes out right when several processes migrate at once', async (t) => {
  for (let round = 0; round < 3; round++) {
    const empty = await createEmptyDatabase(t);
    const results = await Promise.allSettled([1, 2, 3].map(() => migrate(empty.adminUrl)));
    const ran = results.map((result) =>
      result.status === 'fulfilled' ? result.value : String(result.reason),
    );
    t.strictSame(ran.flat().sort(), names, 'each migration ran once, and nobody failed');
    t.strictSame(await pending(empty), []);
  }
});

await t.test('runs by its command, twice at once as well', async (t) => {
  const empty = await createEmptyDatabase(t);
  const env = { ADMIN_DATABASE_URL: empty.adminUrl };
  const results = await Promise.all([run(['migrate', '--json'], env), run(['migrate', '--json'], env)]);
  for (const { code, error } of results) t.strictSame({ code, error }, { code: 0, error: '' });
  const ran = results.map(
    ({ out }) => (JSON.parse(out || '{"migrations":[]}') as { migrations: string[] }).migrations,
  );
  t.strictSame(ran.flat().sort(), names);
  t.match(await run(['migrate'], env), { code: 0, out: 'nothing to do\n' });
});

await t.test('keeps a gateway from starting on a database that is not migrated', async (t) => {
  const empty = await createEmptyDatabase(t);
  const home = t.testdir();
  makeMissingKeys(home);
  const { code, error } = await run(['serve'], {
    ...homeKeyFiles(home),
    ONEVISIT_HOME: home,
    DATABASE_URL: empty.gatewayUrl,
    ISSUER: 'https://gateway.test',
    LOG_ORIGIN: 'gateway.test/audit',
    PORT: '0',
  });
  t.equal(code, 1);
  t.equal(error, `onevisit: the database lacks ${names.length} migrations: run "onevisit migrate"\n`);
  t.strictSame(await schemas(empty), ['public'], 'and migrates nothing itself');
});

await t.test('migrates as an owner who is no superuser, but may create roles', async (t) => {
  const empty = await createEmptyDatabase(t);
  const owner = `owner_${process.pid}`;
  await empty.pool.query(`create role ${owner} login createrole password 'owner'`);
  const name = new URL(empty.adminUrl).pathname.slice(1);
  await empty.pool.query(`alter database ${name} owner to ${owner}`);
  // The roles are of the whole server, and are there already: their maker may hand them on.
  for (const role of ['onevisit_owner', 'onevisit_gateway', 'onevisit_auditor'])
    await empty.pool.query(`grant ${role} to ${owner} with admin option, set false`);
  const url = new URL(empty.adminUrl);
  url.username = owner;
  url.password = 'owner';
  t.strictSame(await migrate(url.href), names);
  t.teardown(async () => {
    await empty.pool.query(`drop owned by ${owner} cascade`).catch(() => undefined);
  });
});
