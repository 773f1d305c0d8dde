import t from 'tap';
import { checkProblem } from '../../helpers/checks.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { countEntries } from '../../helpers/log.ts';
import {
  admin,
  auditor,
  consumer,
  onceBy,
  portal,
  provider,
  startGoverning,
} from '../../helpers/governing.ts';

const test = await startGoverning(t);
const { judge } = test;
const purpose = {
  code: 'housing-subsidy',
  title: { zh: '住房补贴', en: 'Housing subsidy' },
  legal_basis: '公共租赁住房管理办法 第七条',
  requires: ['official', 'case'],
  confidential_days: 30,
};

await t.test('registers a purpose, with its entry, for whoever administers', async (t) => {
  const answer = await test.post(admin, '/v1/purposes', purpose, {
    headers: { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' },
  });
  t.equal(answer.statusCode, 201);
  judge.checkAnswer(t, 'addPurpose', answer);
  t.same(answer.json(), { ...purpose, requires: ['case', 'official'] });
  const { client, time, ...entry } = await test.entryOf(answer);
  t.match(client, /^data-bureau-/);
  t.equal(time, test.clock.now().toISOString());
  t.strictSame(entry, {
    format: 'onevisit-entry/1',
    id: answer.headers['exchange-id'],
    kind: 'purpose',
    operation: 'purpose-add',
    consumer: 'data-bureau',
    official: { id: 'clerk-1', proof: 'asserted' },
    trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
    purpose: 'housing-subsidy',
    outcome: 'done',
    details: {
      title: purpose.title,
      legal_basis: purpose.legal_basis,
      requires: ['case', 'official'],
      confidential_days: 30,
    },
  });
});

await t.test('needs no official, and has defaults', async (t) => {
  const { requires: _, confidential_days: __, ...least } = purpose;
  const answer = await test.post(admin, '/v1/purposes', { ...least, code: 'least' }, { official: null });
  t.match(answer.json(), { code: 'least', requires: [], confidential_days: 0 });
  t.notOk(Object.hasOwn(await test.entryOf(answer), 'official'));
});

await t.test('lists the purposes to every client, page by page', async (t) => {
  for (const who of [consumer, provider, auditor, portal, admin]) {
    const codes: string[] = [];
    for (let after: string | null = ''; after !== null;) {
      const answer = await test.get(who, `/v1/purposes?limit=2${after && `&after=${after}`}`);
      judge.checkAnswer(t, 'listPurposes', answer);
      const page: { items: { code: string }[]; next: string | null } = answer.json();
      codes.push(...page.items.map(({ code }) => code));
      after = page.next;
    }
    t.strictSame(codes, [
      'housing-subsidy',
      'least',
      'marriage-registration',
      'social-assistance',
      'social-insurance',
      'tax-assessment',
    ]);
  }
});

await t.test('shows each purpose once, though one is registered between the pages', async (t) => {
  const page = async (after: string): Promise<{ items: { code: string }[]; next: string | null }> =>
    (await test.get(consumer, `/v1/purposes?limit=2${after}`)).json();
  const first = await page('');
  await test.post(admin, '/v1/purposes', { ...purpose, code: 'a-first-one' });
  const second = await page(`&after=${first.next}`);
  t.strictSame(
    [...first.items, ...second.items].map(({ code }) => code),
    ['housing-subsidy', 'least', 'marriage-registration', 'social-assistance'],
  );
});

await t.test('a purpose is good for a request at once', async (t) => {
  await test.grant({ consumer: 'civil-affairs', dataset: 'citizens', fields: ['name'], purposes: ['least'] });
  const answer = await test.read(
    'citizens',
    { id: '999901198804120024', fields: ['name'] },
    { purpose: 'least' },
  );
  t.equal(answer.statusCode, 200);
});

const refusals: [what: string, body: object, pointer: string][] = [
  ['a code in capitals', { ...purpose, code: 'Housing' }, '#/code'],
  ['a code that is too long', { ...purpose, code: 'h'.repeat(64) }, '#/code'],
  ["a code that holds somebody's id", { ...purpose, code: 'a-11010519491231002x' }, '#/code'],
  ['no code', { title: purpose.title, legal_basis: 'law' }, '#'],
  ['a title in one language', { ...purpose, title: { zh: '住' } }, '#/title'],
  ['a blank title', { ...purpose, code: 'new', title: { zh: ' ', en: 'x' } }, '#/title/zh'],
  [
    'a title that nobody can read',
    { ...purpose, code: 'new', title: { zh: '住', en: 'a\u0007b' } },
    '#/title/en',
  ],
  ['a legal basis with U+0000', { ...purpose, code: 'new', legal_basis: 'a\0b' }, '#/legal_basis'],
  ['half a character', { ...purpose, code: 'new', legal_basis: '\ud800' }, '#/legal_basis'],
  ['a demand that there is not', { ...purpose, requires: ['fee'] }, '#/requires/0'],
  ['half a day', { ...purpose, confidential_days: 0.5 }, '#/confidential_days'],
  ['more than a century', { ...purpose, confidential_days: 36_501 }, '#/confidential_days'],
  ['a member that there is not', { ...purpose, colour: 'red' }, '#/colour'],
];
for (const [what, body, pointer] of refusals)
  await t.test(`refuses ${what}`, async (t) => {
    const before = await countEntries(test);
    const answer = await test.post(admin, '/v1/purposes', body);
    judge.checkAnswer(t, 'addPurpose', answer);
    const { errors } = checkProblem(t, answer, { status: 400, code: 'invalid-request' });
    t.equal(errors?.[0]?.pointer, pointer);
    t.equal(await countEntries(test), before);
  });

await t.test('refuses a code that is taken, whatever else is said of it', async (t) => {
  const before = await countEntries(test);
  const answer = await test.post(admin, '/v1/purposes', { ...purpose, legal_basis: 'another' });
  judge.checkAnswer(t, 'addPurpose', answer);
  checkProblem(t, answer, { status: 409, code: 'purpose-exists' });
  t.equal(await countEntries(test), before);
});

await t.test('refuses whoever does not administer', async (t) => {
  for (const who of [consumer, provider, auditor, portal]) {
    const answer = await test.post(who, '/v1/purposes', { ...purpose, code: 'mine' });
    const { explain } = checkProblem(t, answer, { status: 403, code: 'scope-missing' });
    t.equal(explain?.rule, 'the token must have the scope admin');
    t.match(answer.headers['www-authenticate'], /insufficient_scope/);
  }
});

await t.test('registers once what comes again under a key, and says the same', async (t) => {
  const once = onceBy();
  const body = { ...purpose, code: 'once' };
  const first = await test.post(admin, '/v1/purposes', body, once);
  const before = await countEntries(test);
  const again = await test.post(admin, '/v1/purposes', body, once);
  t.same([again.statusCode, again.json()], [201, first.json()]);
  t.equal(again.headers['exchange-entry'], first.headers['exchange-entry']);
  t.equal(await countEntries(test), before);
  const other = await test.post(admin, '/v1/purposes', { ...body, code: 'other' }, once);
  judge.checkAnswer(t, 'addPurpose', other);
  checkProblem(t, other, { status: 422, code: 'idempotency-key-reused' });
  test.clock.advance(24 * 60 * 60 * 1000);
  const nextDay = await test.post(admin, '/v1/purposes', body, once);
  checkProblem(t, nextDay, { status: 409, code: 'purpose-exists' });
});

await t.test('refuses a key that is none', async (t) => {
  for (const key of ['', 'a b', 'é', 'k'.repeat(256)])
    checkProblem(t, await test.post(admin, '/v1/purposes', { ...purpose, code: 'keyed' }, onceBy(key)), {
      status: 400,
      code: 'invalid-request',
    });
});

await t.test('registers one of two of a code that come at once', async (t) => {
  const answers = await Promise.all(
    [1, 2, 3].map((n) =>
      test.post(admin, '/v1/purposes', { ...purpose, code: 'at-once', legal_basis: `${n}` }),
    ),
  );
  t.strictSame(
    answers.map(({ statusCode }) => statusCode).sort((a, b) => a - b),
    [201, 409, 409],
  );
  await checkAuditLog(t, test);
});
