import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { steps, type GrantStep } from '../../../src/grants/grant-steps.ts';
import { checkProblem } from '../../helpers/checks.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { countEntries } from '../../helpers/log.ts';
import {
  admin,
  application,
  auditor,
  consumer,
  onceBy,
  portal,
  provider,
  startGoverning,
  type Who,
} from '../../helpers/governing.ts';

const test = await startGoverning(t);
const { judge } = test;
const otherConsumer: Who = ['civil-affairs', 'exchange'];
const otherProvider: Who = ['market-regulation', 'provide'];
const reason = { reason: 'for the test' };
/** What each step takes at least. */
const bodies: Record<GrantStep, object | null> = {
  approve: null,
  reject: reason,
  suspend: reason,
  resume: null,
  revoke: reason,
  withdraw: null,
};

/** How a grant gets into each state. */
const ways: Record<string, [Who, GrantStep][]> = {
  applied: [],
  active: [[provider, 'approve']],
  rejected: [[provider, 'reject']],
  withdrawn: [[consumer, 'withdraw']],
  suspended: [
    [provider, 'approve'],
    [provider, 'suspend'],
  ],
  revoked: [
    [provider, 'approve'],
    [provider, 'revoke'],
  ],
};

async function newGrant(t: Test, state: string): Promise<string> {
  const { id } = await test.apply(t);
  for (const [who, step] of ways[state]!) await test.step(t, who, id, step, bodies[step]);
  return id;
}

/** Tokens that are new make clients, whose entries would be counted. */
async function prepareTokens(...all: Who[]): Promise<void> {
  for (const [department, ...roles] of all) await test.token(department, roles);
}

async function changesNothing<T>(t: Test, work: () => Promise<T>): Promise<T> {
  const before = await countEntries(test);
  const result = await work();
  t.equal(await countEntries(test), before, 'nothing is entered');
  return result;
}

/** Written out, so that it holds the program's own table to something. */
const allowed: Record<GrantStep, string[]> = {
  approve: ['applied'],
  reject: ['applied'],
  suspend: ['active'],
  resume: ['suspended'],
  revoke: ['active', 'suspended'],
  withdraw: ['applied', 'active', 'suspended'],
};
for (const state of Object.keys(ways))
  await t.test(`of what is ${state}, takes the steps that there are and no others`, async (t) => {
    for (const step of Object.keys(steps) as GrantStep[]) {
      const id = await newGrant(t, state);
      const who = step === 'withdraw' ? consumer : provider;
      const ask = () => test.post(who, `/v1/grants/${id}/${step}`, bodies[step]);
      if (allowed[step].includes(state)) {
        t.equal((await ask()).statusCode, 200, `${step} what is ${state}`);
        continue;
      }
      const answer = await changesNothing(t, ask);
      judge.checkAnswer(t, `${step}Grant`, answer);
      const { detail } = checkProblem(t, answer, { status: 409, code: 'grant-state-conflict' });
      t.match(detail, new RegExp(`is ${state}`));
    }
    const renewable = ['active', 'suspended'].includes(state);
    const renewal = await test.post(consumer, `/v1/grants/${await newGrant(t, state)}/renew`, {
      valid_until: '2099-12-31',
    });
    t.equal(renewal.statusCode, renewable ? 201 : 409, `renew what is ${state}`);
  });

/** Who may take which step of what, where its state allows it: 404 where it is others', 403 where it is not for them. */
const rights: [Who, Record<GrantStep | 'renew' | 'get' | 'history', number>][] = [
  [
    consumer,
    {
      approve: 403,
      reject: 403,
      suspend: 403,
      resume: 403,
      revoke: 403,
      withdraw: 200,
      renew: 201,
      get: 200,
      history: 200,
    },
  ],
  [
    provider,
    {
      approve: 200,
      reject: 200,
      suspend: 200,
      resume: 200,
      revoke: 200,
      withdraw: 403,
      renew: 403,
      get: 200,
      history: 200,
    },
  ],
  [
    otherConsumer,
    {
      approve: 403,
      reject: 403,
      suspend: 403,
      resume: 403,
      revoke: 403,
      withdraw: 404,
      renew: 404,
      get: 404,
      history: 404,
    },
  ],
  [
    otherProvider,
    {
      approve: 404,
      reject: 404,
      suspend: 404,
      resume: 404,
      revoke: 404,
      withdraw: 403,
      renew: 403,
      get: 404,
      history: 404,
    },
  ],
  [
    admin,
    {
      approve: 403,
      reject: 403,
      suspend: 403,
      resume: 403,
      revoke: 200,
      withdraw: 403,
      renew: 403,
      get: 200,
      history: 200,
    },
  ],
  [
    auditor,
    {
      approve: 403,
      reject: 403,
      suspend: 403,
      resume: 403,
      revoke: 403,
      withdraw: 403,
      renew: 403,
      get: 200,
      history: 200,
    },
  ],
  [
    portal,
    {
      approve: 403,
      reject: 403,
      suspend: 403,
      resume: 403,
      revoke: 403,
      withdraw: 403,
      renew: 403,
      get: 403,
      history: 403,
    },
  ],
  [
    ['market-regulation', 'exchange', 'provide'],
    {
      approve: 404,
      reject: 404,
      suspend: 404,
      resume: 404,
      revoke: 404,
      withdraw: 404,
      renew: 404,
      get: 404,
      history: 404,
    },
  ],
  [
    ['taxation', 'exchange', 'provide'],
    {
      approve: 403,
      reject: 403,
      suspend: 403,
      resume: 403,
      revoke: 403,
      withdraw: 200,
      renew: 201,
      get: 200,
      history: 200,
    },
  ],
  [
    ['civil-affairs', 'exchange', 'audit'],
    {
      approve: 403,
      reject: 403,
      suspend: 403,
      resume: 403,
      revoke: 403,
      withdraw: 403,
      renew: 403,
      get: 200,
      history: 200,
    },
  ],
];
for (const [who, expected] of rights)
  await t.test(`gives ${who[0]} as ${who.slice(1).join(' and ')} its rights and no others`, async (t) => {
    for (const [what, status] of Object.entries(expected)) {
      const state = what in allowed ? allowed[what as GrantStep][0]! : 'active';
      const id = await newGrant(t, state);
      if (what === 'get' || what === 'history') {
        const answer = await test.get(who, `/v1/grants/${id}${what === 'history' ? '/history' : ''}`);
        t.equal(answer.statusCode, status, what);
        judge.checkAnswer(t, what === 'get' ? 'getGrant' : 'getGrantHistory', answer);
        continue;
      }
      const body = what === 'renew' ? { valid_until: '2099-12-31' } : bodies[what as GrantStep];
      const answer = await test.post(who, `/v1/grants/${id}/${what}`, body);
      t.equal(answer.statusCode, status, `${what}: ${answer.body}`);
      judge.checkAnswer(t, `${what}Grant`, answer);
      if (status === 403) {
        const needed = ['withdraw', 'renew'].includes(what) ? ['exchange'] : ['provide', 'admin'];
        const code = needed.some((scope) => who.includes(scope)) ? 'step-not-yours' : 'scope-missing';
        t.match(answer.json(), { code, explain: { rule: /\S/ } }, what);
        t.equal(Object.hasOwn(answer.headers, 'www-authenticate'), code === 'scope-missing');
      }
    }
    const lists = (await test.get(who, '/v1/grants')).statusCode;
    t.equal(lists, who === portal ? 403 : 200);
    const applies = await test.post(who, '/v1/grants', application);
    t.equal(applies.statusCode, who.includes('exchange') ? 201 : 403, 'applying');
    judge.checkAnswer(t, 'applyForGrant', applies);
  });

await t.test('lets nobody decide an application of their own department', async (t) => {
  const own: Who = ['public-security', 'exchange', 'provide'];
  const { id } = await test.apply(t, own);
  for (const step of ['approve', 'reject'] as const) {
    const answer = await changesNothing(t, () => test.post(own, `/v1/grants/${id}/${step}`, bodies[step]));
    judge.checkAnswer(t, `${step}Grant`, answer);
    const { explain, detail } = checkProblem(t, answer, { status: 403, code: 'step-not-yours' });
    t.strictSame(explain, { rule: 'nobody decides an application of their own department' });
    t.match(detail, /Department public-security may not do that.*nobody decides/);
  }
  const administrators: Who = ['data-bureau', 'exchange', 'admin'];
  const { id: theirs, due } = await test.apply(t, administrators);
  test.clock.advance(new Date(due as string).getTime() - test.clock.now().getTime());
  const answer = await test.post(administrators, `/v1/grants/${theirs}/approve`, null);
  t.match(answer.json(), { code: 'step-not-yours', explain: { rule: /own department/ } });
  await test.step(t, admin, id, 'approve', null);
  await test.step(t, own, id, 'suspend', reason);
  const resumed = await test.post(own, `/v1/grants/${id}/resume`, null);
  t.match(resumed.json(), { code: 'step-not-yours', explain: { rule: /own department/ } });
});

await t.test('asks for the official who acts', async (t) => {
  await prepareTokens(consumer, provider);
  const { id } = await test.apply(t);
  for (const [who, path, body] of [
    [consumer, '/v1/grants', application],
    [consumer, `/v1/grants/${id}/renew`, { valid_until: '2099-12-31' }],
    [provider, `/v1/grants/${id}/approve`, null],
    [consumer, `/v1/grants/${id}/withdraw`, null],
  ] as const)
    for (const [official, code] of [
      [null, 'official-required'],
      ['%E7', 'invalid-request'],
    ] as const) {
      const answer = await changesNothing(t, () => test.post(who, path, body, { official }));
      checkProblem(t, answer, { status: 400, code });
    }
});

const { justification } = application;
const faults: [what: string, more: object, code: string, pointer: string][] = [
  ['a dataset that there is not', { dataset: 'vehicles' }, 'invalid-request', '#/dataset'],
  ['a field that the dataset has not', { fields: ['nam'] }, 'unknown-field', '#/fields/0'],
  [
    'a field to verify that the dataset has not',
    { verify_fields: ['sex', 'shoe_size'] },
    'unknown-field',
    '#/verify_fields/1',
  ],
  ['a field that is no name', { fields: ['Name'] }, 'invalid-request', '#/fields/0'],
  ['no fields', { fields: [], verify_fields: [] }, 'invalid-request', '#'],
  ['no purposes', { purposes: [] }, 'invalid-request', '#'],
  ['a purpose that is not registered', { purposes: ['tax-assesment'] }, 'invalid-request', '#/purposes/0'],
  [
    'a field without a reason',
    { justification: { name: 'x', phone: 'x' } },
    'invalid-request',
    '#/justification/birth_date',
  ],
  [
    'a reason for a field that is not asked for',
    { justification: { ...justification, sex: 'x' } },
    'invalid-request',
    '#/justification/sex',
  ],
  [
    'two reasons for a field, by two of its names',
    { justification: { ...justification, mobile_phone: 'x' } },
    'invalid-request',
    '#/justification/mobile_phone',
  ],
  [
    'a blank reason',
    { justification: { ...justification, name: ' ' } },
    'invalid-request',
    '#/justification/name',
  ],
  [
    'a reason that nobody can read',
    { justification: { ...justification, name: 'a\0b' } },
    'invalid-request',
    '#/justification/name',
  ],
  [
    "a reason that holds somebody's id",
    { justification: { ...justification, name: 'as of 11010519491231002X' } },
    'invalid-request',
    '#/justification/name',
  ],
  ['a blank legal basis', { legal_basis: '\u3000' }, 'invalid-request', '#/legal_basis'],
  ['no volume', { expected_volume: 0 }, 'invalid-request', '#/expected_volume'],
  ['half a subject', { expected_volume: 1.5 }, 'invalid-request', '#/expected_volume'],
  ['an end that is over', { valid_until: '2026-01-01' }, 'invalid-request', '#/valid_until'],
  ['a day that does not exist', { valid_until: '2027-02-29' }, 'invalid-request', '#/valid_until'],
  ['a time that does not exist', { valid_until: '2027-01-01T25:00:00Z' }, 'invalid-request', '#/valid_until'],
  [
    'a time in the year 10000',
    { valid_until: '9999-12-31T23:59:59-14:00' },
    'invalid-request',
    '#/valid_until',
  ],
  ['a time without a zone', { valid_until: '2027-01-01T00:00:00' }, 'invalid-request', '#/valid_until'],
  ['plain fields, which the provider gives', { plain_fields: ['name'] }, 'invalid-request', '#/plain_fields'],
];
for (const [what, more, code, pointer] of faults)
  await t.test(`refuses an application with ${what}`, async (t) => {
    const answer = await changesNothing(t, () =>
      test.post(consumer, '/v1/grants', { ...application, ...more }),
    );
    judge.checkAnswer(t, 'applyForGrant', answer);
    const problem = checkProblem(t, answer, { status: 400, code });
    t.equal(problem.errors?.[0]?.pointer, pointer, JSON.stringify(problem.errors));
  });

await t.test('refuses a list by what is no name of anything', async (t) => {
  for (const query of [
    'consumer=%00',
    'dataset=%27',
    'consumer=Taxation',
    'status=gone',
    'status=active&status=applied',
  ]) {
    const answer = await test.get(consumer, `/v1/grants?${query}`);
    judge.checkAnswer(t, 'listGrants', answer);
    checkProblem(t, answer, { status: 400, code: 'invalid-request' });
  }
});

await t.test('suggests the field and the purpose that were probably meant', async (t) => {
  const field = await test.post(consumer, '/v1/grants', { ...application, fields: ['nam'] });
  t.match(field.json(), { detail: /Did you mean name\?/ });
  const purpose = await test.post(consumer, '/v1/grants', { ...application, purposes: ['tax-assesment'] });
  t.match(purpose.json(), { errors: [{ detail: /Did you mean tax-assessment\?/ }] });
});

await t.test('tells of twenty faults of hundreds', async (t) => {
  const names = Array.from({ length: 200 }, (_, n) => `no_such_field_${n}`);
  const answer = await test.post(consumer, '/v1/grants', {
    ...application,
    fields: names,
    verify_fields: names,
  });
  const { errors, detail } = checkProblem(t, answer, { status: 400, code: 'unknown-field' });
  t.equal(errors?.length, 20);
  t.ok(detail.length < 1000);
});

await t.test('refuses an application that no entry could hold', async (t) => {
  const long = 'x'.repeat(500);
  const text = Array.from({ length: 400 }, (_, n) => `f${n}`);
  const many = await test.post(consumer, '/v1/grants', {
    ...application,
    justification: { ...justification, ...Object.fromEntries(text.map((name) => [name, long])) },
  });
  t.ok([400, 413].includes(many.statusCode));
  const members = await test.post(consumer, '/v1/grants', {
    ...application,
    fields: ['constructor', 'tostring'],
    justification: { constructor: 'x', tostring: 'x' },
  });
  checkProblem(t, members, { status: 400, code: 'unknown-field' });
});

const approvals: [what: string, body: object, code: string, pointer: string][] = [
  ['a field that was not applied for', { fields: ['name', 'sex'] }, 'invalid-request', '#/fields/1'],
  ['to be read what was to be verified', { fields: ['birth_date'] }, 'invalid-request', '#/fields/0'],
  [
    'a field to verify that was not applied for',
    { verify_fields: ['sex'] },
    'invalid-request',
    '#/verify_fields/0',
  ],
  ['a field that there is not', { fields: ['shoe_size'] }, 'unknown-field', '#/fields/0'],
  [
    'plain what may not be read',
    { fields: ['name'], plain_fields: ['phone'] },
    'invalid-request',
    '#/plain_fields/0',
  ],
  ['nothing', { fields: [], verify_fields: [] }, 'invalid-request', '#'],
  ['longer than was applied for', { valid_until: '2100-01-01' }, 'invalid-request', '#/valid_until'],
  ['until yesterday', { valid_until: '2026-01-01' }, 'invalid-request', '#/valid_until'],
  ['no subjects', { daily_quota: 0 }, 'invalid-request', '#/daily_quota'],
  ['a demand that there is not', { requires: ['fee'] }, 'invalid-request', '#/requires/0'],
  ['a reason', { reason: 'because' }, 'invalid-request', '#/reason'],
];
for (const [what, body, code, pointer] of approvals)
  await t.test(`refuses to approve ${what}`, async (t) => {
    const id = await newGrant(t, 'applied');
    const answer = await changesNothing(t, () => test.post(provider, `/v1/grants/${id}/approve`, body));
    judge.checkAnswer(t, 'approveGrant', answer);
    const problem = checkProblem(t, answer, { status: 400, code });
    t.equal(problem.errors?.[0]?.pointer, pointer, JSON.stringify(problem.errors));
  });

await t.test('asks for a reason of whoever rejects, suspends or revokes', async (t) => {
  for (const step of ['reject', 'suspend', 'revoke'] as const) {
    const id = await newGrant(t, allowed[step][0]!);
    for (const body of [
      {},
      { reason: '' },
      { reason: '\u3000' },
      { reason: 'a\u0000' },
      { reason: 'x'.repeat(1001) },
      { reason: 'She, 11010519491231002X, complained' },
    ]) {
      const answer = await changesNothing(t, () => test.post(provider, `/v1/grants/${id}/${step}`, body));
      checkProblem(t, answer, { status: 400, code: 'invalid-request' });
    }
  }
});

await t.test('knows no grant by what is no id of one', async (t) => {
  await prepareTokens(admin);
  for (const id of [
    randomUUID(),
    'x',
    '1',
    encodeURIComponent("' or 1=1"),
    'ffffffff-ffff-ffff-ffff-fffffffffff',
  ]) {
    checkProblem(t, await test.get(admin, `/v1/grants/${id}`), { status: 404, code: 'not-found' });
    const answer = await changesNothing(t, () => test.post(admin, `/v1/grants/${id}/revoke`, reason));
    checkProblem(t, answer, { status: 404, code: 'not-found' });
  }
});

await t.test('lets one of two steps at once be taken', async (t) => {
  for (const pair of [
    [
      [provider, 'approve'],
      [provider, 'approve'],
    ],
    [
      [provider, 'approve'],
      [consumer, 'withdraw'],
    ],
    [
      [provider, 'reject'],
      [provider, 'approve'],
    ],
  ] as [Who, GrantStep][][]) {
    const id = await newGrant(t, 'applied');
    const answers = await Promise.all(
      pair.map(([who, step]) => test.post(who, `/v1/grants/${id}/${step}`, bodies[step])),
    );
    const statuses = answers.map(({ statusCode }) => statusCode).sort((a, b) => a - b);
    const bothTaken = pair[1]![1] === 'withdraw' && statuses.join() === '200,200';
    if (!bothTaken) t.strictSame(statuses, [200, 409], pair.map(([, step]) => step).join(' and '));
    const { items } = (await test.get(auditor, `/v1/grants/${id}/history`)).json<{ items: object[] }>();
    t.equal(items.length, bothTaken ? 3 : 2, 'each that was taken is in the history');
  }
});

await t.test('takes a step once under a key, and answers it the same, whatever came after', async (t) => {
  const once = onceBy();
  const first = await test.post(consumer, '/v1/grants', application, once);
  const { id } = first.json<{ id: string }>();
  const approveOnce = onceBy();
  const approved = await test.post(provider, `/v1/grants/${id}/approve`, { daily_quota: 5 }, approveOnce);
  await test.step(t, provider, id, 'revoke', reason);
  const before = await countEntries(test);
  const again = await test.post(consumer, '/v1/grants', application, once);
  t.same([again.statusCode, again.json(), again.headers.location], [201, first.json(), `/v1/grants/${id}`]);
  const approvedAgain = await test.post(
    provider,
    `/v1/grants/${id}/approve`,
    { daily_quota: 5 },
    approveOnce,
  );
  t.same([approvedAgain.statusCode, approvedAgain.json()], [200, approved.json()]);
  t.equal(approvedAgain.headers['exchange-entry'], approved.headers['exchange-entry']);
  const other = await test.post(provider, `/v1/grants/${id}/approve`, { daily_quota: 6 }, approveOnce);
  judge.checkAnswer(t, 'approveGrant', other);
  checkProblem(t, other, { status: 422, code: 'idempotency-key-reused' });
  t.equal(await countEntries(test), before);
  const byAnother = await test.post(consumer, '/v1/grants', application, { ...once, official: 'clerk-2' });
  checkProblem(t, byAnother, { status: 422, code: 'idempotency-key-reused' });
  const others = await test.post(otherConsumer, '/v1/grants', application, once);
  t.equal(others.statusCode, 201, "another client's key is another");
  t.not(others.json<{ id: string }>().id, id);
});

await t.test('takes one of many applications that come at once under a key', async (t) => {
  const once = onceBy();
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => test.post(consumer, '/v1/grants', application, once)),
  );
  t.same(
    answers.map(({ statusCode }) => statusCode),
    Array(5).fill(201),
  );
  t.equal(new Set(answers.map((answer) => answer.json<{ id: string }>().id)).size, 1);
});

await t.test('leaves a whole log', async (t) => {
  await checkAuditLog(t, test);
});
