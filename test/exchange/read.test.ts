import t from 'tap';
import { createHash, createHmac, hkdfSync } from 'node:crypto';
import { deriveLogSecrets, subjectRef } from '../../src/audit/subjects.ts';
import { personaCitizens, personaEnterprises } from '../../src/sandbox/personas.ts';
import { inVersion1 } from '../helpers/version-1.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway } from '../helpers/gateway.ts';
import { keys } from '../helpers/keys.ts';
import { absentCitizen, checkLeaf, checkProblem } from '../helpers/checks.ts';

const [wife, , dead, child, old] = personaCitizens.map(inVersion1);
const ordinary = wife!;
const test = await startGateway(t);
await test.token('civil-affairs');

await t.test('answers a read with exactly the fields asked for, in their order', async (t) => {
  const response = await test.read('citizens', { id: ordinary.id, fields: ['birth_date', 'name'] });
  t.equal(response.statusCode, 200);
  t.equal(response.body, JSON.stringify({ birth_date: ordinary.birth_date, name: ordinary.name }));
  t.equal(response.headers['content-type'], 'application/json; charset=utf-8');
  t.equal(response.headers['cache-control'], 'no-store');
  t.notOk(response.headers['content-encoding']);
  t.notOk(response.headers['exchange-masked']);

  const entry = await test.entryOf(response);
  t.match(entry, {
    format: 'onevisit-entry/1',
    kind: 'exchange',
    id: response.headers['exchange-id'],
    time: test.clock.now().toISOString(),
    consumer: 'civil-affairs',
    client: /^civil-affairs-/,
    provider: 'public-security',
    dataset: 'citizens',
    version: 1,
    operation: 'read',
    purpose: 'marriage-registration',
    fields: ['birth_date', 'name'],
    outcome: 'released',
    records: 1,
  });
  t.equal((entry.grants as string[]).length, 1);
  for (const member of ['code', 'case', 'official', 'trace_id', 'details'])
    t.notOk(Object.hasOwn(entry, member), `no ${member} where there is none`);
  await checkLeaf(t, test, response);
});

await t.test('names the subject by its keyed hash alone', async (t) => {
  const response = await test.read('citizens', { id: ordinary.id });
  const entry = await test.entryOf(response);
  const subjectKey = Buffer.from(hkdfSync('sha256', keys.logSecret, '', 'onevisit/subject', 32));
  const mac = createHmac('sha256', subjectKey).update(`citizens\0${ordinary.id}`).digest();
  t.same(entry.subjects, [mac.subarray(0, 16).toString('base64url')]);
  t.equal(Buffer.from(entry.sealed as string, 'base64url').length, 12 + ordinary.id.length + 16);
  for (const secret of [ordinary.id, ordinary.name, ordinary.phone!])
    t.notOk(JSON.stringify(entry).includes(secret), 'the entry holds no personal data in the clear');
});

await t.test('binds the body to its entry by the salt that only the consumer gets', async (t) => {
  const response = await test.read('citizens', { id: ordinary.id });
  const salt = Buffer.from(response.headers['exchange-salt'] as string, 'base64');
  const saltKey = Buffer.from(hkdfSync('sha256', keys.logSecret, '', 'onevisit/salt', 32));
  const id = response.headers['exchange-id'] as string;
  t.same(salt, createHmac('sha256', saltKey).update(id).digest());
  const commitment = createHash('sha256')
    .update('onevisit-body/1\0')
    .update(salt)
    .update(response.rawPayload);
  t.equal((await test.entryOf(response)).body, commitment.digest('base64url'));
});

await t.test('answers all that is granted for the purpose when no fields are named', async (t) => {
  const response = await test.read('citizens', { id: ordinary.id });
  t.equal(
    response.body,
    JSON.stringify({
      id: ordinary.id,
      name: ordinary.name,
      sex: ordinary.sex,
      birth_date: ordinary.birth_date,
      household_address: `${Array.from(ordinary.household_address!).slice(0, 9).join('')}${'*'.repeat(
        Array.from(ordinary.household_address!).length - 9,
      )}`,
      phone: '120****0001',
      marital_status: 'married',
      deceased_on: null,
    }),
    'in the order of the schema, masked by level unless granted plain',
  );
  t.equal(response.headers['exchange-masked'], 'household_address, phone');
  t.same((await test.entryOf(response)).fields, [
    'birth_date',
    'deceased_on',
    'household_address',
    'id',
    'marital_status',
    'name',
    'phone',
    'sex',
  ]);
});

await t.test('answers a field named twice once, where it was named first', async (t) => {
  const response = await test.read('citizens', { id: ordinary.id, fields: ['sex', 'name', 'sex', 'name'] });
  t.equal(response.body, JSON.stringify({ sex: ordinary.sex, name: ordinary.name }));
  t.same((await test.entryOf(response)).fields, ['name', 'sex']);
});

await t.test('names only those masked fields that were asked for', async (t) => {
  const response = await test.read('citizens', { id: ordinary.id, fields: ['phone', 'name', 'id'] });
  t.equal(response.headers['exchange-masked'], 'phone');
  t.same(response.json(), { phone: '120****0001', name: ordinary.name, id: ordinary.id });
});

await t.test('masks what its grant does not give plain', async (t) => {
  const enterprise = '91999901MA00000155';
  const response = await test.read(
    'enterprises',
    { id: enterprise, fields: ['legal_representative_id', 'registered_capital'] },
    { token: await test.token('taxation'), purpose: 'tax-assessment' },
  );
  t.equal(response.body, '{"legal_representative_id":"999901***********0","registered_capital":5000000}');
  t.equal(response.headers['exchange-masked'], 'legal_representative_id');
});

await t.test(
  'puts the citizen whom an enterprise names among the subjects, where it names one',
  async (t) => {
    const taxation = { token: await test.token('taxation'), purpose: 'tax-assessment' };
    const [company] = personaEnterprises;
    const subjects = async (fields: string[]): Promise<unknown> =>
      (await test.entryOf(await test.read('enterprises', { id: company!.id, fields }, taxation))).subjects;
    const ref = (dataset: string, id: string, hidden = false): string =>
      subjectRef(deriveLogSecrets(keys.logSecret), dataset, id, hidden);
    const itself = ref('enterprises', company!.id);
    t.same(await subjects(['name', 'legal_representative_id']), [
      itself,
      ref('citizens', company!.legal_representative_id!, true),
    ]);
    t.same(
      await subjects(['name', 'legal_representative']),
      [itself, ref('citizens', company!.legal_representative_id!, true)],
      'for a name alone too, which does not tell the id',
    );
    t.same(await subjects(['name', 'status']), [itself], 'not where it is not told');
    const { rows } = await test.pool.query<{ id: string }>(
      'update store.enterprises set legal_representative_id = null where id <> $1 returning id',
      [company!.id],
    );
    const { id } = rows[0]!;
    const unknown = await test.read('enterprises', { id, fields: ['legal_representative_id'] }, taxation);
    t.same((await test.entryOf(unknown)).subjects, [ref('enterprises', id)], 'nor where none is known');
  },
);

await t.test('answers null for what the register does not know', async (t) => {
  const response = await test.read('citizens', { id: child!.id, fields: ['phone', 'marital_status'] });
  t.equal(response.body, '{"phone":null,"marital_status":null}');
});

await t.test('answers the record of a man who died, with the day', async (t) => {
  const response = await test.read('citizens', { id: dead!.id, fields: ['name', 'deceased_on'] });
  t.equal(response.body, JSON.stringify({ name: dead!.name, deceased_on: '2024-02-29' }));
});

await t.test('answers a name outside the Basic Multilingual Plane whole', async (t) => {
  const response = await test.read('citizens', { id: old!.id, fields: ['name'] });
  t.equal(response.rawPayload.toString('utf8'), JSON.stringify({ name: old!.name }));
  t.equal(Array.from(response.json<{ name: string }>().name).length, 4);
  t.equal(Number(response.headers['content-length']), response.rawPayload.length);
});

await t.test('enters the read of an id that no register has as absent', async (t) => {
  const response = await test.read('citizens', { id: absentCitizen, fields: ['name'] });
  const problem = checkProblem(t, response, { status: 404, code: 'record-absent' });
  t.notOk(JSON.stringify(problem).includes(absentCitizen), 'the problem does not repeat the id');
  const entry = await test.entryOf(response);
  t.match(entry, { outcome: 'absent', records: 0, fields: ['name'], purpose: 'marriage-registration' });
  t.equal((entry.grants as string[]).length, 1);
  t.equal((entry.subjects as string[]).length, 1);
  t.ok(entry.sealed);
  for (const member of ['body', 'code'])
    t.notOk(Object.hasOwn(entry, member), `an absent record's entry has no ${member}`);
  await checkLeaf(t, test, response);
});

await t.test('gives every exchange an id, an entry and a salt of its own', async (t) => {
  const answers = [
    await test.read('citizens', { id: ordinary.id, fields: ['name'] }),
    await test.read('citizens', { id: ordinary.id, fields: ['name'] }),
  ];
  t.equal(answers[0]!.body, answers[1]!.body);
  for (const name of ['exchange-id', 'exchange-entry', 'exchange-leaf', 'exchange-salt'])
    t.not(answers[0]!.headers[name], answers[1]!.headers[name], name);
});

await t.test('has every exchange in a log that is whole', async (t) => {
  const entries = await checkAuditLog(t, test);
  const exchanges = entries.filter((entry) => entry.kind === 'exchange');
  t.equal(exchanges.length, 17);
});
