import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LightMyRequestResponse } from 'fastify';
import type pg from 'pg';
import t, { type Test } from 'tap';
import { personaCitizens, personaEnterprises, personas } from '../src/sandbox/personas.ts';
import { until } from './helpers/until.ts';
import { runCommand } from './helpers/command.ts';
import { checkAuditLog } from './helpers/check-audit-log.ts';
import { startGateway } from './helpers/gateway.ts';

/** One that nobody has, one that a load brings, one whose check digit is wrong. */
const absent = personas.find(({ story }) => story.startsWith('Nobody'))!.id;
const loaded = '990101199003150074';
const mistyped = '999901198804120025';
const ids = [
  ...personaCitizens.map(({ id }) => id),
  ...personaEnterprises.flatMap(({ id, legal_representative_id: person }) => [id, person ?? id]),
  absent,
  loaded,
  mistyped,
];
const names = [...personaCitizens, ...personaEnterprises].map(({ name }) => name);
const phones = personaCitizens.flatMap(({ mobile_phone: phone }) => phone ?? []);
const secrets = [...new Set([...ids, ...names, ...phones, '示例甲'])];
const inStore = secrets.filter((secret) => secret !== absent && secret !== mistyped);

/** What base64 of anything that holds these bytes has in it, wherever they begin. */
function base64Cores(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [0, 1, 2].map((shift) => {
    const from = (3 - shift) % 3;
    return bytes.subarray(from, from + Math.floor((bytes.length - from) / 3) * 3).toString('base64');
  });
}

/** What a secret looks like in a dump: plain, encoded, or hashed without a key, in text or in bytes. */
function formsOf(secret: string): string[] {
  const hashes = ['sha256', 'sha1', 'md5'].map((name) => createHash(name).update(secret).digest());
  const texts = [
    secret,
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
    ...base64Cores(secret),
    ...base64Cores(secret).map((core) => core.replaceAll('+', '-').replaceAll('/', '_')),
    Buffer.from(secret).toString('hex'),
    ...hashes.flatMap((bytes) => [bytes.toString('hex'), bytes.toString('base64url').slice(0, 20)]),
  ];
  return [...new Set([...texts, ...texts.map((text) => Buffer.from(text).toString('hex'))])];
}

type Dump = { table: string; text: string }[];

/**
 * Every row of every table as text, bytes as hexadecimal. Statistics of the planner are left out: those of the store
 * are for whom the store is for.
 */
async function dump(db: Pick<pg.Pool, 'query'>, which: (schema: string) => boolean): Promise<Dump> {
  const { rows: tables } = await db.query<{ schema: string; name: string }>(
    `select nspname as schema, relname as name from pg_class c join pg_namespace n on n.oid = relnamespace
     where relkind in ('r', 'm') and (nspname !~ '^pg_' and nspname <> 'information_schema'
       or (nspname, relname) = ('pg_catalog', 'pg_largeobject')) order by 1, 2`,
  );
  const dumped: Dump = [];
  for (const { schema, name } of tables.filter(({ schema }) => which(schema))) {
    const { rows } = await db.query<{ row: string }>(`select t::text as row from "${schema}"."${name}" t`);
    dumped.push({ table: `${schema}.${name}`, text: rows.map(({ row }) => row).join('\n') });
  }
  return dumped;
}

/** Where which secrets are. */
function find(dumped: Dump, wanted: readonly string[]): { secret: string; table: string; form: string }[] {
  return wanted.flatMap((secret) => {
    const forms = formsOf(secret);
    return dumped.flatMap(({ table, text }) =>
      forms.filter((form) => text.includes(form)).map((form) => ({ secret, table, form })),
    );
  });
}

const test = await startGateway(t);
const [wife, husband] = personaCitizens as [(typeof personaCitizens)[0], (typeof personaCitizens)[0]];
const company = personaEnterprises[0]!;
const taxation = { token: await test.token('taxation'), purpose: 'tax-assessment' };
const audit = await test.token('audit-office', ['audit']);

function expectStatus(t: Test, what: string, answer: LightMyRequestResponse, status: number): void {
  t.equal(answer.statusCode, status, what);
}

function asAuditor(method: 'GET' | 'POST', url: string, payload?: object): Promise<LightMyRequestResponse> {
  const headers = { authorization: `Bearer ${audit}`, 'exchange-official': 'auditor-7' };
  return test.app.inject({ method, url, headers, ...(payload !== undefined && { payload }) });
}

await t.test('exchanges of every kind', async (t) => {
  const everyone = personaCitizens.map(({ id }) => id);
  for (const { id } of personaEnterprises)
    expectStatus(t, 'enterprise', await test.read('enterprises', { id }, taxation), 200);
  expectStatus(
    t,
    'by URL',
    await test.app.inject({
      url: `/v1/enterprises/${company.id}`,
      headers: { authorization: `Bearer ${taxation.token}`, 'exchange-purpose': taxation.purpose },
    }),
    200,
  );
  for (const id of everyone) expectStatus(t, 'read', await test.read('citizens', { id }), 200);
  const second = await test.read('citizens', { id: wife.id }, { version: 2 });
  expectStatus(t, 'another version', second, 200);
  expectStatus(
    t,
    'batch',
    await test.ask('batch', 'citizens', { ids: [...everyone, absent, mistyped] }),
    200,
  );
  const claims = { name: husband.name, birth_date: { on_or_before: '2008-11-23' } };
  expectStatus(t, 'verify', await test.ask('verify', 'citizens', { id: wife.id, claims }), 200);
  expectStatus(t, 'absent', await test.read('citizens', { id: absent }), 404);
  const absentee = { id: absent, claims: { name: husband.name } };
  expectStatus(t, 'verify absent', await test.ask('verify', 'citizens', absentee), 200);
  const seek = { where: { name: wife.name }, fields: ['name'] };
  expectStatus(t, 'search', await test.ask('search', 'citizens', seek), 200);
  const some = { where: { name: { prefix: wife.name.slice(0, 1) } }, fields: ['name'], limit: 1 };
  const page = await test.ask('search', 'citizens', some);
  expectStatus(t, 'a page', page, 200);
  const { next: after } = page.json<{ next: string | null }>();
  expectStatus(t, 'the next', await test.ask('search', 'citizens', { ...some, after }), 200);
  const companies = { where: { name: { contains: company.name.slice(0, 3) } }, limit: 1 };
  expectStatus(t, 'search by part', await test.ask('search', 'enterprises', companies, taxation), 200);
});

await t.test('refusals of every kind', async (t) => {
  const { id } = wife;
  expectStatus(t, 'mistyped', await test.read('citizens', { id: mistyped }), 400);
  expectStatus(t, 'a name as id', await test.read('citizens', { id: husband.name }), 400);
  expectStatus(t, 'field', await test.read('citizens', { id, fields: ['ethnicity'] }), 403);
  expectStatus(t, 'suspended', await test.read('citizens', { id }, taxation), 403);
  expectStatus(t, 'no grant', await test.read('enterprises', { id: company.id }), 403);
  expectStatus(t, 'purpose', await test.read('citizens', { id }, { purpose: id }), 400);
  expectStatus(t, 'case', await test.read('citizens', { id }, { purpose: 'social-assistance' }), 400);
  expectStatus(t, 'field name', await test.read('citizens', { id, fields: [husband.name] }), 400);
  const member = await test.ask('verify', 'citizens', { id, claims: { [husband.name]: id } });
  expectStatus(t, 'claim', member, 400);
  const guess = { id: husband.id, claims: { name: wife.name } };
  let answer = await test.ask('verify', 'citizens', guess);
  for (let i = 0; answer.statusCode === 200 && i < 100; i++)
    answer = await test.ask('verify', 'citizens', guess);
  expectStatus(t, 'guesses', answer, 429);
});

await t.test('grants with a quota, used up, and revoked', async (t) => {
  const id = await test.grant({
    consumer: 'human-resources',
    dataset: 'citizens',
    fields: ['name'],
    purposes: ['social-insurance'],
    dailyQuota: 2,
  });
  const asked = { token: await test.token('human-resources'), purpose: 'social-insurance' };
  for (const status of [200, 200, 429])
    expectStatus(t, 'quota', await test.read('citizens', { id: wife.id, fields: ['name'] }, asked), status);
  const settings = { ADMIN_DATABASE_URL: test.adminUrl };
  t.equal((await runCommand(['grant', 'revoke', id, '--reason', 'over'], settings)).code, 0);
});

await t.test('looks, receipts, openings, loads and exports', async (t) => {
  const { headers } = await test.read('citizens', { id: wife.id });
  const index = headers['exchange-entry'] as string;
  const search = { dataset: 'citizens', subject: wife.id, limit: 1 };
  const found = await asAuditor('POST', '/v1/audit/entries/search', search);
  expectStatus(t, 'search', found, 200);
  const { next: after } = found.json<{ next: string }>();
  expectStatus(t, 'a page', await asAuditor('POST', '/v1/audit/entries/search', { ...search, after }), 200);
  const nobody = { dataset: 'citizens', subject: absent };
  expectStatus(t, 'absent', await asAuditor('POST', '/v1/audit/entries/search', nobody), 200);
  const receipt = `/v1/exchanges/${headers['exchange-id'] as string}/receipt`;
  await until('a checkpoint', async () => (await asAuditor('GET', receipt)).statusCode === 200);
  expectStatus(t, 'entry', await asAuditor('GET', `/v1/audit/entries/${index}`), 200);
  const reason = { reason: 'Complaint 2026-17 about that evening' };
  expectStatus(t, 'opening', await asAuditor('POST', `/v1/audit/entries/${index}/open`, reason), 200);

  const folder = t.testdir({});
  const file = join(folder, 'citizens.csv');
  const row = (id: string): string => `${id},示例甲,male,1990-03-15,990101\n`;
  writeFileSync(file, `id,name,sex,birth_date,region_code\n${row(loaded)}${row(wife.name)}${row(loaded)}`);
  const settings = { ADMIN_DATABASE_URL: test.adminUrl };
  const load = await runCommand(['load', 'citizens', file, '--json'], settings);
  t.match(JSON.parse(load.stdout), { loaded: 1, rejected: 2 });
  for (const args of [
    ['dataset', 'impact', 'citizens', '1'],
    ['audit', 'export', '--out', join(folder, 'export')],
  ])
    t.equal((await runCommand(args, settings)).code, 0, args.join(' '));
});

await t.test('leave no id, no name and no number in the database outside the store', async (t) => {
  await checkAuditLog(t, test);
  const outside = await dump(test.pool, (schema) => schema !== 'store');
  for (const table of ['audit.entry_0000', 'audit.find', 'audit.find_subject', 'registry.grant'])
    t.ok((outside.find((one) => one.table === table)?.text.length ?? 0) > 0, `${table} is in the dump`);
  t.strictSame(find(outside, secrets), []);
});

await t.test('and the search finds what is there', async (t) => {
  const inside = find(await dump(test.pool, (schema) => schema === 'store'), secrets);
  t.strictSame([...new Set(inside.map(({ secret }) => secret))].sort(), inStore.toSorted());

  const client = await test.pool.connect();
  const id = wife.id;
  for (const [what, column, value] of [
    ['text', 'text', `read ${id} again`],
    ['bytes', 'bytea', Buffer.from(`{"id":"${id}"}`)],
    ['JSON', 'jsonb', { deep: [{ id }] }],
    ['an array', 'text[]', ['x', id]],
    ['base64', 'text', Buffer.from(id).toString('base64')],
    ['base64 of more', 'text', Buffer.from(`a ${id} b`).toString('base64url')],
    ['hexadecimal', 'text', Buffer.from(`a${id}`).toString('hex')],
    ['base64 in bytes', 'bytea', Buffer.from(Buffer.from(`ab${id}`).toString('base64'))],
    ['a hash without a key', 'bytea', createHash('sha256').update(id).digest()],
    ['such a hash as text', 'text', createHash('sha256').update(id).digest('base64')],
  ] as const) {
    await client.query('begin');
    await client.query(`create table registry.planted (value ${column})`);
    await client.query('insert into registry.planted values ($1)', [value]);
    const found = find(await dump(client, (schema) => schema === 'registry'), [id]);
    t.match(found, [{ secret: id, table: 'registry.planted' }], what);
    await client.query('rollback');
  }
  client.release();
});
