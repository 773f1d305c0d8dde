import { generateKeyPairSync, randomUUID, sign, type KeyObject } from 'node:crypto';
import type { LightMyRequestResponse } from 'fastify';
import t, { type Test } from 'tap';
import { type Entry } from '../../../src/audit/entry.ts';
import { deriveLogSecrets, subjectRef } from '../../../src/audit/subjects.ts';
import { readIndexLag } from '../../../src/audit/search/index-stage.ts';
import { residentIdCheck } from '../../../src/catalogue/formats.ts';
import type { Disclosure } from '../../../src/routes/disclosures/disclosures.ts';
import { addPurpose } from '../../../src/grants/purposes.ts';
import { removeProvider, setProvider } from '../../../src/identity/identity-providers.ts';
import { personaCitizens, personaEnterprises } from '../../../src/sandbox/personas.ts';
import { readLog, type LogEntry } from '../../helpers/open-seal.ts';
import { newLeaf, readVersion } from '../../helpers/log.ts';
import { until } from '../../helpers/until.ts';
import { checkProblem } from '../../helpers/checks.ts';
import { createJudge, type Document } from '../../helpers/openapi-document.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { actor, issuer, keys } from '../../helpers/keys.ts';

const test = await startGateway(t);
const idp = 'https://login.example';
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'login-1' };
await setProvider(test.database, actor, { issuer: idp, keySet: JSON.stringify({ keys: [jwk] }) });
await test.gateway.exchanges.authority.refresh();
const [ada, bob] = personaCitizens.map(({ id }) => id) as [string, string];
const enterprise = personaEnterprises[0]!;
const representative = enterprise.legal_representative_id!;
const judge = createJudge((await test.app.inject({ url: '/openapi/v1.json' })).json<Document>());

interface Login {
  key?: KeyObject;
  header?: object;
  claims?: object;
}

/** The login of a subject, as its identity provider asserts it. */
function login(id: string, { key = privateKey, header, claims }: Login = {}, dataset = 'citizens'): string {
  const iat = Math.floor(test.clock.now().getTime() / 1000);
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const said = { iss: idp, aud: issuer, sub: id, dataset, iat, exp: iat + 120, jti: randomUUID(), ...claims };
  const signed = `${encode({ alg: 'ES256', kid: 'login-1', typ: 'JWT', ...header })}.${encode(said)}`;
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

async function look(
  body: object,
  headers: Record<string, string> = { 'exchange-official': 'self-service' },
  token?: string,
): Promise<LightMyRequestResponse> {
  const authorization = `Bearer ${token ?? (await test.token('service-portal', ['disclose']))}`;
  return test.app.inject({
    method: 'POST',
    url: '/v1/disclosures',
    headers: { authorization, 'accept-language': 'en', ...headers },
    payload: body,
  });
}

/** What a subject who has logged in sees. */
async function shown(id: string, dataset = 'citizens'): Promise<Disclosure[]> {
  const answer = await look({ dataset, id, assertion: login(id, {}, dataset) });
  if (answer.statusCode !== 200) throw new Error(answer.body);
  judge.checkAnswer(t, 'listDisclosures', answer);
  return answer.json<{ items: Disclosure[] }>().items;
}

const idOf = (answer: LightMyRequestResponse): string => String(answer.headers['exchange-id']);

await t.test('shows who asked, when, for what, which fields and with what outcome', async (t) => {
  t.strictSame(await shown(ada), [], 'nobody yet');
  const headers = { 'exchange-case': 'HY-77', 'exchange-official': 'li-secret' };
  const read = await test.read('citizens', { id: ada, fields: ['name', 'birth_date'] }, { headers });
  t.equal(read.statusCode, 200);
  const answer = await look({ dataset: 'citizens', id: ada, assertion: login(ada) });
  t.equal(answer.headers['cache-control'], 'no-store');
  const [one, ...more] = answer.json<{ items: Disclosure[] }>().items;
  t.strictSame(more, []);
  t.match(one, {
    id: idOf(read),
    time: test.clock.now().toISOString(),
    department: { code: 'civil-affairs', title: { zh: /./, en: /./ } },
    dataset: { code: 'citizens' },
    operation: 'read',
    purpose: { code: 'marriage-registration', title: { zh: '婚姻登记', en: 'Marriage registration' } },
    fields: [{ code: 'birth_date' }, { code: 'name', title: { zh: '姓名' } }],
    outcome: 'released',
    refusal: null,
  });
  for (const secret of ['HY-77', 'li-secret', ada, read.json<{ name: string }>().name])
    t.notOk(answer.body.includes(secret), 'no case, official, id or value');
});

await t.test('shows refusals, verifications, and those who were not found', async (t) => {
  const refused = await test.read('citizens', { id: bob, fields: ['name', 'ethnicity'] });
  t.equal(refused.statusCode, 403);
  const verified = await test.ask('verify', 'citizens', { id: bob, claims: { name: 'x' } });
  t.equal(verified.statusCode, 200);
  t.match(await shown(bob), [
    { id: idOf(verified), operation: 'verify', fields: [{ code: 'name' }] },
    {
      id: idOf(refused),
      outcome: 'refused',
      refusal: { code: 'field-not-granted', title: { en: 'Some fields are not granted' } },
    },
  ]);
  const nobody = '999901199001010096';
  const absent = await test.read('citizens', { id: nobody });
  t.equal(absent.statusCode, 404);
  t.match(await shown(nobody), [{ id: idOf(absent), outcome: 'absent' }]);
});

await t.test('shows a batch to each of its people, and nobody to another', async (t) => {
  const ids = personaCitizens.map(({ id }) => id);
  const batch = await test.ask('batch', 'citizens', { ids, fields: ['name'] });
  t.equal(batch.statusCode, 200);
  for (const id of ids) {
    const answer = await look({ dataset: 'citizens', id, assertion: login(id) });
    const [newest] = answer.json<{ items: Disclosure[] }>().items;
    t.match(newest, { id: idOf(batch), operation: 'batch' });
    for (const other of ids) t.notOk(answer.body.includes(other));
  }
});

await t.test('shows a legal representative the reads of the enterprise that name them', async (t) => {
  const token = await test.token('taxation');
  const asked = { purpose: 'tax-assessment', token };
  const read = await test.read('enterprises', { id: enterprise.id }, asked);
  t.equal(read.statusCode, 200);
  const [newest] = await shown(representative);
  t.match(newest, { id: idOf(read), dataset: { code: 'enterprises' }, department: { code: 'taxation' } });
  const [own] = await shown(enterprise.id, 'enterprises');
  t.equal(own!.id, idOf(read), 'and the enterprise itself');
  const fields = ['legal_representative'];
  const byName = await test.read('enterprises', { id: enterprise.id, fields }, asked);
  t.equal((await shown(representative))[0]!.id, idOf(byName), 'also where the name alone was released');
  const other = await test.read('enterprises', { id: enterprise.id, fields: ['status'] }, asked);
  t.not((await shown(representative))[0]!.id, idOf(other));
});

await t.test('shows those whom the answer hid', async (t) => {
  const found = await test.ask('search', 'citizens', {
    where: { name: personaCitizens[0]!.name },
    fields: ['name'],
  });
  t.equal(found.statusCode, 200, found.body);
  t.notOk(found.body.includes(ada));
  const [newest] = await shown(ada);
  t.match(newest, { id: idOf(found), operation: 'search' });
});

await t.test('withholds a confidential purpose for its days, and tells auditors how many', async (t) => {
  const code = 'fraud-inquiry';
  await addPurpose(test.database, actor, {
    code,
    title: { en: 'Inquiry', zh: '调查' },
    legal_basis: '刑事诉讼法',
    requires: [],
    confidential_days: 3,
  });
  await test.grant({ consumer: 'civil-affairs', dataset: 'citizens', fields: ['name'], purposes: [code] });
  const before = await shown(ada);
  const inquiry = await test.read('citizens', { id: ada, fields: ['name'] }, { purpose: code });
  t.equal(inquiry.statusCode, 200);
  const plain = await test.read('citizens', { id: ada, fields: ['name'] });
  const after = await shown(ada);
  t.strictSame(
    after.map(({ id }) => id),
    [idOf(plain), ...before.map(({ id }) => id)],
    'nothing tells of it',
  );
  const newest = (await readLog(test.pool)).at(-1)!;
  t.match(newest, {
    kind: 'query',
    operation: 'disclosure',
    outcome: 'done',
    records: after.length,
    subjects: [subjectRef(deriveLogSecrets(keys.logSecret), 'citizens', ada)],
    details: {
      department: 'service-portal',
      assertion: 'proven',
      identity_provider: idp,
      shown: after.length,
      withheld: 1,
    },
  });
  test.clock.advance(3 * 24 * 60 * 60 * 1000 - 1);
  t.notOk((await shown(ada)).some(({ id }) => id === idOf(inquiry)));
  test.clock.advance(1);
  t.ok((await shown(ada)).some(({ id, purpose }) => id === idOf(inquiry) && purpose!.code === code));
});

/** An id that nobody has, nor asked for. */
function stranger(first15: string): string {
  return `${first15}99${residentIdCheck(`${first15}99`)}`;
}

/** Entries about a subject that no gateway has written, at its own time. */
async function plant(id: string, entries: Partial<Entry>[]): Promise<void> {
  const subjects = [subjectRef(deriveLogSecrets(keys.logSecret), 'citizens', id)];
  const leaves = entries.map((entry) => newLeaf({ time: test.clock.now(), subjects, ...entry }));
  await test.pool.query('select audit.append($1, $2, $3)', [
    await readVersion(test),
    leaves.map(({ bytes }) => bytes),
    leaves.map(({ hash }) => hash),
  ]);
}
const exchange = { consumer: 'taxation', dataset: 'citizens', version: 1, operation: 'read' } as const;

await t.test('tells nothing by its pages of what is withheld before, between and after', async (t) => {
  const carol = stranger('999901197707079');
  const secret = { ...exchange, purpose: 'not-in-the-registry' };
  const open = { ...exchange, purpose: 'tax-assessment' };
  await plant(carol, [secret, secret, open, secret, open, secret]);
  for (const indexed of [false, true]) {
    if (indexed) await until('all is indexed', async () => (await readIndexLag(test.pool)).entries === 0);
    t.equal((await shown(carol)).length, 2);
    t.match((await readLog(test.pool)).at(-1), { details: { shown: 2, withheld: 4 } });
    const assertion = login(carol);
    const first = await look({ dataset: 'citizens', id: carol, limit: 1, assertion });
    const { next } = first.json<{ next: string }>();
    t.match((await readLog(test.pool)).at(-1), { details: { shown: 1, withheld: 1 } });
    const second = await look({ dataset: 'citizens', id: carol, limit: 1, after: next, assertion });
    t.match(second.json(), { items: [{ operation: 'read' }], next: null });
    t.match((await readLog(test.pool)).at(-1), { details: { shown: 1, withheld: 3 } });
  }
});

await t.test(
  'shows exchanges however many looks there were, and passes over what no gateway wrote',
  async (t) => {
    const dave = stranger('999901197707078');
    await plant(dave, [{ ...exchange, purpose: 'tax-assessment' }]);
    await plant(
      dave,
      Array.from({ length: 2500 }, () => ({ kind: 'query', operation: 'disclosure' }) as const),
    );
    await plant(dave, [
      { ...exchange, fields: 'x' as unknown as string[] },
      { ...exchange, operation: undefined },
    ]);
    const answer = await look({ dataset: 'citizens', id: dave, assertion: login(dave) });
    t.match(answer.json(), { items: [{ department: { code: 'taxation' } }], next: null });
  },
);

await t.test('pages by sealed cursors', async (t) => {
  const all = await shown(ada);
  const seen: string[] = [];
  const assertion = login(ada);
  for (let after: string | null = null; ;) {
    const answer = await look({ dataset: 'citizens', id: ada, limit: 1, after, assertion });
    const page: { items: Disclosure[]; next: string | null } = answer.json();
    seen.push(...page.items.map(({ id }) => id));
    if (page.next === null) break;
    after = page.next;
    const others = { dataset: 'citizens', id: bob, after, assertion: login(bob) };
    checkProblem(t, await look(others), { status: 400, code: 'invalid-request' });
  }
  t.strictSame(
    seen,
    all.map(({ id }) => id),
  );
});

async function checkRefused(t: Test, body: object, pointer: string): Promise<LogEntry> {
  const answer = await look(body);
  const problem = checkProblem(t, answer, { status: 400, code: 'invalid-request' });
  t.equal((problem as unknown as { errors: { pointer: string }[] }).errors[0]!.pointer, pointer);
  return (await readLog(test.pool)).at(-1)!;
}

await t.test('takes the login of nobody but the subject, once, from a registered provider', async (t) => {
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const seconds = Math.floor(test.clock.now().getTime() / 1000);
  const used = login(ada);
  t.equal((await look({ dataset: 'citizens', id: ada, assertion: used })).statusCode, 200);
  const faults: [string, string | undefined][] = [
    ['missing', undefined],
    ['malformed', 'no.jwt'],
    ['malformed', login(ada, { claims: { jti: undefined } })],
    ['issuer', login(ada, { claims: { iss: 'https://other.example' } })],
    ['signature', login(ada, { key: other })],
    ['signature', login(ada, { header: { kid: 'login-2' } })],
    ['signature', login(ada, { header: { alg: 'none' } })],
    ['signature', login(ada, { header: { alg: 'HS256' } })],
    ['audience', login(ada, { claims: { aud: 'https://other.example' } })],
    ['expired', login(ada, { claims: { exp: seconds } })],
    ['expired', login(ada, { claims: { exp: seconds + 3600 } })],
    ['expired', login(ada, { claims: { iat: seconds + 600, exp: seconds + 700 } })],
    ['subject', login(bob)],
    ['subject', login(ada, { claims: { dataset: 'enterprises' } })],
    ['used', used],
  ];
  for (const [fault, assertion] of faults) {
    const entry = await checkRefused(t, { dataset: 'citizens', id: ada, assertion }, '#/assertion');
    t.match(entry, { operation: 'disclosure', outcome: 'refused', details: { assertion: fault } }, fault);
  }
  await removeProvider(test.database, actor, idp);
  await test.gateway.exchanges.authority.refresh();
  await checkRefused(t, { dataset: 'citizens', id: ada, assertion: login(ada) }, '#/assertion');
  await setProvider(test.database, actor, { issuer: idp, keySet: JSON.stringify({ keys: [jwk] }) });
  await test.gateway.exchanges.authority.refresh();
  t.ok((await shown(ada)).length > 0);
});

await t.test('refuses who may not show disclosures, and what it does not know', async (t) => {
  for (const role of ['exchange', 'provide', 'audit', 'admin']) {
    const token = await test.token('civil-affairs', [role]);
    const answer = await look({ dataset: 'citizens', id: ada, assertion: login(ada) }, undefined, token);
    checkProblem(t, answer, { status: 403, code: 'scope-missing' });
  }
  checkProblem(t, await look({ dataset: 'citizens', id: ada }, {}), {
    status: 400,
    code: 'official-required',
  });
  checkProblem(t, await look({ dataset: 'citizens', id: 'x' }), { status: 400, code: 'invalid-id' });
  for (const body of [
    { dataset: 'vehicles', id: ada },
    { id: ada },
    { dataset: 'citizens', id: ada, more: 1 },
  ])
    checkProblem(t, await look(body), { status: 400, code: 'invalid-request' });
});

await t.test('in the sandbox the word of the portal is enough, and the entry says so', async (t) => {
  const sandbox = await startGateway(t, { config: { embedded: true }, database: test });
  const token = await sandbox.token('service-portal', ['disclose']);
  const ask = (body: object) =>
    sandbox.app.inject({
      method: 'POST',
      url: '/v1/disclosures',
      headers: { authorization: `Bearer ${token}`, 'exchange-official': 'self-service' },
      payload: body,
    });
  t.equal((await ask({ dataset: 'citizens', id: ada })).statusCode, 200);
  t.match((await readLog(test.pool)).at(-1), { details: { assertion: 'portal' } });
  const wrong = await ask({ dataset: 'citizens', id: ada, assertion: login(bob) });
  t.equal(wrong.statusCode, 400, 'but a login that is there has to be right');
});

await t.test('takes the code of an enterprise given before there was a check digit', async (t) => {
  const early = `${enterprise.id.slice(0, 17)}${enterprise.id.endsWith('0') ? '1' : '0'}`;
  t.strictSame(await shown(early, 'enterprises'), []);
});

await t.test('leaves a whole log behind all of that, which the search tables take', async (t) => {
  const entries = await checkAuditLog(t, test);
  await until('the search tables hold all', async () => {
    const { rows } = await test.pool.query<{ mark: number }>('select audit.indexed() as mark');
    return rows[0]!.mark >= entries.length;
  });
});
