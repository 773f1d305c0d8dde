import t from 'tap';
import type { LightMyRequestResponse } from 'fastify';
import { personaCitizens, personaEnterprises } from '../../src/sandbox/personas.ts';
import { openSeal, readLog } from '../helpers/open-seal.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway, type AskOptions } from '../helpers/gateway.ts';
import { absentCitizen, checkBeside, checkLeaf, checkRefusal } from '../helpers/checks.ts';

const test = await startGateway(t);
await test.token('civil-affairs');
const [wife, husband, dead, child, old, divorced] = personaCitizens;
const asTaxation = async (): Promise<AskOptions> => ({
  token: await test.token('taxation'),
  purpose: 'tax-assessment',
});
const day = 24 * 60 * 60 * 1000;
await test.grant({
  consumer: 'civil-affairs',
  dataset: 'citizens',
  fields: [],
  verifyFields: ['phone'],
  purposes: ['marriage-registration'],
});
await test.grant({
  consumer: 'taxation',
  dataset: 'enterprises',
  fields: [],
  verifyFields: ['legal_representative_id'],
  purposes: ['tax-assessment'],
});

function verify(
  body: unknown,
  options: AskOptions = {},
  dataset = 'citizens',
): Promise<LightMyRequestResponse> {
  return test.ask('verify', dataset, body, options);
}

/** Begins a day on which nothing was verified yet. */
function nextDay(): void {
  test.clock.advance(day);
}

interface Results {
  id: string;
  results: Record<string, string>;
}

await t.test('tells of each claim whether it holds, and enters what was asked', async (t) => {
  const { id } = wife!;
  const claims = {
    name: wife!.name,
    birth_date: { on_or_before: '2008-11-23' },
    sex: 'male',
    deceased_on: { exists: false },
    phone: '12000000001',
    marital_status: { one_of: ['married', 'divorced'] },
  };
  const response = await verify({ id, claims });
  t.equal(response.statusCode, 200);
  t.strictSame(response.json(), {
    id,
    results: {
      name: 'match',
      birth_date: 'match',
      sex: 'mismatch',
      deceased_on: 'match',
      phone: 'match',
      marital_status: 'match',
    },
  });
  for (const header of ['exchange-masked', 'content-encoding']) t.notOk(response.headers[header]);
  t.match(response.headers, { 'cache-control': 'no-store', 'exchange-salt': /=$/ });
  const entry = await test.entryOf(response);
  t.match(entry, {
    kind: 'exchange',
    operation: 'verify',
    outcome: 'released',
    records: 1,
    fields: ['birth_date', 'deceased_on', 'marital_status', 'name', 'phone', 'sex'],
    body: /^[\w-]{43}$/,
  });
  t.equal((entry.subjects as string[]).length, 1);
  for (const told of [wife!.name, '2008-11-23', '12000000001'])
    t.notOk(JSON.stringify(entry).includes(told), 'what was claimed is not in the log');
  await checkLeaf(t, test, response);
});

await t.test('answers as long, with the same headers, whatever it says', async (t) => {
  nextDay();
  const asked = [
    { id: wife!.id, claims: { name: wife!.name, deceased_on: '2024-02-29' } },
    { id: husband!.id, claims: { name: 'x', deceased_on: '2024-02-29' } },
    { id: dead!.id, claims: { name: dead!.name, deceased_on: '2024-02-29' } },
    { id: dead!.id, claims: { name: dead!.name, deceased_on: '2024-02-28' } },
    { id: absentCitizen, claims: { name: 'x', deceased_on: '2024-02-29' } },
  ];
  const answers = await Promise.all(asked.map((body) => verify(body)));
  t.strictSame(
    answers.map((answer) => answer.json<Results>().results),
    [
      { name: 'match', deceased_on: 'unknown' },
      { name: 'mismatch', deceased_on: 'unknown' },
      { name: 'match', deceased_on: 'match' },
      { name: 'match', deceased_on: 'mismatch' },
      { name: 'unknown', deceased_on: 'unknown' },
    ],
  );
  t.equal(new Set(answers.map(({ rawPayload }) => rawPayload.length)).size, 1);
  t.equal(new Set(answers.map(({ headers }) => Object.keys(headers).join())).size, 1);
});

await t.test('says unknown to all of a subject that is not there, and enters it as absent', async (t) => {
  nextDay();
  const response = await verify({
    id: absentCitizen,
    claims: { name: 'x', phone: { exists: false }, birth_date: { age_at_least: 1 } },
  });
  t.strictSame(response.json<Results>().results, {
    name: 'unknown',
    phone: 'unknown',
    birth_date: 'unknown',
  });
  t.match(await test.entryOf(response), { outcome: 'absent', records: 0, subjects: [/./] });
});

await t.test('counts ages by the days of its time zone', async (t) => {
  nextDay();
  const claims = { birth_date: { age_at_least: 1 } };
  const birthday = new Date('2027-10-08T15:59:59.000Z');
  test.clock.advance(birthday.getTime() - test.clock.now().getTime());
  const token = await test.token('civil-affairs', ['exchange', 'disclose']);
  const before = await verify({ id: child!.id, claims }, { token });
  t.equal(before.json<Results>().results.birth_date, 'mismatch', 'at one second to midnight in Shanghai');
  test.clock.advance(1000);
  const after = await verify({ id: child!.id, claims }, { token });
  t.equal(after.json<Results>().results.birth_date, 'match');
});

await t.test('verifies where it may not be read, and only that', async (t) => {
  const insurance = {
    consumer: 'human-resources',
    dataset: 'citizens',
    purposes: ['social-insurance'],
  };
  await test.grant({
    ...insurance,
    fields: [],
    verifyFields: ['name', 'birth_date'],
  });
  nextDay();
  const options = { token: await test.token('human-resources'), purpose: 'social-insurance' };
  const claims = { name: old!.name, birth_date: { before: '1950-01-01' } };
  const response = await verify({ id: old!.id, claims }, options);
  t.strictSame(response.json<Results>().results, { name: 'match', birth_date: 'match' });
  t.equal(((await test.entryOf(response)).grants as string[]).length, 1);

  for (const fields of [['name'], undefined]) {
    const read = await test.read('citizens', { id: old!.id, ...(fields && { fields }) }, options);
    const { problem } = await checkRefusal(t, test, read, {
      status: 403,
      code: 'field-not-granted',
      subject: true,
    });
    t.same(problem.explain?.missing_fields, fields ?? ['name', 'birth_date']);
  }
  const more = await verify({ id: old!.id, claims: { name: 'x', sex: 'male', phone: '1' } }, options);
  const { problem } = await checkRefusal(t, test, more, {
    status: 403,
    code: 'field-not-granted',
    subject: true,
    operation: 'verify',
  });
  t.same(problem.explain?.missing_fields, ['sex', 'phone']);

  await test.grant({ ...insurance, fields: ['sex'] });
  await test.gateway.exchanges.authority.refresh();
  const all = await test.read('citizens', { id: old!.id }, options);
  t.strictSame(all.json(), { sex: old!.sex }, 'a read without fields gives what may be read');
});

await t.test('does not verify what may only be read masked', async (t) => {
  nextDay();
  const claims = { household_address: { prefix: '云栖省' } };
  const response = await verify({ id: wife!.id, claims });
  const { problem } = await checkRefusal(t, test, response, {
    status: 403,
    code: 'field-not-granted',
    subject: true,
    operation: 'verify',
  });
  t.same(problem.explain?.missing_fields, ['household_address']);
  const plain = await verify({ id: wife!.id, claims: { id: { prefix: '9999' } } });
  t.equal(plain.statusCode, 200, 'what is granted plain may be verified');
});

await t.test('enters the citizen of whom a claim about an enterprise tells', async (t) => {
  const [company] = personaEnterprises;
  const claims = { legal_representative_id: company!.legal_representative_id };
  const response = await verify({ id: company!.id, claims }, await asTaxation(), 'enterprises');
  t.equal(response.json<Results>().results.legal_representative_id, 'match');
  t.equal(
    openSeal(await readLog(test.pool), await test.entryOf(response)),
    `${company!.id}\n${company!.legal_representative_id}`,
  );
});

await t.test('takes five attempts for a subject a day, and refuses more on the record', async (t) => {
  nextDay();
  const guess = (id: string, name: string, options: AskOptions = {}): Promise<LightMyRequestResponse> =>
    verify({ id, claims: { name } }, options);
  const { id } = divorced!;
  for (let attempt = 1; attempt <= 5; attempt++)
    t.equal((await guess(id, `guess ${attempt}`)).statusCode, 200, `attempt ${attempt}`);
  for (const name of ['guess 6', divorced!.name]) {
    const response = await guess(id, name, { headers: { 'accept-language': 'en' } });
    const { problem } = await checkRefusal(t, test, response, {
      status: 429,
      code: 'guess-limit',
      subject: true,
      operation: 'verify',
    });
    t.match(problem.detail, /5 times a day/);
    const seconds = Number(response.headers['retry-after']);
    t.ok(seconds > 0 && seconds <= 24 * 60 * 60);
  }
  const other = await test.token('civil-affairs', ['exchange', 'provide']);
  t.equal(
    (await guess(id, 'x', { token: other })).statusCode,
    429,
    'by another client of the department too',
  );
  t.equal((await guess(wife!.id, 'x')).statusCode, 200, 'another subject has attempts of its own');
  t.equal((await test.read('citizens', { id, fields: ['name'] })).statusCode, 200, 'reads are no attempts');
  nextDay();
  t.equal((await guess(id, divorced!.name)).statusCode, 200, 'the next day has five again');
});

await t.test('lets no more than five through of many attempts at once', async (t) => {
  nextDay();
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => verify({ id: husband!.id, claims: { name: `guess ${i}` } })),
  );
  t.equal(answers.filter(({ statusCode }) => statusCode === 200).length, 5);
  t.equal(answers.filter(({ statusCode }) => statusCode === 429).length, 15);
});

await t.test('counts no attempt that was refused for another reason', async (t) => {
  nextDay();
  const { id } = dead!;
  for (let i = 0; i < 8; i++) {
    t.equal((await verify({ id, claims: { ethnicity: 'x' } })).statusCode, 403);
    t.equal((await verify({ id, claims: { name: { before: '2000-01-01' } } })).statusCode, 400);
  }
  t.equal((await verify({ id, claims: { name: dead!.name } })).statusCode, 200);
});

await t.test('refuses what is no verification, on the record, and repeats no value', async (t) => {
  nextDay();
  const { id } = old!;
  const secret = '慕容';
  /** Bodies that can be read: of these it is known whom they ask for. */
  const readable: [does: string, code: string, body: unknown, pointer?: string][] = [
    [
      'an age of a name',
      'invalid-request',
      { id, claims: { name: { age_at_least: 3 } } },
      '#/claims/name/age_at_least',
    ],
    ['a number for a name', 'invalid-request', { id, claims: { name: 7 } }, '#/claims/name'],
    ['a name for a date', 'invalid-request', { id, claims: { birth_date: secret } }, '#/claims/birth_date'],
    ['no field', 'unknown-field', { id, claims: { nam: secret } }, '#/claims/nam'],
    ['a field that is not granted', 'field-not-granted', { id, claims: { ethnicity: secret } }],
  ];
  const unreadable: [does: string, code: string, body: unknown, pointer?: string][] = [
    ['no claims', 'invalid-request', { id }],
    ['claims about nothing', 'invalid-request', { id, claims: {} }, '#/claims'],
    ['a claim of nothing', 'invalid-request', { id, claims: { name: null } }, '#/claims/name'],
    ['no operator', 'invalid-request', { id, claims: { name: {} } }, '#/claims/name'],
    ['an unknown operator', 'invalid-request', { id, claims: { name: { like: secret } } }, '#/claims/name'],
    ['a date that no year has', 'invalid-request', { id, claims: { birth_date: { before: '2000-02-30' } } }],
    ['an age that is none', 'invalid-request', { id, claims: { birth_date: { age_at_least: -1 } } }],
    [
      'too many alternatives',
      'invalid-request',
      { id, claims: { name: { one_of: Array(21).fill(secret) } } },
    ],
    [
      'an id with a wrong check digit',
      'invalid-id',
      { id: '999901192301050048', claims: { name: secret } },
      '#/id',
    ],
  ];
  for (const [does, code, body, pointer] of [...readable, ...unreadable])
    await t.test(does, async (t) => {
      const response = await verify(body, { headers: { 'accept-language': 'en' } });
      const { problem } = await checkRefusal(t, test, response, {
        status: code === 'field-not-granted' ? 403 : 400,
        code,
        subject: readable.some((one) => one[0] === does),
        operation: 'verify',
      });
      if (pointer !== undefined) t.equal(problem.errors?.[0]?.pointer, pointer);
      t.notOk(response.body.includes(secret), 'what was claimed is not repeated');
      t.notOk(response.body.includes(id));
      if (code === 'unknown-field') t.match(problem.detail, /Did you mean name\?/);
    });
});

await t.test('refuses whom it does not serve as a read does', async (t) => {
  const body = { id: wife!.id, claims: { name: 'x' } };
  const cases: [code: string, status: number, options: AskOptions][] = [
    ['scope-missing', 403, { token: await test.token('audit-office', ['audit']) }],
    ['purpose-required', 400, { purpose: null }],
    ['purpose-unknown', 400, { purpose: 'gossip' }],
    ['case-required', 400, { purpose: 'social-assistance' }],
    ['purpose-not-granted', 403, { purpose: 'tax-assessment' }],
    ['grant-suspended', 403, await asTaxation()],
    ['no-grant', 403, { token: await test.token('public-security') }],
  ];
  for (const [code, status, options] of cases)
    await checkRefusal(t, test, await verify(body, options), {
      status,
      code,
      subject: true,
      operation: 'verify',
    });
  await checkBeside(t, test, () => verify(body, { token: null }), { status: 401, code: 'token-missing' });
});

await t.test('counts no attempt that the store could not answer', async (t) => {
  nextDay();
  await test.token('civil-affairs');
  const body = { id: wife!.id, claims: { name: 'x' } };
  await test.pool.query(
    'alter table store.citizens rename to citizens_away; alter view v1.citizens rename to away',
  );
  for (let i = 0; i < 6; i++)
    await checkBeside(t, test, () => verify(body), { status: 503, code: 'store-unavailable' });
  await test.pool.query(
    'alter view v1.away rename to citizens; alter table store.citizens_away rename to citizens',
  );
  t.equal((await verify(body)).statusCode, 200);
});

await t.test('answers nothing while attempts can not be counted', async (t) => {
  nextDay();
  await test.token('civil-affairs');
  await test.pool.query('alter function limits.attempt rename to attempt_away');
  await checkBeside(t, test, () => verify({ id: wife!.id, claims: { name: 'x' } }), {
    status: 503,
    code: 'store-unavailable',
  });
  await test.pool.query('alter function limits.attempt_away rename to attempt');
  t.equal((await verify({ id: wife!.id, claims: { name: 'x' } })).statusCode, 200);
});

await t.test('has every verification in a log that is whole', async (t) => {
  const entries = await checkAuditLog(t, test);
  t.ok(entries.filter(({ operation }) => operation === 'verify').length > 80);
});
