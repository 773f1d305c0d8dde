import t, { type Test } from 'tap';
import type { LightMyRequestResponse } from 'fastify';
import { addGrant } from '../../src/grants/administer-grants.ts';
import { personaCitizens, personaEnterprises } from '../../src/sandbox/personas.ts';
import { inVersion1 } from '../helpers/version-1.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway, type AskOptions } from '../helpers/gateway.ts';
import { actor } from '../helpers/keys.ts';
import { absentCitizen, checkProblem, checkRefusal } from '../helpers/checks.ts';

const test = await startGateway(t);
const { app, clock, gateway } = test;
const taxation = await test.token('taxation');
const [wife] = personaCitizens;
const { id } = wife!;
const version2 = { version: 2 };
const day = 24 * 60 * 60 * 1000;

/** As the schema of version 1 has it. */
const endHeaders = {
  deprecation: `@${Date.UTC(2026, 11, 1) / 1000}`,
  sunset: 'Fri, 31 Dec 2027 00:00:00 GMT',
  link: '</v2/citizens>; rel="successor-version"',
};

/** Grants a department that has none fields of citizens, and gives what it then asks as. */
let consumers = 0;
async function grantTo(fields: string[], plainFields: string[] = []): Promise<AskOptions> {
  const consumer = `consumer-${++consumers}`;
  await test.pool.query(`insert into registry.department (code, title_en, title_zh) values ($1, $1, $1)`, [
    consumer,
  ]);
  await addGrant(test.database, gateway.catalogue, actor, {
    consumer,
    dataset: 'citizens',
    fields,
    plainFields,
    purposes: ['tax-assessment'],
    validFrom: new Date(clock.now().getTime() - day),
    validUntil: new Date(clock.now().getTime() + 10 * 365 * day),
  });
  return { token: await test.token(consumer), purpose: 'tax-assessment' };
}

function fieldsOf(response: LightMyRequestResponse): string[] {
  return response.statusCode === 200
    ? Object.keys(response.json<object>())
    : [response.json<{ code: string }>().code];
}

/** What a grant serves in both versions, when no fields are named. */
async function served(fields: string[]): Promise<{ v1: string[]; v2: string[] }> {
  const asking = await grantTo(fields);
  const [v1, v2] = await Promise.all([
    test.read('citizens', { id }, asking),
    test.read('citizens', { id }, { ...asking, ...version2 }),
  ]);
  return { v1: fieldsOf(v1), v2: fieldsOf(v2) };
}

await t.test('answers both versions side by side from the same data, by the same grant', async (t) => {
  for (const citizen of personaCitizens) {
    const [v1, v2] = await Promise.all([
      test.read('citizens', { id: citizen.id }),
      test.read('citizens', { id: citizen.id }, version2),
    ]);
    const old = inVersion1(citizen);
    const record1 = v1.json<Record<string, string | null>>();
    const record2 = v2.json<Record<string, string | null>>();
    for (const name of ['id', 'name', 'sex', 'birth_date', 'marital_status', 'deceased_on'] as const)
      t.same([record1[name], record2[name]], [old[name], old[name]], name);
    const { province, city, district } = citizen;
    t.match(record2, { province, city, district });
    const split = `${record2.province}${record2.city}${record2.district}`;
    t.ok(record1.household_address!.startsWith(split), 'the parts begin the whole');
    t.equal(record2.address_detail, '***', 'and what follows is masked in either');
    t.ok(record1.household_address!.endsWith('*'));
    t.equal(record2.mobile_phone, record1.phone);
    const [entry1, entry2] = [await test.entryOf(v1), await test.entryOf(v2)];
    t.match([entry1, entry2], [{ version: 1 }, { version: 2 }]);
    t.same(entry1.grants, entry2.grants);
    t.same(entry1.subjects, entry2.subjects);
  }
});

await t.test('shows a record that is loaded anew in both versions', async (t) => {
  const { rowCount } = await test.pool.query(
    `update store.citizens set province = null, city = null, district = null, address_detail = '云栖省某处',
       mobile_phone = '12000000099', occupation = '教师' where id = $1`,
    [personaCitizens[1]!.id],
  );
  t.equal(rowCount, 1);
  const all = ['household_address', 'phone', 'occupation'];
  const asking = await grantTo(all, all);
  const body = { id: personaCitizens[1]!.id };
  t.same((await test.read('citizens', body, asking)).json(), {
    household_address: '云栖省某处',
    phone: '12000000099',
  });
  t.same((await test.read('citizens', body, { ...asking, ...version2 })).json(), {
    province: null,
    city: null,
    district: null,
    address_detail: '云栖省某处',
    mobile_phone: '12000000099',
    occupation: '教师',
  });
});

await t.test('serves by a grant the same concepts in either version, whatever they are called', async (t) => {
  const parts = ['province', 'city', 'district', 'address_detail'];
  t.same(await served(['household_address']), { v1: ['household_address'], v2: parts });
  t.same(await served(parts), { v1: ['household_address'], v2: parts });
  t.same(await served(['province']), { v1: ['no-grant'], v2: ['province'] });
  t.same(await served(parts.slice(1)), { v1: ['no-grant'], v2: parts.slice(1) });
  t.same(await served(['phone']), { v1: ['phone'], v2: ['mobile_phone'] });
  t.same(await served(['mobile_phone']), { v1: ['phone'], v2: ['mobile_phone'] });
  t.same(await served(['occupation']), { v1: ['no-grant'], v2: ['occupation'] });
  t.same(await served(['name', 'city']), { v1: ['name'], v2: ['name', 'city'] });
});

await t.test('serves a new field by no grant that does not name it', async (t) => {
  const [all] = gateway.catalogue.datasets.filter(({ name }) => name === 'citizens');
  const asking = { ...(await grantTo([...all!.fields.keys()])), ...version2 };
  t.notOk(fieldsOf(await test.read('citizens', { id }, asking)).includes('occupation'));
  const response = await test.read('citizens', { id, fields: ['name', 'occupation'] }, asking);
  const { explain } = checkProblem(t, response, { status: 403, code: 'field-not-granted' });
  t.same(explain?.missing_fields, ['occupation']);
  const batch = await test.ask('batch', 'citizens', { ids: [id], fields: ['occupation'] }, asking);
  checkProblem(t, batch, { status: 403, code: 'field-not-granted' });
});

await t.test('shows plain in either version what a grant names as plain', async (t) => {
  const asking = await grantTo(['household_address', 'mobile_phone', 'id'], ['household_address']);
  const v1 = await test.read('citizens', { id }, asking);
  t.equal(v1.headers['exchange-masked'], 'id, phone');
  const v2 = await test.read('citizens', { id }, { ...asking, ...version2 });
  t.equal(v2.headers['exchange-masked'], 'id, mobile_phone');
  t.equal(v2.json<{ address_detail: string }>().address_detail, wife!.address_detail);
});

await t.test('knows each field by its name of the version alone', async (t) => {
  for (const [version, field] of [
    [1, 'mobile_phone'],
    [1, 'occupation'],
    [2, 'phone'],
    [2, 'household_address'],
  ] as const) {
    const response = await test.read('citizens', { id, fields: [field] }, { version });
    checkProblem(t, response, { status: 400, code: 'unknown-field' });
  }
});

await t.test('says what a version calls a field that was asked for by its name in another', async (t) => {
  const asked: [version: number, fields: string[], en: string, zh: string][] = [
    [2, ['phone'], 'In version 2, phone is called mobile_phone.', '在第 2 版中，phone 名为 mobile_phone。'],
    [
      1,
      ['mobile_phone'],
      'In version 1, mobile_phone is called phone.',
      '在第 1 版中，mobile_phone 名为 phone。',
    ],
    [
      2,
      ['salary', 'household_address'],
      'In version 2, household_address is split into province, city, district, address_detail.',
      '在第 2 版中，household_address 分为 province、city、district、address_detail。',
    ],
    [
      1,
      ['province'],
      'In version 1, province is part of household_address.',
      '在第 1 版中，province 属于 household_address。',
    ],
  ];
  for (const [version, fields, en, zh] of asked)
    for (const [language, sentence] of [
      ['en', en],
      ['zh', zh],
    ] as const) {
      const headers = { 'accept-language': language };
      const response = await test.read('citizens', { id, fields }, { version, headers });
      checkProblem(t, response, { status: 400, code: 'unknown-field' });
      t.ok(response.json<{ detail: string }>().detail.endsWith(sentence), `${fields.join()} ${language}`);
    }
  const both = await test.read(
    'citizens',
    { id, fields: ['phone', 'household_address', 'phone'] },
    { version: 2, headers: { 'accept-language': 'en' } },
  );
  t.match(both.json(), { detail: /called mobile_phone\. In version 2, household_address is split/ });
  const verified = await test.ask('verify', 'citizens', { id, claims: { phone: '1' } }, { version: 2 });
  t.match(verified.json(), { code: 'unknown-field', detail: /phone 名为 mobile_phone/ });
});

function checkEnd(t: Test, { headers }: LightMyRequestResponse, what: string): void {
  t.match(headers, endHeaders, what);
}

await t.test('says on every answer of version 1 when it ends and what comes after it', async (t) => {
  const read = (body: unknown, options?: AskOptions): Promise<LightMyRequestResponse> =>
    test.read('citizens', body, options);
  checkEnd(t, await read({ id }), 'released');
  checkEnd(t, await read({ id: absentCitizen }), 'absent');
  checkEnd(t, await read({ id, fields: ['ethnicity'] }), 'refused');
  checkEnd(t, await read({ id }, { token: null }), 'without a token');
  checkEnd(t, await read({ id }, { purpose: null }), 'without a purpose');
  checkEnd(t, await read({ id: 'x'.repeat(200_000) }), 'too large');
  checkEnd(t, await read('<id/>', { headers: { 'content-type': 'text/xml' } }), 'of another media type');
  checkEnd(t, await test.ask('batch', 'citizens', { ids: [id] }), 'a batch');
  checkEnd(t, await app.inject({ url: `/v1/citizens/${id}` }), 'by GET, which is refused');
});

await t.test('says nothing of the kind of versions that stay', async (t) => {
  const enterprise = { id: personaEnterprises[0]!.id };
  const asking = { token: taxation, purpose: 'tax-assessment' };
  for (const response of [
    await test.read('citizens', { id }, version2),
    await test.read('citizens', { id: absentCitizen }, version2),
    await test.read('enterprises', enterprise, asking),
    await app.inject({ url: '/livez' }),
  ])
    for (const name of Object.keys(endHeaders)) t.notOk(response.headers[name], name);
});

/** Moves the clock to a moment, and gets the grants and tokens that are good then. */
async function moveTo(moment: string): Promise<AskOptions> {
  clock.advance(Date.parse(moment) - clock.now().getTime());
  return grantTo(['name']);
}

await t.test('serves version 1 to the last moment before its sunset', async (t) => {
  const asking = await moveTo('2027-12-30T23:59:59.999Z');
  const response = await test.read('citizens', { id }, asking);
  t.equal(response.statusCode, 200);
  checkEnd(t, response, 'as before');
});

await t.test('refuses version 1 from its sunset on, on the record, and serves version 2', async (t) => {
  const asking = await moveTo('2027-12-31T00:00:00.000Z');
  for (const [operation, body] of [
    ['read', { id, fields: ['name'] }],
    ['batch', { ids: [id] }],
  ] as const) {
    const response = await test.ask(operation, 'citizens', body, asking);
    const { detail } = checkProblem(t, response, { status: 410, code: 'version-retired' });
    t.match(detail, /v1.*2027-12-31.*\/v2\/citizens/);
    checkEnd(t, response, 'and says where to go');
    await checkRefusal(t, test, response, {
      status: 410,
      code: 'version-retired',
      subject: true,
      operation,
    });
    t.match(await test.entryOf(response), { version: 1, outcome: 'refused', code: 'version-retired' });
  }
  const response = await test.read('citizens', { id }, { ...asking, ...version2 });
  t.same(response.json(), { name: wife!.name });
});

await t.test('lets token and scope decide before the sunset, and the sunset before all else', async (t) => {
  const asking = await moveTo('2028-01-01T00:00:00.000Z');
  const unscoped = await test.token(`consumer-${consumers}`, ['provide']);
  const read = (options: AskOptions, body: unknown = { id }): Promise<LightMyRequestResponse> =>
    test.read('citizens', body, { ...asking, ...options });
  checkProblem(t, await read({ token: null }), { status: 401, code: 'token-missing' });
  checkProblem(t, await read({ token: unscoped }), { status: 403, code: 'scope-missing' });
  checkProblem(t, await read({ purpose: null }), { status: 410, code: 'version-retired' });
  checkProblem(t, await read({}, '{'), { status: 410, code: 'version-retired' });
});

await t.test('leaves a whole audit log', async (t) => {
  await checkAuditLog(t, test);
});
