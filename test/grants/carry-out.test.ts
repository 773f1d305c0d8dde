import { createHash, randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { encodeCarriedOut, type CarriedOutAct, type CarriedOutOperation } from '../../src/audit/act.ts';
import { openDatabase } from '../../src/db/database.ts';
import { carryOut, type OnceKey } from '../../src/grants/carry-out.ts';
import { purposeAct } from '../../src/grants/purposes.ts';
import { listActs, type GrantRow } from '../../src/grants/find-grants.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { createDatabase } from '../helpers/database.ts';
import { actor } from '../helpers/keys.ts';
import { countEntries, newLeaf, readVersion } from '../helpers/log.ts';

const test = await createDatabase(t);
const { database } = test;
/** What a gateway may do. */
const gateway = openDatabase(test.gatewayUrl, 'test', { maxConnections: 2 });
const { pool } = gateway;
t.teardown(gateway.close);

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
const onceOf = (key: string, request: string): OnceKey => ({ key: digest(key), request: digest(request) });

function purpose(code: string): CarriedOutAct {
  const title = { en: 'A purpose', zh: '用途' };
  return purposeAct({
    code,
    title,
    legal_basis: 'law',
    requires: ['official', 'case'],
    confidential_days: 1,
  });
}

function application(id: string): CarriedOutAct {
  return {
    operation: 'grant-apply',
    provider: 'public-security',
    dataset: 'citizens',
    grants: [id],
    details: {
      consumer: 'taxation',
      fields: ['name'],
      plain_fields: [],
      verify_fields: ['sex'],
      purposes: ['tax-assessment'],
      requires: [],
      legal_basis: 'law',
      justification: { name: 'it is on the form', sex: 'it is on the form' },
      expected_volume: 20,
      status: 'applied',
      valid_until: '2100-01-01T00:00:00.000Z',
      due: '2026-12-11T16:00:00.000Z',
    },
  };
}

function change(id: string, operation: CarriedOutOperation, details: Record<string, unknown>): CarriedOutAct {
  return { operation, provider: 'public-security', dataset: 'citizens', grants: [id], details };
}

async function state(): Promise<unknown> {
  const { rows } = await pool.query(
    `select (select count(*) from registry.purpose) as purposes,
       (select count(*) from registry.grant) as grants, (select count(*) from registry.grant_act) as acts`,
  );
  return { rows, entries: await countEntries(test), version: await readVersion(test) };
}

async function changesNothing(t: Test, act: () => Promise<unknown>): Promise<void> {
  const before = await state();
  t.equal(await act(), null);
  t.strictSame(await state(), before);
}

await t.test('does what an entry says, and appends it', async (t) => {
  const version = await readVersion(test);
  const done = await carryOut(database, actor, purpose('first'));
  t.equal(done!.entry, (await countEntries(test)) - 1);
  t.strictSame(done!.answer, {
    code: 'first',
    title: { en: 'A purpose', zh: '用途' },
    legal_basis: 'law',
    requires: ['case', 'official'],
    confidential_days: 1,
  });
  t.equal(await readVersion(test), version + 1, 'and who-may-see-what has changed');
  await changesNothing(t, () => carryOut(database, actor, purpose('first')));
});

await t.test('leads a grant from one state to the next, and remembers each', async (t) => {
  const id = randomUUID();
  const version = await readVersion(test);
  const applied = await carryOut<GrantRow>(database, actor, application(id));
  t.equal(await readVersion(test), version, 'an application changes nothing that anybody may see');
  t.match(applied!.answer, { status: 'applied', valid_from: null, decided_by: null, expected_volume: 20 });
  await changesNothing(t, () =>
    carryOut(database, actor, change(id, 'grant-resume', { was: 'suspended', status: 'active' })),
  );
  const terms = {
    fields: [],
    verify_fields: ['name'],
    valid_from: '2026-01-01T00:00:00.000Z',
    daily_quota: 7,
  };
  const approved = await carryOut<GrantRow>(
    database,
    actor,
    change(id, 'grant-approve', { was: 'applied', status: 'active', ...terms }),
  );
  t.match(approved!.answer, {
    status: 'active',
    ...terms,
    valid_from: /^2026-01-01/,
    decided_by: actor.client,
  });
  t.equal(await readVersion(test), version + 1);
  const suspended = await carryOut<GrantRow>(
    database,
    actor,
    change(id, 'grant-suspend', { was: 'active', status: 'suspended', reason: 'review' }),
  );
  t.match(suspended!.answer, {
    status: 'suspended',
    reason: 'review',
    daily_quota: 7,
    verify_fields: ['name'],
  });
  const withdrawn = await carryOut<GrantRow>(
    database,
    { client: 'taxation-1' },
    change(id, 'grant-withdraw', { was: 'suspended', status: 'withdrawn' }),
  );
  t.match(withdrawn!.answer, { status: 'withdrawn', reason: null, decided_by: actor.client });
  t.strictSame(
    (await listActs(database, id, { after: null, limit: 10 })).acts.map(({ act, status, entry, client }) => ({
      act,
      status,
      entry,
      client,
    })),
    [
      { act: 'apply', status: 'applied', entry: applied!.entry, client: actor.client },
      { act: 'approve', status: 'active', entry: approved!.entry, client: actor.client },
      { act: 'suspend', status: 'suspended', entry: suspended!.entry, client: actor.client },
      { act: 'withdraw', status: 'withdrawn', entry: withdrawn!.entry, client: 'taxation-1' },
    ],
  );
});

await t.test('does nothing when who-may-see-what has changed since it was decided', async (t) => {
  const authority = (await readVersion(test)) - 1;
  await changesNothing(t, () => carryOut(database, actor, purpose('late'), { authority, once: null }));
});

await t.test('does once what comes again under a key, and answers the same', async (t) => {
  const id = randomUUID();
  const under = { authority: null, once: onceOf('key', 'request') };
  const first = await carryOut(database, actor, application(id), under);
  const before = await state();
  t.strictSame(await carryOut(database, actor, application(randomUUID()), under), first);
  t.strictSame(await state(), before);
  await changesNothing(t, () =>
    carryOut(database, actor, application(randomUUID()), { ...under, once: onceOf('key', 'another') }),
  );
  const others = await carryOut(database, { client: 'somebody-else' }, application(randomUUID()), under);
  t.not(others!.entry, first!.entry, "another client's key is another");
});

await t.test('lets one of many at once under a key do it', async (t) => {
  const under = { authority: null, once: onceOf('at once', 'request') };
  const done = await Promise.all(
    [1, 2, 3, 4].map((n) => carryOut(database, actor, purpose(`once-${n}`), under)),
  );
  t.equal(new Set(done.map((one) => one!.entry)).size, 1);
  const { rows } = await pool.query("select code from registry.purpose where code like 'once-%'");
  t.equal(rows.length, 1);
});

await t.test('forgets a key after a day', async (t) => {
  const once = onceOf('old', 'request');
  const time = (text: string): { client: string; time: Date } => ({ client: 'timely', time: new Date(text) });
  const under = { authority: null, once };
  const first = await carryOut(database, time('2026-11-01T08:00:00.000Z'), purpose('old-1'), under);
  const again = await carryOut(database, time('2026-11-02T07:59:59.999Z'), purpose('old-2'), under);
  t.equal(again!.entry, first!.entry);
  const later = await carryOut(database, time('2026-11-02T08:00:00.000Z'), purpose('old-3'), under);
  t.not(later!.entry, first!.entry);
});

await t.test('refuses bytes whose hash is another, and what is no act on purposes or grants', async (t) => {
  const before = await state();
  const leaf = encodeCarriedOut(actor, purpose('forged'));
  const call = (bytes: Buffer, hash: Buffer): Promise<unknown> =>
    test.pool.query('select registry.carry_out(null, $1, $2, null, null)', [bytes, hash]);
  await t.rejects(call(leaf.bytes, Buffer.alloc(32)), { code: '22000' });
  const other = newLeaf({ kind: 'load', operation: 'load', client: 'somebody' });
  await t.rejects(call(other.bytes, other.hash), { code: '22000' });
  for (const [was, status] of [
    ['revoked', 'active'],
    ['rejected', 'active'],
    ['applied', 'suspended'],
  ]) {
    const step = encodeCarriedOut(actor, change(randomUUID(), 'grant-approve', { was, status }));
    await t.rejects(call(step.bytes, step.hash), { code: '22000', message: 'there is no such step' });
  }
  t.strictSame(await state(), before);
});

await t.test('lets a gateway make no grant by itself, and decide nothing without an authority', async (t) => {
  const before = await state();
  const owners = { code: '42501', message: 'only the owner may do that' };
  const authority = await readVersion(test);
  const id = randomUUID();
  const { details } = application(id);
  const made = {
    ...application(id),
    operation: 'grant-add',
    details: { ...details, status: 'active' },
  } as CarriedOutAct;
  await t.rejects(carryOut(gateway.database, actor, made, { authority, once: null }), owners);
  await t.rejects(carryOut(gateway.database, actor, purpose('no-authority')), owners);
  t.strictSame(await state(), before);
  const done = await carryOut(gateway.database, actor, application(id), { authority, once: null });
  t.type(done!.entry, 'number', 'what departments do, it may');
});

await t.test('is the only way by which a gateway writes purposes and grants', async (t) => {
  for (const statement of [
    "insert into registry.purpose values ('x-y', 'X', 'X', 'law')",
    "update registry.grant set status = 'active'",
    'delete from registry.grant_act',
    'delete from registry.answer',
    "update registry.answer set answer = '{}'",
  ])
    await t.rejects(pool.query(statement), { code: '42501' }, statement);
});

await t.test('leaves a whole log', async (t) => {
  await checkAuditLog(t, test);
});
