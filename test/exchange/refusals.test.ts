import t from 'tap';
import { addGrant } from '../../src/grants/administer-grants.ts';
import { personaCitizens, personaEnterprises } from '../../src/sandbox/personas.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway } from '../helpers/gateway.ts';
import { actor } from '../helpers/keys.ts';
import { checkRefusal } from '../helpers/checks.ts';

const { id } = personaCitizens[0]!;
const enterprise = personaEnterprises[0]!.id;
const test = await startGateway(t);
const hr = await test.token('human-resources');
const taxation = await test.token('taxation');
const provider = await test.token('civil-affairs', ['provide']);
const day = 24 * 60 * 60 * 1000;

const en = { 'accept-language': 'en' };

interface Case {
  does: string;
  dataset?: string;
  body?: unknown;
  token?: string;
  purpose?: string | null;
  headers?: Record<string, string>;
  /** 400 unless told. */
  status?: number;
  code: string;
  /** The entry knows whose record was asked for; it does unless told. */
  subject?: boolean;
  explain?: object;
}

const cases: Case[] = [
  {
    does: 'refuses a token without the scope exchange',
    token: provider,
    status: 403,
    code: 'scope-missing',
    explain: { rule: /exchange/ },
  },
  {
    does: 'refuses a request without a purpose',
    purpose: null,
    code: 'purpose-required',
  },
  {
    does: 'refuses a purpose that is not registered',
    purpose: 'curiosity',
    code: 'purpose-unknown',
  },
  {
    does: 'refuses a purpose longer than any',
    purpose: 'a'.repeat(5000),
    code: 'purpose-unknown',
  },
  {
    does: 'refuses to do without the case that a purpose demands',
    purpose: 'social-assistance',
    headers: { 'exchange-official': 'clerk-17' },
    code: 'case-required',
  },
  {
    does: 'refuses to do without the official whom a purpose demands',
    purpose: 'social-assistance',
    headers: { 'exchange-case': 'HY-1' },
    code: 'official-required',
  },
  {
    does: 'refuses a department without a grant',
    dataset: 'enterprises',
    body: { id: enterprise },
    status: 403,
    code: 'no-grant',
    explain: { rule: /\S/, granted_by: 'market-regulation' },
  },
  {
    does: 'refuses an expired grant',
    token: hr,
    purpose: 'social-insurance',
    status: 403,
    code: 'grant-expired',
    explain: { rule: /\S/, granted_by: 'public-security' },
  },
  {
    does: 'refuses a suspended grant',
    token: taxation,
    purpose: 'tax-assessment',
    status: 403,
    code: 'grant-suspended',
    explain: { rule: /\S/, granted_by: 'public-security' },
  },
  {
    does: 'refuses a purpose that the grant does not name',
    purpose: 'tax-assessment',
    status: 403,
    code: 'purpose-not-granted',
    explain: { rule: /\S/, granted_by: 'public-security' },
  },
  {
    does: 'refuses all for one field that is not granted',
    body: { id, fields: ['name', 'ethnicity', 'region_code'] },
    status: 403,
    code: 'field-not-granted',
    explain: { rule: /\S/, granted_by: 'public-security', missing_fields: ['ethnicity', 'region_code'] },
  },
  {
    does: 'refuses a field that the dataset does not have',
    body: { id, fields: ['name', 'salary'] },
    code: 'unknown-field',
  },
  {
    does: 'refuses an id with a wrong check character',
    body: { id: '999901198804120025' },
    code: 'invalid-id',
    subject: false,
  },
  {
    does: 'refuses an id of the wrong form',
    body: { id: `${id} ` },
    code: 'invalid-id',
    subject: false,
  },
  {
    does: 'refuses the id of another dataset',
    body: { id: enterprise },
    code: 'invalid-id',
    subject: false,
  },
  {
    does: 'refuses a body without an id',
    body: { fields: ['name'] },
    code: 'invalid-request',
    subject: false,
  },
  {
    does: 'refuses an empty list of fields',
    body: { id, fields: [] },
    code: 'invalid-request',
    subject: false,
  },
  {
    does: 'refuses a member that the body does not have',
    body: { id, reason: 'x' },
    code: 'invalid-request',
    subject: false,
  },
  {
    does: 'refuses an id that is a number',
    body: { id: 999901198804120 },
    code: 'invalid-request',
    subject: false,
  },
  {
    does: 'refuses a body that is no object',
    body: [id],
    code: 'invalid-request',
    subject: false,
  },
  {
    does: 'refuses a body that is not JSON',
    body: '{"id":',
    code: 'invalid-request',
    subject: false,
  },
  { does: 'refuses an empty body', body: '', code: 'invalid-request', subject: false },
];

for (const { does, code, explain, ...asked } of cases)
  await t.test(`${does}: ${code}`, async (t) => {
    const { dataset = 'citizens', body = { id }, status = 400, subject = true, ...options } = asked;
    const headers = { ...en, ...options.headers };
    const response = await test.read(dataset, body, { ...options, headers });
    const { problem } = await checkRefusal(t, test, response, { status, code, subject });
    t.equal(Object.hasOwn(problem, 'explain'), status === 403, 'every 403 explains itself, and nothing else');
    if (explain) t.match(problem.explain, explain);
    for (const secret of [id, enterprise])
      t.notOk(response.body.includes(secret), 'the problem does not repeat the id');
  });

await t.test('tells in an entry what was asked for, though it was refused', async (t) => {
  const response = await test.read('citizens', { id, fields: ['region_code', 'name', 'name', 'ethnicity'] });
  const entry = await test.entryOf(response);
  t.match(entry, {
    fields: ['ethnicity', 'name', 'region_code'],
    purpose: 'marriage-registration',
    consumer: 'civil-affairs',
    provider: 'public-security',
    dataset: 'citizens',
    version: 1,
  });
});

await t.test('keeps a purpose that nobody registered out of the entry', async (t) => {
  const response = await test.read('citizens', { id }, { purpose: 'curiosity' });
  t.notOk(Object.hasOwn(await test.entryOf(response), 'purpose'));
});

await t.test('says where a body is at fault', async (t) => {
  const faults = async (body: unknown): Promise<unknown> =>
    (await test.read('citizens', body, { headers: en })).json<{ errors: unknown }>().errors;
  t.match(await faults({ fields: ['name'] }), [{ pointer: '#', detail: /id/ }]);
  t.match(await faults({ id, fields: ['name', 'First Name'] }), [{ pointer: '#/fields/1', detail: /\S/ }]);
  t.match(await faults({ id: '999901198804120025' }), [{ pointer: '#/id', detail: /resident-id/ }]);
  t.match(await faults({ id, fields: ['name', 'salary'] }), [{ pointer: '#/fields/1', detail: /\S/ }]);
});

await t.test('suggests the field and the purpose that were probably meant', async (t) => {
  const field = await test.read('citizens', { id, fields: ['birthdate'] }, { headers: en });
  t.match(field.json(), { code: 'unknown-field', detail: /birth_date/ });
  const purpose = await test.read('citizens', { id }, { purpose: 'mariage-registration', headers: en });
  t.match(purpose.json(), { code: 'purpose-unknown', detail: /marriage-registration/ });
});

await t.test('refuses to do without what only the grant demands', async (t) => {
  const now = test.clock.now().getTime();
  await addGrant(test.database, test.gateway.catalogue, actor, {
    consumer: 'taxation',
    dataset: 'citizens',
    fields: ['name'],
    plainFields: [],
    purposes: ['social-insurance'],
    validFrom: new Date(now - day),
    validUntil: new Date(now + day),
    requires: ['case', 'official'],
  });
  const ask = (headers: Record<string, string>): ReturnType<typeof test.read> =>
    test.read('citizens', { id }, { token: taxation, purpose: 'social-insurance', headers });
  await checkRefusal(t, test, await ask({}), { status: 400, code: 'case-required', subject: true });
  const named = await ask({ 'exchange-case': 'T-1' });
  await checkRefusal(t, test, named, { status: 400, code: 'official-required', subject: true });
  t.equal((await ask({ 'exchange-case': 'T-1', 'exchange-official': 'clerk-17' })).statusCode, 200);
});

await t.test('has every refusal in a log that is whole', async (t) => {
  const entries = await checkAuditLog(t, test);
  t.equal(entries.filter((entry) => entry.outcome === 'refused').length, cases.length + 10);
});
