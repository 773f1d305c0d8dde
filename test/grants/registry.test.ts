import { createHash } from 'node:crypto';
import t from 'tap';
import { UserError } from '../../src/base/errors.ts';
import {
  addClient,
  addDepartment,
  listClients,
  listDepartments,
  requireDepartment,
  revokeClient,
} from '../../src/identity/departments-and-clients.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { createDatabase } from '../helpers/database.ts';
import { actor } from '../helpers/keys.ts';

const test = await createDatabase(t);
const { database } = test;

async function lastEntry(): Promise<Record<string, unknown>> {
  const { rows } = await test.pool.query<{ bytes: Buffer }>(
    'select bytes from audit.entry order by index desc limit 1',
  );
  return JSON.parse(rows[0]!.bytes.toString()) as Record<string, unknown>;
}

await t.test('adds a department, once', async (t) => {
  const department = { code: 'forestry', title: { zh: '林业局', en: 'Forestry' } };
  await addDepartment(database, actor, department);
  t.strictSame(
    (await listDepartments(database)).find(({ code }) => code === 'forestry'),
    department,
  );
  await requireDepartment(database, 'forestry');
  await t.rejects(addDepartment(database, actor, department), {
    name: UserError.name,
    message: /"forestry" already/,
  });
});

await t.test('refuses a department with a code that is not well formed', async (t) => {
  for (const code of ['', 'F', 'f', 'Forestry', '1st', 'a b', 'a_b', '林业', `f${'x'.repeat(63)}`])
    await t.rejects(addDepartment(database, actor, { code, title: { zh: '林', en: 'F' } }), UserError, code);
  await t.rejects(requireDepartment(database, 'nobody'), { message: /no department "nobody"/ });
});

await t.test('adds a client, whose secret only its holder learns', async (t) => {
  const { clientId, clientSecret } = await addClient(database, actor, {
    department: 'taxation',
    roles: ['provide', 'exchange', 'provide'],
  });
  t.match(clientId, /^taxation-[0-9a-f]{12}$/);
  t.match(clientSecret, /^ovs_[\w-]{43}$/, '256 random bits');
  const { rows } = await test.pool.query('select * from registry.client where id = $1', [clientId]);
  t.match(rows[0], { department: 'taxation', roles: ['exchange', 'provide'], revoked_at: null });
  t.strictSame(rows[0].secret_hash, createHash('sha256').update(clientSecret).digest());
  const entry = await lastEntry();
  t.match(entry, { kind: 'client', operation: 'client-add', client: actor.client, outcome: 'done' });
  t.strictSame(entry.details, { client: clientId, department: 'taxation', roles: ['exchange', 'provide'] });
  t.notOk(JSON.stringify(entry).includes(clientSecret));
  t.match(
    (await listClients(database)).find(({ client_id: id }) => id === clientId),
    { department: 'taxation', roles: ['exchange', 'provide'], created_at: /Z$/, revoked_at: null },
  );
});

const refusals: [string, { department: string; roles: string[] }, RegExp][] = [
  ['a department that there is not', { department: 'nobody', roles: ['exchange'] }, /no department "nobody"/],
  [
    'a role that there is not',
    { department: 'taxation', roles: ['king'] },
    /unknown role king; there are exchange/,
  ],
  ['no role', { department: 'taxation', roles: [] }, /at least one role/],
  [
    'the roles of auditor and administrator',
    { department: 'taxation', roles: ['admin', 'audit'] },
    /never go to one/,
  ],
];
for (const [what, client, message] of refusals)
  await t.test(`refuses a client with ${what}`, async (t) => {
    const before = await listClients(database);
    await t.rejects(addClient(database, actor, client), { name: UserError.name, message });
    t.strictSame(await listClients(database), before);
  });

await t.test('revokes a client, once', async (t) => {
  const { clientId } = await addClient(database, actor, { department: 'taxation', roles: ['exchange'] });
  const { entry } = await revokeClient(database, actor, clientId);
  t.type(entry, 'number');
  const last = await lastEntry();
  t.match(last, { kind: 'client', operation: 'client-revoke' });
  t.strictSame(last.details, { client: clientId, department: 'taxation' });
  const revoked = (await listClients(database)).find(({ client_id: id }) => id === clientId);
  t.match(revoked?.revoked_at, /^\d{4}-.*Z$/);
  await t.rejects(revokeClient(database, actor, clientId), {
    name: UserError.name,
    message: /could be revoked/,
  });
  await t.rejects(revokeClient(database, actor, 'taxation-none'), UserError);
});

await t.test('makes every act count as a change of who may see what', async (t) => {
  const version = async (): Promise<number> =>
    (await test.pool.query<{ version: number }>('select version from audit.authority')).rows[0]!.version;
  const before = await version();
  const { clientId } = await addClient(database, actor, { department: 'taxation', roles: ['exchange'] });
  t.equal(await version(), before + 1);
  await revokeClient(database, actor, clientId);
  t.equal(await version(), before + 2);
  await checkAuditLog(t, test);
});
