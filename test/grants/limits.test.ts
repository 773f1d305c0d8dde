import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import t from 'tap';
import { createCalendar } from '../../src/base/calendar.ts';
import { loadCatalogue } from '../../src/catalogue/catalogue.ts';
import { readAuthority, type Grant } from '../../src/grants/authority.ts';
import { connectionConfig } from '../../src/db/connection.ts';
import { addGrant } from '../../src/grants/administer-grants.ts';
import { openLimits, type Limits } from '../../src/grants/limits.ts';
import { createDatabase } from '../helpers/database.ts';
import { actor } from '../helpers/keys.ts';

const database = await createDatabase(t);
const calendar = createCalendar('Asia/Shanghai');
const today = new Date('2026-11-25T04:00:00.000Z');
const tomorrow = new Date('2026-11-25T16:00:00.000Z');

async function newGrant(dailyQuota?: number): Promise<Grant> {
  const { id } = await addGrant(database.database, loadCatalogue(), actor, {
    consumer: 'civil-affairs',
    dataset: 'enterprises',
    fields: ['name'],
    plainFields: [],
    purposes: ['tax-assessment'],
    validFrom: new Date(0),
    validUntil: new Date('2100-01-01'),
    ...(dailyQuota !== undefined && { dailyQuota }),
  });
  const authority = await readAuthority(database.pool);
  return authority.grantsOf('civil-affairs', 'enterprises').find((grant) => grant.id === id)!;
}

/** The limits of one gateway, with the statements that it sent. */
function newGateway(): { limits: Limits; statements: string[]; pool: pg.Pool } {
  const pool = new pg.Pool({ ...connectionConfig(database.gatewayUrl, 'test'), max: 2 });
  t.teardown(() => pool.end());
  const statements: string[] = [];
  const query = pool.query.bind(pool) as (text: string, values?: unknown[]) => Promise<unknown>;
  Object.assign(pool, {
    query(text: string, values?: unknown[]) {
      statements.push(text);
      return query(text, values);
    },
  });
  return { limits: openLimits(pool, calendar), statements, pool };
}

async function isCharged(limits: Limits, grants: Grant[], subjects: number, at = today): Promise<boolean> {
  try {
    await limits.charge(
      grants.map((grant) => ({ grant, subjects })),
      at,
    );
    return true;
  } catch (error) {
    if ((error as { code?: string }).code !== 'quota-exceeded') throw error;
    return false;
  }
}

async function leased(grant: Grant): Promise<number> {
  const { rows } = await database.pool.query<{ leased: number }>(
    'select coalesce(sum(leased), 0)::int as leased from limits.lease where grant_id = $1',
    [grant.id],
  );
  return rows[0]!.leased;
}

await t.test('charges nothing where a grant has no quota', async (t) => {
  const { limits, statements } = newGateway();
  t.equal(await isCharged(limits, [await newGrant()], 1_000_000), true);
  t.equal(statements.length, 0);
});

await t.test('gives exactly as many subjects as a day has, to one gateway', async (t) => {
  const grant = await newGrant(100);
  const { limits } = newGateway();
  let given = 0;
  for (let i = 0; i < 130; i++) if (await isCharged(limits, [grant], 1)) given++;
  t.equal(given, 100);
  await t.rejects(limits.charge([{ grant, subjects: 1 }], today), {
    code: 'quota-exceeded',
    params: { quota: '100', consumer: 'civil-affairs', dataset: 'enterprises' },
    headers: { 'retry-after': String(12 * 60 * 60) },
  });
  t.equal(await isCharged(limits, [grant], 1, tomorrow), true, 'the next day has as many again');
});

await t.test('gives no more than a day has to several gateways at once, and little less', async (t) => {
  const quota = 3000;
  const grant = await newGrant(quota);
  const gateways = Array.from({ length: 4 }, newGateway);
  const sizes = [1, 1, 1, 7, 20];
  let given = 0;
  await Promise.all(
    gateways.flatMap(({ limits }, g) =>
      Array.from({ length: 5 }, async (_, worker) => {
        for (let i = 0; i < 100; i++) {
          const subjects = sizes[(g + worker + i) % sizes.length]!;
          if (await isCharged(limits, [grant], subjects)) given += subjects;
        }
      }),
    ),
  );
  t.ok(given <= quota, `${given} of ${quota}`);
  t.ok(given > quota * 0.98, `${given} of ${quota}: little lies idle`);
  for (const { limits } of gateways) await limits.close();
  t.equal(await leased(grant), given, 'what was not used is given back');
});

await t.test('waits for the database once in a long while, and more often near the end', async (t) => {
  const grant = await newGrant(100_000);
  const { limits, statements } = newGateway();
  for (let i = 0; i < 20_000; i++) {
    await limits.charge([{ grant, subjects: 1 }], today);
    if (i % 100 === 0) await sleep(0);
  }
  const takes = statements.filter((text) => text.includes('limits.take')).length;
  t.ok(takes < 40, `${takes} statements for 20,000 exchanges`);
  t.ok((await leased(grant)) < 26_000, 'and does not take the whole day for itself');
});

await t.test('refuses what is too much, and still gives what is left', async (t) => {
  const grant = await newGrant(50);
  const { limits } = newGateway();
  t.equal(await isCharged(limits, [grant], 51), false);
  t.equal(await isCharged(limits, [grant], 30), true);
  t.equal(await isCharged(limits, [grant], 21), false);
  t.equal(await isCharged(limits, [grant], 20), true);
  t.equal(await isCharged(limits, [grant], 1), false);
});

await t.test('charges every grant or none', async (t) => {
  const [large, small] = [await newGrant(100), await newGrant(3)];
  const { limits } = newGateway();
  for (let i = 0; i < 5; i++) t.equal(await isCharged(limits, [large, small], 1), i < 3);
  await limits.close();
  t.equal(await leased(large), 3);
  t.equal(await leased(small), 3);
});

await t.test('gives what another gateway gave back', async (t) => {
  const grant = await newGrant(160);
  const [one, two] = [newGateway(), newGateway()];
  t.equal(await isCharged(one.limits, [grant], 1), true);
  t.equal(await isCharged(two.limits, [grant], 159), false, 'some is on lease with the first');
  await one.limits.close();
  await sleep(1100);
  t.equal(await isCharged(two.limits, [grant], 159), true);
});

await t.test('keeps the leases of two days apart, as exchanges around midnight need them', async (t) => {
  const grant = await newGrant(3200);
  const { limits } = newGateway();
  const [before, after] = [new Date(tomorrow.getTime() - 1), tomorrow];
  for (let i = 0; i < 15; i++)
    for (const at of [before, after]) t.equal(await isCharged(limits, [grant], 1, at), true);
  limits.refund(grant, 5, before);
  await limits.close();
  const { rows } = await database.pool.query<{ day: string; leased: number }>(
    'select day, leased::int from limits.lease where grant_id = $1 order by day',
    [grant.id],
  );
  t.same(rows, [
    { day: '2026-11-25', leased: 10 },
    { day: '2026-11-26', leased: 15 },
  ]);
});

await t.test('asks the database of a subject that is used up no more, and of few at a time', async (t) => {
  const { limits, statements } = newGateway();
  const ref = Buffer.alloc(16, 2).toString('base64url');
  const count = (by = ref): Promise<string> =>
    limits.countAttempt('taxation', by, today).then(
      () => 'counted',
      (error: { code: string }) => error.code,
    );
  for (let i = 0; i < 6; i++) t.equal(await count(), i < 5 ? 'counted' : 'guess-limit');
  const before = statements.length;
  t.equal(await count(), 'guess-limit');
  t.equal(statements.length, before, 'without the database');
  t.equal(
    await limits.countAttempt('taxation', ref, tomorrow).then(() => 'counted'),
    'counted',
    'on the next day again',
  );
  const others = Array.from({ length: 300 }, (_, i) => Buffer.alloc(16, `other ${i}`).toString('base64url'));
  const codes = await Promise.all(others.map((other) => count(other)));
  t.equal(codes.filter((code) => code === 'counted').length, 200);
  t.equal(codes.filter((code) => code === 'overloaded').length, 100);
});

await t.test('asks the database about a quota that is used up once a second at most', async (t) => {
  const grant = await newGrant(1);
  const { limits, statements } = newGateway();
  t.equal(await isCharged(limits, [grant], 1), true);
  const before = statements.length;
  for (let i = 0; i < 50; i++) t.equal(await isCharged(limits, [grant], 1), false);
  t.ok(statements.length - before <= 2, `${statements.length - before} statements`);
});

await t.test('says that the store is away when it can not count', async (t) => {
  const grant = await newGrant(10);
  const pool = new pg.Pool({ connectionString: 'postgresql://127.0.0.1:1/none' });
  t.teardown(() => pool.end());
  const limits = openLimits(pool, calendar);
  await t.rejects(limits.charge([{ grant, subjects: 1 }], today), { code: 'store-unavailable' });
  const ref = Buffer.alloc(16).toString('base64url');
  await t.rejects(limits.countAttempt('civil-affairs', ref, today), { code: 'store-unavailable' });
});

await t.test('forgets the days that are over', async (t) => {
  const { limits } = newGateway();
  const ref = Buffer.alloc(16, 1).toString('base64url');
  const days = async (): Promise<string[]> => {
    const { rows } = await database.pool.query<{ day: string }>(
      `select day from limits.verification where consumer = 'public-security' order by day`,
    );
    return rows.map(({ day }) => day);
  };
  const at = (days: number): Date => new Date(Date.now() + days * 24 * 60 * 60 * 1000);
  for (const ago of [-9, -5]) await limits.countAttempt('public-security', ref, at(ago));
  await limits.countAttempt('public-security', ref, at(0));
  for (let i = 0; i < 50 && (await days()).length > 1; i++) await sleep(20);
  t.same(await days(), [calendar.dayOf(at(0))]);
  await t.rejects(
    database.pool.query('select limits.forget(current_date)'),
    /the day before yesterday/,
    'and nothing of today, whoever asks for it',
  );
});

await t.test('lets the role of gateways touch the counts by functions alone', async (t) => {
  const { pool } = newGateway();
  for (const statement of [
    'select * from limits.verification',
    'delete from limits.lease',
    `update limits.lease set leased = 0`,
  ])
    await t.rejects(pool.query(statement), { code: '42501' }, statement);
  await t.rejects(
    pool.query('select limits.give_back($1, $2, $3)', ['2026-11-25', randomUUID(), -5]),
    /must not be negative/,
  );
  await t.rejects(
    pool.query('select limits.take($1, $2, $3)', ['2026-11-25', randomUUID(), 0]),
    /at least 1/,
  );
});
