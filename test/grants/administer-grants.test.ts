import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadCatalogue } from '../../src/catalogue/catalogue.ts';
import { UserError } from '../../src/base/errors.ts';
import { addGrant, revokeGrant, type GrantTerms } from '../../src/grants/administer-grants.ts';
import { listGrants } from '../../src/grants/find-grants.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { createDatabase } from '../helpers/database.ts';
import { actor } from '../helpers/keys.ts';

const test = await createDatabase(t);
const { database } = test;
const catalogue = loadCatalogue();

const terms: GrantTerms = {
  consumer: 'taxation',
  dataset: 'citizens',
  fields: ['name', 'id', 'phone', 'name'],
  plainFields: ['phone', 'phone'],
  purposes: ['tax-assessment', 'social-insurance', 'tax-assessment'],
  validFrom: new Date('2026-01-01T00:00:00.000Z'),
  validUntil: new Date('2126-01-01T00:00:00.000Z'),
};

async function entryAt(index: number): Promise<Record<string, unknown>> {
  const { rows } = await test.pool.query<{ bytes: Buffer }>(
    'select bytes from audit.entry where index = $1',
    [index],
  );
  return JSON.parse(rows[0]!.bytes.toString()) as Record<string, unknown>;
}
async function state(): Promise<unknown> {
  const { rows } = await test.pool.query(
    'select (select count(*) from audit.entry) as entries, (select count(*) from registry.grant) as grants, version from audit.authority',
  );
  return rows[0];
}

await t.test('makes a grant and its entry together', async (t) => {
  const requires = ['official', 'case', 'case'];
  const { id, entry } = await addGrant(database, catalogue, actor, {
    ...terms,
    requires,
    verifyFields: ['sex', 'birth_date'],
    dailyQuota: 500,
  });
  const found = (await listGrants(database, { consumer: 'taxation', dataset: 'citizens' })).find(
    (grant) => grant.id === id,
  );
  t.strictSame(found, {
    id,
    consumer: 'taxation',
    dataset: 'citizens',
    fields: ['id', 'name', 'phone'],
    plain_fields: ['phone'],
    verify_fields: ['birth_date', 'sex'],
    purposes: ['social-insurance', 'tax-assessment'],
    provider: 'public-security',
    legal_basis: null,
    justification: null,
    expected_volume: null,
    due: null,
    renews: null,
    status: 'active',
    valid_from: '2026-01-01T00:00:00.000Z',
    valid_until: '2126-01-01T00:00:00.000Z',
    requires: ['case', 'official'],
    daily_quota: 500,
    decided_by: actor.client,
    reason: null,
  });
  const { id: entryId, time, ...rest } = await entryAt(entry);
  t.match(entryId, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  t.type(time, 'string');
  t.strictSame(rest, {
    format: 'onevisit-entry/1',
    kind: 'grant',
    operation: 'grant-add',
    client: actor.client,
    provider: 'public-security',
    dataset: 'citizens',
    grants: [id],
    outcome: 'done',
    details: {
      consumer: 'taxation',
      fields: ['id', 'name', 'phone'],
      plain_fields: ['phone'],
      verify_fields: ['birth_date', 'sex'],
      purposes: ['social-insurance', 'tax-assessment'],
      requires: ['case', 'official'],
      status: 'active',
      valid_from: '2026-01-01T00:00:00.000Z',
      valid_until: '2126-01-01T00:00:00.000Z',
      daily_quota: 500,
    },
  });
});

const refusals: [string, Partial<GrantTerms>, RegExp][] = [
  ['a department that there is not', { consumer: 'nobody' }, /no department "nobody"; .*"department add"/],
  [
    'a dataset that there is not',
    { dataset: 'vehicles' },
    /no dataset "vehicles"; there are citizens, enterprises/,
  ],
  [
    'a field that the dataset has not',
    { fields: ['name', 'shoe_size'] },
    /citizens has no field shoe_size; it has id, name/,
  ],
  ['a field to verify that the dataset has not', { verifyFields: ['shoe_size'] }, /no field shoe_size/],
  ['a quota of nothing', { dailyQuota: 0 }, /whole number of subjects, at least 1/],
  ['a quota that is no number', { dailyQuota: NaN }, /whole number of subjects/],
  ['half a subject', { dailyQuota: 1.5 }, /whole number of subjects/],
  ['a purpose that there is not', { purposes: ['curiosity'] }, /no purpose curiosity; .*"purpose add"/],
  ['a plain field that is not granted', { plainFields: ['ethnicity'] }, /ethnicity is not/],
  ['no fields', { fields: [], plainFields: [] }, /at least one field/],
  ['no purposes', { purposes: [] }, /one purpose/],
  ['an end before its beginning', { validUntil: new Date('2025-01-01') }, /end after it begins/],
  ['an end at its beginning', { validUntil: terms.validFrom }, /end after it begins/],
  ['a demand that there is not', { requires: ['fee'] }, /fee/],
];
for (const [what, change, message] of refusals)
  await t.test(`refuses a grant with ${what}`, async (t) => {
    const before = await state();
    await t.rejects(addGrant(database, catalogue, actor, { ...terms, ...change }), {
      name: UserError.name,
      message,
    });
    t.strictSame(await state(), before, 'nothing is changed or entered');
  });

await t.test('takes the names of any version, and keeps what they mean in all of them', async (t) => {
  const { id } = await addGrant(database, loadCatalogue(), actor, {
    ...terms,
    fields: ['mobile_phone', 'phone', 'household_address', 'city', 'occupation'],
    plainFields: ['mobile_phone'],
  });
  const [made] = (await listGrants(database, { consumer: terms.consumer })).filter((one) => one.id === id);
  t.match(made, {
    fields: ['city', 'household_address', 'occupation', 'phone'],
    plain_fields: ['phone'],
  });
});

await t.test('refuses a grant on a dataset that is not to be shared', async (t) => {
  const folder = join(t.testdir(), 'schemas');
  cpSync(new URL('../../schemas', import.meta.url), folder, { recursive: true });
  const file = join(folder, 'v2', 'citizens.json');
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace('"sharing": "conditional"', '"sharing": "prohibited"'),
  );
  await t.rejects(addGrant(database, loadCatalogue(folder), actor, terms), {
    name: UserError.name,
    message: /citizens is not to be shared/,
  });
});

await t.test('revokes a grant, once', async (t) => {
  const { id } = await addGrant(database, catalogue, actor, terms);
  const { entry } = await revokeGrant(database, actor, id.toUpperCase(), 'misuse');
  const [grant] = (await listGrants(database, {})).filter((item) => item.id === id);
  t.match(grant, { status: 'revoked', reason: 'misuse', decided_by: actor.client });
  t.match(await entryAt(entry), {
    kind: 'grant',
    operation: 'grant-revoke',
    dataset: 'citizens',
    grants: [id],
    details: { consumer: 'taxation', was: 'active', status: 'revoked', reason: 'misuse' },
  });
  const before = await state();
  await t.rejects(revokeGrant(database, actor, id, null), {
    name: UserError.name,
    message: /could be revoked/,
  });
  t.strictSame(await state(), before);
});

await t.test('revokes a grant that is suspended, and needs no reason', async (t) => {
  const { id } = await addGrant(database, catalogue, actor, {
    ...terms,
    status: 'suspended',
    reason: 'review',
  });
  t.equal((await listGrants(database, {})).find((item) => item.id === id)?.status, 'suspended');
  const { entry } = await revokeGrant(database, actor, id, null);
  t.strictSame((await entryAt(entry)).details, { consumer: 'taxation', was: 'suspended', status: 'revoked' });
});

await t.test('refuses to revoke what is no grant', async (t) => {
  await t.rejects(revokeGrant(database, actor, '5f0c3a52-6d1e-4b8e-9a5f-3f6f0a5c2b11', null), UserError);
  await t.rejects(revokeGrant(database, actor, 'all', null), {
    name: UserError.name,
    message: /"all" is not the id/,
  });
});

await t.test('lets one of two revocations at once succeed', async (t) => {
  const { id } = await addGrant(database, catalogue, actor, terms);
  const results = await Promise.allSettled([1, 2].map(() => revokeGrant(database, actor, id, null)));
  t.strictSame(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  t.type(results.find((result) => result.status === 'rejected')?.reason, UserError);
});

await t.test(
  'lists the grants of a consumer and for a dataset, and calls expired what has ended',
  async (t) => {
    const all = await listGrants(database, {});
    const expired = all.filter(({ status }) => status === 'expired');
    t.match(expired, [{ consumer: 'human-resources', dataset: 'citizens' }]);
    t.equal(expired.length, 1);
    const own = await listGrants(database, { consumer: 'human-resources' });
    t.ok(own.length >= 2 && own.every(({ consumer }) => consumer === 'human-resources'));
    const [one] = await listGrants(database, { consumer: 'human-resources', dataset: 'enterprises' });
    t.match(one, { consumer: 'human-resources', dataset: 'enterprises', status: 'active' });
    t.strictSame(await listGrants(database, { consumer: 'nobody' }), []);
  },
);

await t.test('leaves a whole log behind all of that', async (t) => {
  await checkAuditLog(t, test);
});
