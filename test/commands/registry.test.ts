import t, { type Test } from 'tap';
import { runCommand, type CommandEnd } from '../helpers/command.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway } from '../helpers/gateway.ts';
import { countEntries } from '../helpers/log.ts';

const test = await startGateway(t);
const settings = { ADMIN_DATABASE_URL: test.adminUrl };
const unknownId = '5f0c3a52-6d1e-4b8e-9a5f-3f6f0a5c2b11';

function onevisit(...args: string[]): Promise<CommandEnd> {
  return runCommand(args, settings);
}

/** Runs a command that must succeed, and reads the one JSON document that it says. */
async function json<T = Record<string, unknown>>(t: Test, ...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await onevisit(...args, '--json');
  t.same({ code, stderr }, { code: 0, stderr: '' }, args.join(' '));
  t.equal(stdout.trim().split('\n').length, 1, 'one document, one line');
  return JSON.parse(stdout) as T;
}

/** Runs commands that must be refused, each for its reason, in one line. */
async function refuses(t: Test, refused: [reason: RegExp, ...args: string[]][]): Promise<void> {
  const entriesBefore = await countEntries(test);
  const ends = await Promise.all(refused.map(async ([, ...args]) => onevisit(...args)));
  for (const [i, { code, stdout, stderr }] of ends.entries()) {
    const [reason, ...args] = refused[i]!;
    t.same({ code, stdout }, { code: 1, stdout: '' }, args.join(' '));
    t.match(stderr, reason);
    t.match(stderr, /^onevisit: [^\n]+\n$/, 'in one line');
    t.notMatch(stderr, /failed unexpectedly|\bat \S+ \(/);
  }
  t.equal(await countEntries(test), entriesBefore, 'nothing was entered');
}

interface List<T> {
  items: T[];
  next: null;
}

await t.test('adds departments and lists them', async (t) => {
  const department = ['--title-en', 'Forestry', '--title-zh', '林业局'];
  t.same(await json(t, 'department', 'add', 'forestry', ...department), {
    code: 'forestry',
    title: { zh: '林业局', en: 'Forestry' },
  });
  const { items } = await json<List<{ code: string }>>(t, 'department', 'list');
  t.match(
    items.find(({ code }) => code === 'forestry'),
    { title: { zh: '林业局' } },
  );
  t.match(
    (await onevisit('department', 'list')).stdout,
    /^CODE +TITLE +名称\n(.*\n)*forestry +Forestry +林业局/,
  );
  await refuses(t, [
    [/there is a department "forestry" already/, 'department', 'add', 'forestry', ...department],
    [/must be lower-case letters/, 'department', 'add', 'Forestry!', ...department],
    [/title/i, 'department', 'add', 'fishery', '--title-en', '', '--title-zh', ''],
  ]);
});

await t.test('adds clients, shows their secret once, and revokes them', async (t) => {
  const client = await json<{ client_id: string; client_secret: string }>(
    t,
    'client',
    'add',
    'civil-affairs',
    '--role',
    'exchange',
    '--role',
    'provide',
  );
  t.match(client, { department: 'civil-affairs', roles: ['exchange', 'provide'] });
  t.match(client.client_secret, /^ovs_[\w-]{43}$/, '256 bits');
  const listed = await onevisit('client', 'list', '--json');
  t.notOk(listed.stdout.includes(client.client_secret), 'the secret is not shown again');
  const { rows } = await test.pool.query<{ found: boolean }>(
    "select exists (select 1 from registry.client c where c::text like '%' || $1 || '%') as found",
    [client.client_secret],
  );
  t.equal(rows[0]!.found, false, 'nor kept');

  const basic = Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64');
  const token = async (): Promise<number> => {
    await test.gateway.exchanges.authority.refresh();
    const response = await test.app.inject({
      method: 'POST',
      url: '/oauth/token',
      headers: { authorization: `Basic ${basic}`, 'content-type': 'application/x-www-form-urlencoded' },
      payload: 'grant_type=client_credentials',
    });
    return response.statusCode;
  };
  t.equal(await token(), 200);
  const revoked = await json<{ client_id: string; entry: number }>(t, 'client', 'revoke', client.client_id);
  t.equal(revoked.client_id, client.client_id);
  t.ok(Number.isInteger(revoked.entry));
  t.equal(await token(), 401);
  const { items } = await json<List<{ client_id: string; revoked_at: string | null }>>(t, 'client', 'list');
  t.match(items.find((item) => item.client_id === client.client_id)?.revoked_at, /^\d{4}-.*\.\d{3}Z$/);
  await refuses(t, [
    [/no client .* that could be revoked/, 'client', 'revoke', client.client_id],
    [/no client/, 'client', 'revoke', 'nobody'],
    [/no department "nobody"/, 'client', 'add', 'nobody', '--role', 'exchange'],
    [/unknown role cook/, 'client', 'add', 'taxation', '--role', 'cook'],
    [/audit and admin never/, 'client', 'add', 'audit-office', '--role', 'audit', '--role', 'admin'],
    [/audit and admin never/, 'client', 'add', 'audit-office', '--role', 'audit', 'admin'],
    [/at least one role/, 'client', 'add', 'taxation', '--role', ','],
  ]);
});

const purpose = (code: string, legalBasis = '森林法'): string[] => {
  const options = { '--title-en': 'Forest permits', '--title-zh': '林权登记', '--legal-basis': legalBasis };
  return ['purpose', 'add', code, ...Object.entries(options).flat()];
};

await t.test('registers purposes', async (t) => {
  t.same(await json(t, ...purpose('forest-permit'), '--require', 'case', '--confidential-days', '30'), {
    code: 'forest-permit',
    title: { zh: '林权登记', en: 'Forest permits' },
    legal_basis: '森林法',
    requires: ['case'],
    confidential_days: 30,
  });
  const { items } = await json<List<{ code: string }>>(t, 'purpose', 'list');
  t.match(
    items.find(({ code }) => code === 'forest-permit'),
    { requires: ['case'], confidential_days: 30 },
  );
  await refuses(t, [
    [/there is a purpose "forest-permit" already/, ...purpose('forest-permit')],
    [/must be lower-case/, ...purpose('Forest permit')],
    [/can require case and official, not moon/, ...purpose('forest-b'), '--require', 'moon'],
    [/confidential days/, ...purpose('forest-c'), '--confidential-days', 'ten'],
    [/legal basis/i, ...purpose('forest-d', '')],
    [/confidential days/, ...purpose('forest-e'), '--confidential-days', ''],
  ]);
});

const grant = (changed: Record<string, string> = {}): string[] => {
  const options = {
    '--consumer': 'forestry',
    '--dataset': 'enterprises',
    '--fields': 'id,name',
    '--purposes': 'forest-permit',
    '--until': '2099-01-01',
    ...changed,
  };
  return ['grant', 'add', ...Object.entries(options).flat()];
};

await t.test('grants, and revokes for good', async (t) => {
  const made = await json<{ id: string; entry: number }>(t, ...grant({ '--fields': 'name, id,name' }));
  t.match(made, {
    id: /^[0-9a-f-]{36}$/,
    consumer: 'forestry',
    dataset: 'enterprises',
    fields: ['id', 'name'],
    plain_fields: [],
    purposes: ['forest-permit'],
    status: 'active',
    // The day begins at midnight in Asia/Shanghai.
    valid_until: '2098-12-31T16:00:00.000Z',
  });
  test.clock.advance(Date.now() - test.clock.now().getTime() + 1000);
  await test.gateway.exchanges.authority.refresh();
  const token = await test.token('forestry');
  const read = async (): Promise<number> => {
    const headers = { 'exchange-case': 'F-1' };
    const options = { token, purpose: 'forest-permit', headers };
    return (await test.read('enterprises', { id: '91350100M000100Y43' }, options)).statusCode;
  };
  t.equal(await read(), 404, 'the grant is in force, and there is no such record');
  const terms = { '--fields': '', '--verify': 'name', '--daily-quota': '1000' };
  t.match(
    await json(t, ...grant(terms)),
    { fields: [], verify_fields: ['name'], daily_quota: 1000, status: 'active' },
    'and to verify alone, so often a day',
  );
  await refuses(
    t,
    ['', 'two\nlines', 'x'.repeat(1001)].map((reason) => [
      /--reason: must be one line/,
      'grant',
      'revoke',
      made.id,
      '--reason',
      reason,
    ]),
  );
  t.match(await json(t, 'grant', 'revoke', made.id, '--reason', 'no longer needed'), { status: 'revoked' });
  t.equal(await read(), 403);
  const { items } = await json<List<{ status: string }>>(t, 'grant', 'list', '--consumer', 'forestry');
  t.match(items, [{ id: made.id, status: 'revoked', reason: 'no longer needed' }]);
  t.equal(items.length, 2);
  t.same(await json(t, 'grant', 'list', '--consumer', 'forestry', '--dataset', 'citizens'), {
    items: [],
    next: null,
  });
  await refuses(t, [
    [/no grant .* that could be revoked/, 'grant', 'revoke', made.id],
    [/no grant/, 'grant', 'revoke', unknownId],
    [/is not the id of a grant/, 'grant', 'revoke', "1' or '1'='1"],
    [/no department "nobody"/, ...grant({ '--consumer': 'nobody' })],
    [/no dataset "salaries"; there are citizens, enterprises/, ...grant({ '--dataset': 'salaries' })],
    [/no field salary; it has id, name/, ...grant({ '--fields': 'id,salary' })],
    [/at least one field/, ...grant({ '--fields': ',' })],
    [/whole number of subjects/, ...grant({ '--daily-quota': '0' })],
    [/whole number of subjects/, ...grant({ '--daily-quota': 'many' })],
    [/no field salary/, ...grant({ '--verify': 'salary' })],
    [/no purpose gossip/, ...grant({ '--purposes': 'gossip' })],
    [/among the fields: status is not/, ...grant({ '--plain': 'status' })],
    [/not a day/, ...grant({ '--until': '2099-02-30' })],
    [/not a day/, ...grant({ '--until': 'tomorrow' })],
    [/not in the future/, ...grant({ '--until': '2020-01-01' })],
  ]);
});

await t.test('enters every act of the command line', async (t) => {
  const entries = await checkAuditLog(t, test);
  const acts = entries.filter(({ client, kind }) => String(client).startsWith('cli:') && kind !== 'load');
  const operations = new Set(acts.map(({ operation }) => operation));
  for (const operation of ['client-add', 'client-revoke', 'purpose-add', 'grant-add', 'grant-revoke'])
    t.ok(operations.has(operation), operation);
  t.notMatch(JSON.stringify(entries), /ovs_/, 'without any secret');
});
