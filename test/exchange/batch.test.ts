import type { LightMyRequestResponse } from 'fastify';
import t from 'tap';
import { batchLimit } from '../../src/exchange/batch.ts';
import { residentIdCheck } from '../../src/catalogue/formats.ts';
import { personaCitizens, personaEnterprises } from '../../src/sandbox/personas.ts';
import { citizens, enterprises } from '../../src/sandbox/province.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway, type AskOptions } from '../helpers/gateway.ts';
import { openSeal, readLog } from '../helpers/open-seal.ts';
import { absentCitizen, absentEnterprise, checkBeside, checkLeaf, checkRefusal } from '../helpers/checks.ts';

interface Result {
  id: string;
  status: string;
  record?: Record<string, unknown>;
}

const test = await startGateway(t);
await test.token('civil-affairs');
const taxation = { token: await test.token('taxation'), purpose: 'tax-assessment' };
const province = { seed: 7, citizens: 300, enterprises: 60 };
const people = [...citizens(province)];
const shops = [...enterprises(province)];
const [wife, husband, , , old] = personaCitizens;
const [company] = personaEnterprises;

/** Ids that are well formed and in no register. */
function strangers(count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const first17 = `99990119900101${String(i).padStart(3, '0')}`;
    return first17 + residentIdCheck(first17);
  }).filter((id) => people.every((one) => one.id !== id));
}

function batch(
  body: unknown,
  options: AskOptions = {},
  dataset = 'citizens',
): Promise<LightMyRequestResponse> {
  return test.ask('batch', dataset, body, options);
}

await t.test('answers each id in the order asked: found, absent or invalid', async (t) => {
  // Half of a pair of surrogates is no text that could be sent as UTF-8; JSON escapes it.
  const nobodies = ['a\u0000', '\ud800', '𠮷\udfb7'];
  const ids = [old!.id, 'nobody', absentCitizen, wife!.id, '99990119880412002X', old!.id, ...nobodies];
  const response = await batch({ ids, fields: ['name', 'phone'] });
  t.equal(response.statusCode, 200);
  t.equal(
    response.body,
    JSON.stringify({
      results: [
        { id: old!.id, status: 'found', record: { name: old!.name, phone: null } },
        { id: 'nobody', status: 'invalid' },
        { id: absentCitizen, status: 'absent' },
        { id: wife!.id, status: 'found', record: { name: wife!.name, phone: '120****0001' } },
        { id: '99990119880412002X', status: 'invalid' },
        { id: old!.id, status: 'found', record: { name: old!.name, phone: null } },
        ...nobodies.map((id) => ({ id, status: 'invalid' })),
      ],
    }),
  );
  t.equal(response.headers['exchange-masked'], 'phone');
  t.equal(response.headers['cache-control'], 'no-store');
  t.match(response.headers['exchange-salt'], /^[A-Za-z0-9+/]{43}=$/);
  const entry = await test.entryOf(response);
  t.match(entry, {
    kind: 'exchange',
    operation: 'batch',
    outcome: 'released',
    records: 3,
    fields: ['name', 'phone'],
    purpose: 'marriage-registration',
  });
  t.equal((entry.subjects as string[]).length, 3, 'whoever could be somebody is a subject, once');
  t.same(await openedIds(response), [old!.id, absentCitizen, wife!.id]);
  await checkLeaf(t, test, response);
});

/** The plain ids of an answer's entry, as the audit office opens them. */
async function openedIds(response: LightMyRequestResponse): Promise<string[]> {
  return openSeal(await readLog(test.pool), await test.entryOf(response)).split('\n');
}

await t.test('answers all that is granted when no fields are named', async (t) => {
  const response = await batch({ ids: [wife!.id] });
  const read = await test.read('citizens', { id: wife!.id });
  t.equal(
    response.body,
    `{"results":[{"id":"${wife!.id}","status":"found","record":${read.body}}]}`,
    'the record as a read has it',
  );
});

await t.test('takes a thousand ids in one exchange, each of them findable in the log', async (t) => {
  const known = people.map(({ id }) => id);
  const ids = [...known, ...strangers(1000)].slice(0, 1000);
  const response = await batch({ ids, fields: ['id', 'name'] });
  t.equal(response.statusCode, 200);
  const { results } = response.json<{ results: Result[] }>();
  t.same(
    results.map(({ id }) => id),
    ids,
  );
  t.same(
    results.slice(0, known.length).map(({ record }) => record),
    people.map(({ id, name }) => ({ id, name })),
  );
  t.equal(results.filter(({ status }) => status === 'absent').length, 1000 - known.length);
  const entry = await test.entryOf(response);
  t.match(entry, { records: known.length, outcome: 'released' });
  t.equal(new Set(entry.subjects as string[]).size, 1000);

  const auditor = await test.token('audit-office', ['audit']);
  for (const subject of [ids[0]!, ids[299]!, ids[999]!]) {
    const search = await test.app.inject({
      method: 'POST',
      url: '/v1/audit/entries/search',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${auditor}`,
        'exchange-official': 'auditor-1',
      },
      payload: { dataset: 'citizens', subject, limit: 1 },
    });
    const { items } = search.json<{ items: { index: number }[] }>();
    t.equal(items[0]?.index, Number(response.headers['exchange-entry']), 'by each subject');
  }
});

await t.test('enters a batch that finds nobody as absent, with the body that says so', async (t) => {
  const response = await batch({ ids: [absentCitizen], fields: ['name'] });
  t.equal(response.body, `{"results":[{"id":"${absentCitizen}","status":"absent"}]}`);
  const entry = await test.entryOf(response);
  t.match(entry, { outcome: 'absent', records: 0, body: /^[\w-]{43}$/ });
  t.ok(response.headers['exchange-salt']);
});

await t.test('puts the citizens whom enterprises name among the subjects when it names them', async (t) => {
  const ids = [company!.id, absentEnterprise];
  const named = await batch({ ids, fields: ['name', 'legal_representative_id'] }, taxation, 'enterprises');
  t.equal(
    named.json<{ results: Result[] }>().results[0]!.record!.legal_representative_id,
    '999901***********0',
  );
  const plain = [...ids, company!.legal_representative_id!];
  t.same(await openedIds(named), plain);
  const byName = await batch({ ids, fields: ['legal_representative'] }, taxation, 'enterprises');
  const [result] = byName.json<{ results: Result[] }>().results;
  t.strictSame(result!.record, { legal_representative: company!.legal_representative });
  t.same(await openedIds(byName), plain);
  const unnamed = await batch({ ids, fields: ['name', 'status'] }, taxation, 'enterprises');
  t.same(await openedIds(unnamed), ids);
});

await t.test('refuses more than an entry has room for, and names the limit', async (t) => {
  const dataset = test.gateway.catalogue.findNewest('enterprises')!;
  const limit = batchLimit(dataset, ['name', 'legal_representative_id']);
  t.equal(batchLimit(dataset, ['name']), 1000);
  t.ok(limit > 400 && limit < 600);
  const ids = Array.from({ length: limit + 1 }, (_, i) => shops[i % shops.length]!.id);
  const fields = ['name', 'legal_representative_id'];
  const response = await batch(
    { ids, fields },
    { ...taxation, headers: { 'accept-language': 'en' } },
    'enterprises',
  );
  const { problem } = await checkRefusal(t, test, response, {
    status: 400,
    code: 'invalid-request',
    subject: true,
    operation: 'batch',
  });
  t.match(problem.detail, new RegExp(`at most ${limit} ids`));
  t.match(problem.errors, [{ pointer: '#/ids', detail: new RegExp(String(limit)) }]);
  t.equal((await batch({ ids: ids.slice(1), fields }, taxation, 'enterprises')).statusCode, 200);
});

await t.test('refuses what is no batch, on the record', async (t) => {
  const ids = [wife!.id];
  const many = Array.from({ length: 1001 }, () => wife!.id);
  const cases: [does: string, code: string, body: unknown, subject: boolean, pointer?: string][] = [
    ['more than a thousand ids', 'invalid-request', { ids: many }, false, '#/ids'],
    ['no id', 'invalid-request', { ids: [] }, false, '#/ids'],
    ['ids that are no list', 'invalid-request', { ids: wife!.id }, false, '#/ids'],
    ['an id that is no text', 'invalid-request', { ids: [7] }, false, '#/ids/0'],
    ['an id longer than any', 'invalid-request', { ids: ['9'.repeat(65)] }, false, '#/ids/0'],
    ['a single id', 'invalid-request', { id: wife!.id }, false],
    ['a field that is not there', 'unknown-field', { ids, fields: ['salary'] }, true, '#/fields/0'],
    ['a field that is not granted', 'field-not-granted', { ids, fields: ['name', 'ethnicity'] }, true],
  ];
  for (const [does, code, body, subject, pointer] of cases)
    await t.test(does, async (t) => {
      const status = code === 'field-not-granted' ? 403 : 400;
      const response = await batch(body, { headers: { 'accept-language': 'en' } });
      const { problem, entry } = await checkRefusal(t, test, response, {
        status,
        code,
        subject,
        operation: 'batch',
      });
      if (pointer !== undefined) t.equal(problem.errors?.[0]?.pointer, pointer);
      if (body !== null && (body as { ids: unknown }).ids === many)
        t.match(problem.errors, [{ detail: /1000/ }], 'the limit is named');
      if (subject) t.equal((entry.subjects as string[]).length, 1);
      t.notOk(response.body.includes(wife!.id));
    });
});

await t.test('refuses whom it does not serve as a read does', async (t) => {
  const body = { ids: [wife!.id, husband!.id] };
  const cases: [code: string, status: number, options: AskOptions][] = [
    ['scope-missing', 403, { token: await test.token('audit-office', ['audit']) }],
    ['purpose-required', 400, { purpose: null }],
    ['purpose-unknown', 400, { purpose: 'gossip' }],
    ['case-required', 400, { purpose: 'social-assistance' }],
    ['official-required', 400, { purpose: 'social-assistance', headers: { 'exchange-case': '1' } }],
    ['purpose-not-granted', 403, { purpose: 'tax-assessment' }],
    ['grant-suspended', 403, taxation],
    ['grant-expired', 403, { token: await test.token('human-resources'), purpose: 'social-insurance' }],
    ['no-grant', 403, { token: await test.token('public-security') }],
  ];
  for (const [code, status, options] of cases) {
    const response = await batch(body, options);
    const { entry } = await checkRefusal(t, test, response, {
      status,
      code,
      subject: true,
      operation: 'batch',
    });
    t.equal((entry.subjects as string[]).length, 2, `${code}: whom it asked for is known`);
  }
  for (const token of [null, 'x.y.z'])
    await checkBeside(t, test, () => batch(body, { token }), {
      status: 401,
      code: token === null ? 'token-missing' : 'token-invalid',
    });
});

await t.test('refuses an answer that would be larger than what is held in memory', async (t) => {
  const hr = await test.token('human-resources');
  await test.grant({
    consumer: 'human-resources',
    dataset: 'enterprises',
    fields: ['business_scope', 'address'],
    purposes: ['social-insurance'],
  });
  const { id } = shops[3]!;
  // Control characters take six bytes each in JSON: only a table that was filled by hand can hold them.
  await test.pool.query('update store.enterprises set business_scope = $1 where id = $2', [
    '\u0001'.repeat(1000),
    id,
  ]);
  const asked = (count: number): ReturnType<typeof batch> =>
    batch(
      { ids: Array.from({ length: count }, () => id), fields: ['business_scope'] },
      { token: hr, purpose: 'social-insurance', headers: { 'accept-language': 'en' } },
      'enterprises',
    );
  t.equal((await asked(650)).statusCode, 200);
  const { problem } = await checkRefusal(t, test, await asked(750), {
    status: 400,
    code: 'invalid-request',
    subject: true,
    operation: 'batch',
  });
  t.match(problem.detail, /4 MiB/);
});

await t.test('refuses what its entry would be too large for, by an entry that fits', async (t) => {
  const token = await test.token('public-security');
  await test.pool.query(
    `insert into registry.grant (id, consumer, dataset, provider, fields, purposes, status, valid_from, valid_until)
     select gen_random_uuid(), 'public-security', 'citizens', 'public-security', '{name}', '{tax-assessment}', 'active',
            '2000-01-01', '2100-01-01' from generate_series(1, 700)`,
  );
  await test.gateway.exchanges.authority.refresh();
  const options = { token, purpose: 'tax-assessment' };
  const ids = [...people.map(({ id }) => id), ...strangers(1000)].slice(0, 1000);
  await checkRefusal(t, test, await batch({ ids, fields: ['name'] }, options), {
    status: 400,
    code: 'invalid-request',
    subject: true,
    operation: 'batch',
  });
  t.equal((await batch({ ids: ids.slice(0, 300), fields: ['name'] }, options)).statusCode, 200);
});

await t.test('takes eight at a time, says of more that it is overloaded, and goes on', async (t) => {
  const ids = people.slice(0, 200).map(({ id }) => id);
  const answers = await Promise.all(
    Array.from({ length: 24 }, (_, i) => batch({ ids, fields: ['name'] }, { version: 1 + (i % 2) })),
  );
  const refused = answers.filter(({ statusCode }) => statusCode !== 200);
  t.equal(answers.length - refused.length, 8);
  t.equal(refused.length, 16);
  for (const response of refused) {
    t.equal(response.statusCode, 503);
    t.match(response.json(), { code: 'overloaded' });
    t.match(response.headers['retry-after'], /^\d+$/);
    t.notOk(response.headers['exchange-entry'], 'beside the log');
  }
  t.equal((await batch({ ids, fields: ['name'] })).statusCode, 200, 'a place is free again');
  const single = await Promise.all(
    Array.from({ length: 20 }, () => test.read('citizens', { id: wife!.id, fields: ['name'] })),
  );
  t.ok(
    single.every(({ statusCode }) => statusCode === 200),
    'reads of single records are not counted',
  );
});

await t.test('has every batch in a log that is whole', async (t) => {
  const entries = await checkAuditLog(t, test);
  t.ok(entries.filter(({ operation }) => operation === 'batch').length > 30);
});
