import type pg from 'pg';
import t, { type Test } from 'tap';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { createDatabase } from '../helpers/database.ts';
import { connect, countEntries, newLeaf, startAppender, readVersion } from '../helpers/log.ts';

const test = await createDatabase(t);
const gateway = await connect(t, test.gatewayUrl);
const superuser = await connect(t, test.adminUrl);
const { appender } = startAppender(t, test);

const denied = { code: '42501', message: /permission denied/ };
const appendOnly = { code: '42501', message: /the audit log is append-only/ };
const partitions = [0, 1, 2, 3].map((n) => `audit.entry_000${n}`);
const tables = {
  registry: ['department', 'client', 'purpose', 'grant', 'grant_act', 'answer', 'setting'].map(
    (name) => `registry."${name}"`,
  ),
  store: ['citizens', 'enterprises'].map((name) => `store.${name}`),
};

/** Tries a statement by itself, so that the one after it starts afresh. */
async function refuse(
  t: Test,
  client: pg.Client,
  statement: string,
  why: { code: string; message?: RegExp },
): Promise<void> {
  await client.query('begin');
  await t.rejects(client.query(statement), why, statement);
  await client.query('rollback');
}

await t.test('lets a gateway change no entry, and add none but by the one function', async (t) => {
  for (const relation of ['audit.entry', ...partitions]) {
    await refuse(
      t,
      gateway,
      `insert into ${relation} values (99, '\\x7b7d', decode(repeat('00', 32), 'hex'))`,
      denied,
    );
    await refuse(t, gateway, `update ${relation} set bytes = '\\x7b7d'`, denied);
    await refuse(t, gateway, `delete from ${relation}`, denied);
    await refuse(t, gateway, `truncate ${relation}`, denied);
    await refuse(t, gateway, `drop table ${relation}`, { code: '42501', message: /must be owner/ });
    await refuse(t, gateway, `alter table ${relation} disable trigger all`, { code: '42501' });
  }
});

await t.test('lets a gateway add to tiles and checkpoints by audit.publish alone', async (t) => {
  const checkpoint = `insert into audit.checkpoint values (1, 0, decode(repeat('00', 32), 'hex'), 'n', now())`;
  await refuse(t, gateway, checkpoint, denied);
  const tile = `insert into audit.tile values (0, 0, decode(repeat('00', 8192), 'hex'), decode(repeat('00', 32), 'hex'))`;
  await refuse(t, gateway, tile, denied);
  for (const relation of ['tile', 'checkpoint', 'find', 'find_subject']) {
    const column = { tile: 'n', checkpoint: 'note', find: 'dataset', find_subject: 'index' }[relation]!;
    await refuse(t, gateway, `update audit.${relation} set ${column} = ${column}`, denied);
    await refuse(t, gateway, `delete from audit.${relation}`, denied);
    await refuse(t, gateway, `truncate audit.${relation}`, denied);
  }
  for (const relation of ['find', 'find_subject'])
    await refuse(t, gateway, `insert into audit.${relation} default values`, denied);
  for (const verb of ['update audit.authority set version = 1', 'delete from audit.authority'])
    await refuse(t, gateway, verb, denied);
});

await t.test('lets a gateway call no function of the log but those that it needs', async (t) => {
  const { rows } = await superuser.query<{
    name: string;
    public: boolean;
    gateway: boolean;
    auditor: boolean;
  }>(`
    select p.proname as name, has_function_privilege('onevisit_gateway', p.oid, 'execute') as gateway,
      has_function_privilege('onevisit_auditor', p.oid, 'execute') as auditor
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'audit' order by 1`);
  t.ok(rows.length > 5);
  t.strictSame(
    rows.filter((row) => row.gateway).map(({ name }) => name),
    [
      'append',
      'index_entries',
      'indexed',
      'make_partitions_ahead',
      'publish',
      'subject_ref',
      'thin_checkpoints',
    ],
  );
  t.strictSame(
    rows.filter((row) => row.auditor).map(({ name }) => name),
    ['indexed', 'subject_ref'],
  );
  const calls = ["append_act('\\x7b7d', '\\x00', true)", 'make_partition(9)', 'next_index()', 'lock_log()'];
  for (const call of calls) await refuse(t, gateway, `select audit.${call}`, denied);
});

await t.test('lets a gateway write nothing into the registry but settings that are new', async (t) => {
  for (const table of tables.registry) {
    await refuse(t, gateway, `delete from ${table}`, denied);
    await refuse(t, gateway, `truncate ${table}`, denied);
    if (table !== 'registry."setting"')
      await refuse(t, gateway, `insert into ${table} default values`, denied);
  }
  await refuse(t, gateway, `update registry.client set roles = '{admin}'`, denied);
  await refuse(t, gateway, `update registry."grant" set status = 'active'`, denied);
  await refuse(t, gateway, `update registry.setting set value = 'x'`, denied);
  await gateway.query('begin');
  t.equal((await gateway.query(`insert into registry.setting values ('k', 'v')`)).rowCount, 1);
  await gateway.query('rollback');
});

await t.test('lets a gateway read records by the views of the versions alone, and change none', async (t) => {
  t.equal((await gateway.query('select 1 from v1.citizens limit 1')).rowCount, 1);
  for (const table of tables.store) {
    await refuse(t, gateway, `select 1 from ${table}`, denied);
    await refuse(t, gateway, `delete from ${table}`, denied);
  }
  for (const view of ['v1.citizens', 'v1.enterprises']) {
    await refuse(t, gateway, `update ${view} set name = 'x'`, denied);
    await refuse(t, gateway, `delete from ${view}`, denied);
  }
});

await t.test('lets a gateway become no other role, and make nothing of its own', async (t) => {
  await refuse(t, gateway, 'set role onevisit_owner', { code: '42501' });
  await refuse(t, gateway, 'set session_replication_role = replica', { code: '42501' });
  for (const schema of ['audit', 'registry', 'v1', 'public', 'migration'])
    await refuse(t, gateway, `create table ${schema}.mine (n int)`, denied);
});

await t.test('lets an auditor read the log, and nothing else', async (t) => {
  const { rows } = await superuser.query<{ relation: string; may: string }>(`
    select n.nspname || '.' || c.relname as relation, p.may
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
      cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) p(may)
    where n.nspname in ('audit', 'registry', 'store', 'v1', 'migration', 'public') and c.relkind in ('r', 'p', 'v')
      and has_table_privilege('onevisit_auditor', c.oid, p.may)
      and has_schema_privilege('onevisit_auditor', n.oid, 'usage')`);
  t.ok(rows.some(({ relation }) => relation === 'audit.entry'));
  t.ok(rows.some(({ relation }) => relation === 'audit.entry_0003'));
  t.strictSame(
    rows.filter(({ relation, may }) => !relation.startsWith('audit.') || may !== 'select'),
    [],
  );
  await superuser.query('set role onevisit_auditor');
  t.equal((await superuser.query('select bytes from audit.entry where index = 0')).rowCount, 1);
  await superuser.query('reset role');
});

await t.test('lets not even a superuser who passes ordinary triggers change the log', async (t) => {
  t.equal(await appender.append(newLeaf(), await readVersion(test)), (await countEntries(test)) - 1);
  await superuser.query('begin');
  await superuser.query(
    `insert into audit.checkpoint values (1, 0, decode(repeat('00', 32), 'hex'), 'n', now())`,
  );
  await superuser.query(
    `insert into audit.tile values (0, 0, decode(repeat('00', 8192), 'hex'), decode(repeat('00', 32), 'hex'))`,
  );
  for (const mode of ['origin', 'replica']) {
    await superuser.query(`set session_replication_role = ${mode}`);
    for (const relation of ['audit.entry', 'audit.entry_0000', 'audit.tile', 'audit.checkpoint']) {
      await refuseWithin(t, `delete from ${relation}`);
      await refuseWithin(t, `truncate ${relation}`);
    }
    for (const partition of partitions) await refuseWithin(t, `truncate ${partition}`);
    await refuseWithin(t, `update audit.entry set bytes = bytes where index = 0`);
    await refuseWithin(t, `update audit.entry_0000 set leaf_hash = leaf_hash where index = 0`);
    await refuseWithin(t, `update audit.checkpoint set note = 'other'`);
    await refuseWithin(t, `update audit.tile set root = root`);
  }
  await superuser.query('rollback');
  await superuser.query('set session_replication_role = origin');
});

/** The same inside the transaction that has something to change. */
async function refuseWithin(t: Test, statement: string): Promise<void> {
  await superuser.query('savepoint here');
  await t.rejects(superuser.query(statement), appendOnly, statement);
  await superuser.query('rollback to here');
}

await t.test('guards a partition that was detached as before', async (t) => {
  await superuser.query('begin');
  await superuser.query('alter table audit.entry detach partition audit.entry_0000');
  await superuser.query('set session_replication_role = replica');
  t.ok((await superuser.query('select 1 from audit.entry_0000')).rowCount! > 0);
  await refuseWithin(t, 'update audit.entry_0000 set bytes = bytes');
  await refuseWithin(t, 'delete from audit.entry_0000');
  await refuseWithin(t, 'truncate audit.entry_0000');
  await superuser.query('rollback');
  await superuser.query('set session_replication_role = origin');
});

await t.test('belongs, with all that is in the database, to a role that nobody can log in as', async (t) => {
  const { rows } = await superuser.query(`
    select distinct pg_get_userbyid(c.relowner) as owner, r.rolcanlogin as login
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_roles r on r.oid = c.relowner
    where n.nspname in ('audit', 'registry', 'store', 'v1')`);
  t.strictSame(rows, [{ owner: 'onevisit_owner', login: false }]);
});

await t.test('leaves a whole log behind all of that', async (t) => {
  await checkAuditLog(t, test);
});
