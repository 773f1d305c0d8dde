import t from 'tap';
import { dayAfterWorkingDays } from '../../../src/base/working-days.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { issuer } from '../../helpers/keys.ts';
import {
  admin,
  application,
  auditor,
  consumer,
  provider,
  startGoverning,
  type GrantBody,
  type Who,
} from '../../helpers/governing.ts';

const test = await startGoverning(t);
const { judge } = test;
const dayMs = 24 * 60 * 60 * 1000;
const id = '999901198804120024';

/** How the consumer's read of a name is answered. */
async function readName(fields = ['name']): Promise<[status: number, body: Record<string, unknown>]> {
  const token = await test.token('taxation', ['exchange']);
  const answer = await test.read('citizens', { id, fields }, { token, purpose: 'tax-assessment' });
  return [answer.statusCode, answer.json()];
}

await t.test('takes an application, with its entry, and says by when it is decided', async (t) => {
  const answer = await test.post(consumer, '/v1/grants', application, { official: '%E7%8E%8B' });
  t.equal(answer.statusCode, 201);
  judge.checkAnswer(t, 'applyForGrant', answer);
  const grant = answer.json<GrantBody>();
  t.equal(answer.headers.location, `/v1/grants/${grant.id}`);
  const today = new Date(test.clock.now().getTime() + 8 * 60 * 60 * 1000).toISOString().slice(0, 10);
  const due = new Date(`${dayAfterWorkingDays(today, 10)}T00:00:00+08:00`).toISOString();
  const terms = {
    consumer: 'taxation',
    fields: ['name', 'phone'],
    plain_fields: [],
    verify_fields: ['birth_date'],
    purposes: ['tax-assessment'],
    requires: [],
    legal_basis: application.legal_basis,
    justification: application.justification,
    expected_volume: 200,
    status: 'applied',
    valid_until: '2099-12-30T16:00:00.000Z',
    due,
  };
  t.same(grant, {
    ...terms,
    id: grant.id,
    dataset: 'citizens',
    provider: 'public-security',
    valid_from: null,
    daily_quota: null,
    renews: null,
    decided_by: null,
    reason: null,
  });
  const { client, ...entry } = await test.entryOf(answer);
  t.match(client, /^taxation-/);
  t.strictSame(entry, {
    format: 'onevisit-entry/1',
    id: answer.headers['exchange-id'],
    time: test.clock.now().toISOString(),
    kind: 'grant',
    operation: 'grant-apply',
    consumer: 'taxation',
    official: { id: '王', proof: 'asserted' },
    provider: 'public-security',
    dataset: 'citizens',
    grants: [grant.id],
    outcome: 'done',
    details: terms,
  });
  t.equal((await readName())[0], 403, 'nothing is granted by it yet');
});

await t.test('calls a field what grants call it, by whatever name of it the reason came', async (t) => {
  const grant = await test.apply(t, consumer, {
    fields: ['mobile_phone'],
    verify_fields: undefined,
    justification: { mobile_phone: 'Whom to call' },
  });
  t.match(grant, { fields: ['phone'] });
  t.strictSame(grant.justification, { phone: 'Whom to call' });
});

await t.test('a provider has one working day for what is shared unconditionally', async (t) => {
  const grant = await test.apply(t, ['civil-affairs', 'exchange'], {
    dataset: 'enterprises',
    fields: ['name'],
    verify_fields: undefined,
    justification: { name: 'x' },
    valid_until: '2030-01-01T00:00:00+08:00',
  });
  const today = new Date(test.clock.now().getTime() + 8 * 60 * 60 * 1000).toISOString().slice(0, 10);
  t.equal(grant.due, new Date(`${dayAfterWorkingDays(today, 1)}T00:00:00+08:00`).toISOString());
  t.equal(grant.valid_until, '2029-12-31T16:00:00.000Z');
});

await t.test('goes from application to revocation, and lets data be read accordingly', async (t) => {
  const { id: grant } = await test.apply(t);
  const decided = await test.post(provider, `/v1/grants/${grant}/approve`, {
    fields: ['name', 'mobile_phone'],
    plain_fields: ['mobile_phone'],
    valid_until: '2030-01-01',
    daily_quota: 3,
    requires: ['case'],
  });
  judge.checkAnswer(t, 'approveGrant', decided);
  t.match(decided.json(), {
    status: 'active',
    fields: ['name', 'phone'],
    plain_fields: ['phone'],
    verify_fields: ['birth_date'],
    valid_from: test.clock.now().toISOString(),
    valid_until: '2029-12-31T16:00:00.000Z',
    daily_quota: 3,
    requires: ['case'],
    decided_by: /^public-security-/,
  });
  t.match(await test.entryOf(decided), {
    kind: 'grant',
    operation: 'grant-approve',
    consumer: 'public-security',
    grants: [grant],
    details: {
      consumer: 'taxation',
      was: 'applied',
      status: 'active',
      fields: ['name', 'phone'],
      daily_quota: 3,
    },
  });
  await test.gateway.exchanges.authority.refresh();

  const token = await test.token('taxation', ['exchange']);
  const ask = async (
    operation: string,
    body: object,
    headers: Record<string, string> = { 'exchange-case': 'T-1' },
  ): Promise<{ status: number; code?: string; body: Record<string, unknown>; masked: unknown }> => {
    const answer = await test.ask(
      operation,
      'citizens',
      { id, ...body },
      { token, purpose: 'tax-assessment', headers },
    );
    const read = answer.json<Record<string, unknown> & { code?: string }>();
    return {
      status: answer.statusCode,
      body: read,
      masked: answer.headers['exchange-masked'],
      ...(read.code !== undefined && { code: read.code }),
    };
  };
  t.match(await ask('read', { fields: ['name'] }, {}), { status: 400, code: 'case-required' });
  const read = await ask('read', { fields: ['name', 'phone'] });
  t.match(read, { status: 200, body: { phone: /^\d{11}$/ } }, 'the phone is plain');
  t.equal(read.masked, undefined);
  t.match(await ask('read', { fields: ['birth_date'] }), { status: 403, code: 'field-not-granted' });
  t.match(await ask('verify', { claims: { birth_date: '1988-04-12' } }), {
    status: 200,
    body: { results: { birth_date: 'match' } },
  });
  t.match(await ask('read', { fields: ['name'] }), { status: 200 });
  t.match(await ask('read', { fields: ['name'] }), { status: 429, code: 'quota-exceeded' });
  test.clock.advance(dayMs);

  const step = async (who: Who, name: string, body: object | null): Promise<void> => {
    const answer = await test.post(who, `/v1/grants/${grant}/${name}`, body);
    judge.checkAnswer(t, `${name}Grant`, answer);
    t.equal(answer.statusCode, 200, name);
    await test.gateway.exchanges.authority.refresh();
  };
  const askAnew = async (): Promise<string> => {
    const fresh = await test.token('taxation', ['exchange']);
    const headers = { 'exchange-case': 'T-1' };
    const answer = await test.read(
      'citizens',
      { id, fields: ['name'] },
      { token: fresh, purpose: 'tax-assessment', headers },
    );
    return answer.json<{ code?: string }>().code ?? 'released';
  };
  await step(provider, 'suspend', { reason: 'Many requests at night' });
  t.equal(await askAnew(), 'grant-suspended');
  await step(provider, 'resume', null);
  t.equal(await askAnew(), 'released');
  await step(admin, 'revoke', { reason: 'The matter was handed on' });
  t.not(await askAnew(), 'released');
  t.match((await test.get(consumer, `/v1/grants/${grant}`)).json(), {
    status: 'revoked',
    reason: 'The matter was handed on',
    decided_by: /^data-bureau-/,
  });

  const history = await test.get(consumer, `/v1/grants/${grant}/history`);
  judge.checkAnswer(t, 'getGrantHistory', history);
  const { items, next } = history.json<{ items: Record<string, unknown>[]; next: null }>();
  t.equal(next, null);
  t.match(items, [
    { act: 'apply', status: 'applied', department: 'taxation', official: 'clerk-1' },
    { act: 'approve', status: 'active', department: 'public-security', details: { daily_quota: 3 } },
    { act: 'suspend', status: 'suspended', details: { reason: 'Many requests at night' } },
    { act: 'resume', status: 'active', details: { was: 'suspended' } },
    { act: 'revoke', status: 'revoked', department: 'data-bureau' },
  ]);
  t.equal(items.length, 5);
  const paged: unknown[] = [];
  for (let after: string | null = ''; after !== null;) {
    const answer = await test.get(
      provider,
      `/v1/grants/${grant}/history?limit=2${after && `&after=${after}`}`,
    );
    judge.checkAnswer(t, 'getGrantHistory', answer);
    const page: { items: unknown[]; next: string | null } = answer.json();
    t.ok(page.items.length <= 2);
    paged.push(...page.items);
    after = page.next;
  }
  t.strictSame(paged, items);
});

await t.test('takes many steps at once, each in its turn', async (t) => {
  const grants = await Promise.all(Array.from({ length: 30 }, () => test.apply(t)));
  const answers = await Promise.all(
    grants.map(({ id: one }) => test.post(provider, `/v1/grants/${one}/approve`, null)),
  );
  t.same(
    answers.map(({ statusCode }) => statusCode),
    Array(30).fill(200),
  );
  await Promise.all(grants.map(({ id: one }) => test.post(consumer, `/v1/grants/${one}/withdraw`, null)));
});

await t.test('is revoked from its entry on, whatever was decided before', async (t) => {
  const { id: grant } = await test.apply(t);
  await test.step(t, provider, grant, 'approve', null);
  t.equal((await readName())[0], 200);
  const revoked = await test.post(provider, `/v1/grants/${grant}/revoke`, { reason: 'misuse' });
  t.equal(revoked.statusCode, 200);
  // The gateway's memory has not been told: the append finds out.
  t.equal((await readName())[0], 403);
});

await t.test('approves as it is applied for where nothing else is said', async (t) => {
  const { id: grant, valid_until } = await test.apply(t);
  t.match(await test.step(t, provider, grant, 'approve', null), {
    status: 'active',
    fields: ['name', 'phone'],
    plain_fields: [],
    verify_fields: ['birth_date'],
    valid_until,
    daily_quota: null,
    requires: [],
  });
  await test.step(t, consumer, grant, 'withdraw', null);
});

await t.test('may let fields be verified alone that were applied for to be read', async (t) => {
  const { id: grant } = await test.apply(t);
  const approved = await test.step(t, provider, grant, 'approve', {
    fields: [],
    verify_fields: ['name', 'birth_date'],
  });
  t.match(approved, { fields: [], verify_fields: ['birth_date', 'name'] });
  t.equal((await readName())[0], 403);
  await test.step(t, consumer, grant, 'withdraw', null);
});

await t.test('may approve a part of what was applied for, since a version split it', async (t) => {
  const { id: grant } = await test.apply(t, consumer, {
    fields: ['household_address'],
    verify_fields: [],
    justification: { household_address: 'Where to deliver' },
    valid_until: '9999-12-31',
  });
  const approved = await test.step(t, provider, grant, 'approve', { fields: ['city'] });
  t.match(approved, { fields: ['city'], valid_until: '9999-12-30T16:00:00.000Z' });
  await test.step(t, consumer, grant, 'withdraw', null);
});

await t.test('lets a consumer withdraw what it applied for, and what it was granted', async (t) => {
  const applied = await test.apply(t);
  t.match(await test.step(t, consumer, applied.id, 'withdraw', null), {
    status: 'withdrawn',
    valid_from: null,
  });
  const granted = await test.apply(t);
  const { decided_by } = await test.step(t, provider, granted.id, 'approve', null);
  t.equal((await readName())[0], 200);
  t.match(await test.step(t, consumer, granted.id, 'withdraw', { reason: 'No longer needed' }), {
    status: 'withdrawn',
    reason: 'No longer needed',
    decided_by,
  });
  t.equal((await readName())[0], 403);
});

await t.test('lets a provider reject, with a reason that the consumer reads', async (t) => {
  const { id: grant } = await test.apply(t);
  await test.step(t, provider, grant, 'reject', { reason: 'The law asks for less' });
  t.match((await test.get(consumer, `/v1/grants/${grant}`)).json(), {
    status: 'rejected',
    reason: 'The law asks for less',
    valid_from: null,
  });
});

await t.test('renews a grant by an application that cites it, and leaves it as it is', async (t) => {
  const { id: old } = await test.apply(t, consumer, { valid_until: '2030-01-01' });
  await test.step(t, provider, old, 'approve', { fields: ['name'] });
  const answer = await test.post(consumer, `/v1/grants/${old}/renew`, {
    valid_until: '2031-01-01',
  });
  t.equal(answer.statusCode, 201);
  judge.checkAnswer(t, 'renewGrant', answer);
  const renewal = answer.json<GrantBody>();
  t.match(renewal, {
    status: 'applied',
    renews: old,
    fields: ['name'],
    verify_fields: ['birth_date'],
    legal_basis: application.legal_basis,
    expected_volume: 200,
    valid_until: '2030-12-31T16:00:00.000Z',
  });
  const { phone: _notGranted, ...stillNeeded } = application.justification;
  t.strictSame(renewal.justification, stillNeeded, 'with the reasons of what was granted');
  t.not(renewal.id, old);
  t.match(await test.entryOf(answer), { operation: 'grant-apply', details: { renews: old } });
  t.match((await test.get(consumer, `/v1/grants/${old}`)).json(), { status: 'active' });
  await test.step(t, provider, renewal.id, 'approve', null);
  await test.step(t, consumer, old, 'withdraw', null);
  t.equal((await readName())[0], 200, 'the renewal goes on alone');
  await test.step(t, consumer, renewal.id, 'withdraw', null);
});

await t.test('renews a grant whose reasons were kept under two names of a field', async (t) => {
  const { id } = await test.apply(t, consumer, { valid_until: '2030-01-01' });
  await test.step(t, provider, id, 'approve', null);
  const { name, phone, birth_date } = application.justification;
  await test.pool.query('update registry.grant set justification = $2 where id = $1', [
    id,
    JSON.stringify({ name, phone, mobile_phone: phone, birth_date }),
  ]);
  const answer = await test.post(consumer, `/v1/grants/${id}/renew`, { valid_until: '2031-01-01' });
  t.equal(answer.statusCode, 201);
  t.strictSame(answer.json<GrantBody>().justification, { name, phone, birth_date });
  await test.step(t, consumer, id, 'withdraw', null);
});

await t.test('renews what an administrator made, when what that lacks is said', async (t) => {
  const made = await test.grant({
    consumer: 'taxation',
    dataset: 'enterprises',
    fields: ['name'],
    purposes: ['tax-assessment'],
  });
  const renew = (body: object) =>
    test.post(consumer, `/v1/grants/${made}/renew`, { valid_until: '2031-01-01', ...body });
  const { errors } = (await renew({})).json<{ errors: { pointer: string }[] }>();
  t.equal(errors[0]!.pointer, '#/legal_basis');
  const said = { legal_basis: 'law', justification: { name: 'x' }, expected_volume: 1 };
  t.match((await renew(said)).json(), { status: 'applied', renews: made, provider: 'market-regulation' });
});

await t.test('lets an administrator decide what the provider leaves undecided', async (t) => {
  const { id: grant, due } = await test.apply(t);
  const early = await test.post(admin, `/v1/grants/${grant}/approve`, null);
  t.equal(early.statusCode, 403);
  t.match(early.json(), {
    code: 'step-not-yours',
    explain: { rule: /provider decides, and an administrator once/, granted_by: 'public-security' },
  });
  test.clock.advance(new Date(due as string).getTime() - test.clock.now().getTime());
  t.match(await test.step(t, admin, grant, 'approve', null), { status: 'active' });
  t.equal((await test.post(admin, `/v1/grants/${grant}/suspend`, { reason: 'x' })).statusCode, 403);
  await test.step(t, consumer, grant, 'withdraw', null);
});

await t.test('calls expired what is over, and neither decides nor changes it', async (t) => {
  const soon = new Date(test.clock.now().getTime() + dayMs).toISOString();
  const undecided = await test.apply(t, consumer, { valid_until: soon });
  const granted = await test.apply(t, consumer, { valid_until: soon });
  await test.step(t, provider, granted.id, 'approve', null);
  test.clock.advance(dayMs);
  for (const { id: grant } of [undecided, granted]) {
    t.match((await test.get(provider, `/v1/grants/${grant}`)).json(), { status: 'expired' });
    for (const [who, step] of [
      [provider, 'approve'],
      [provider, 'suspend'],
      [consumer, 'withdraw'],
    ] as const)
      t.match((await test.post(who, `/v1/grants/${grant}/${step}`, { reason: 'x' })).json(), {
        code: step === 'approve' ? 'invalid-request' : 'grant-state-conflict',
      });
    t.match((await test.post(provider, `/v1/grants/${grant}/approve`, {})).json(), {
      code: 'grant-state-conflict',
      detail: /is expired/,
    });
  }
  const expired = (await test.get(auditor, '/v1/grants?status=expired')).json<{ items: GrantBody[] }>().items;
  t.ok([undecided.id, granted.id].every((one) => expired.some(({ id: found }) => found === one)));
  const renewed = await test.post(consumer, `/v1/grants/${granted.id}/renew`, { valid_until: '2031-01-01' });
  t.equal(renewed.statusCode, 201, 'what has expired can be continued');
});

await t.test('lists grants, the newest first, page by page, by what they are', async (t) => {
  const all: GrantBody[] = [];
  for (let after: string | null = ''; after !== null;) {
    const answer = await test.get(auditor, `/v1/grants?limit=3${after && `&after=${after}`}`);
    judge.checkAnswer(t, 'listGrants', answer);
    const page: { items: GrantBody[]; next: string | null } = answer.json();
    t.ok(page.items.length <= 3);
    all.push(...page.items);
    after = page.next;
  }
  const { rows } = await test.pool.query<{ id: string }>(
    'select id from registry.grant order by number desc',
  );
  t.strictSame(
    all.map(({ id: grant }) => grant),
    rows.map((row) => row.id),
  );
  for (const [query, holds] of [
    ['consumer=taxation', (grant: GrantBody) => grant.consumer === 'taxation'],
    ['dataset=enterprises', (grant: GrantBody) => grant.dataset === 'enterprises'],
    ['status=withdrawn', (grant: GrantBody) => grant.status === 'withdrawn'],
    [
      'status=active&consumer=civil-affairs&dataset=citizens',
      (grant: GrantBody) =>
        grant.status === 'active' && grant.consumer === 'civil-affairs' && grant.dataset === 'citizens',
    ],
    ['consumer=nobody', () => false],
  ] as const) {
    const { items } = (await test.get(admin, `/v1/grants?limit=500&${query}`)).json<{ items: GrantBody[] }>();
    t.same(items, all.filter(holds), query);
  }
});

await t.test('shows departments what is theirs alone', async (t) => {
  const seen = async (who: Who): Promise<GrantBody[]> =>
    (await test.get(who, '/v1/grants?limit=500')).json<{ items: GrantBody[] }>().items;
  const all = await seen(auditor);
  t.same(await seen(admin), all);
  t.same(
    await seen(consumer),
    all.filter((grant) => grant.consumer === 'taxation'),
  );
  t.same(
    await seen(provider),
    all.filter((grant) => grant.provider === 'public-security'),
  );
  const both = await seen(['market-regulation', 'exchange', 'provide']);
  t.same(
    both,
    all.filter((grant) => grant.provider === 'market-regulation'),
  );
  t.ok(both.length > 0 && all.length > both.length);
});

await t.test('tells problems by their own addresses', async (t) => {
  const answer = await test.post(consumer, '/v1/grants', {});
  t.equal(answer.json<{ type: string }>().type, `${issuer}/problems/invalid-request`);
});

await t.test('leaves a whole log', async (t) => {
  await checkAuditLog(t, test);
});
