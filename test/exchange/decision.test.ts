import fc from 'fast-check';
import t from 'tap';
import { loadCatalogue, type Dataset } from '../../src/catalogue/catalogue.ts';
import { decide as decideAbout, type Decision } from '../../src/exchange/decision.ts';
import { read, type ReadBody } from '../../src/exchange/read.ts';
import type { DataRequest } from '../../src/exchange/request.ts';
import type { Authority, Grant } from '../../src/grants/authority.ts';
import { personaCitizens } from '../../src/sandbox/personas.ts';

const [citizens, citizens2] = loadCatalogue().datasets.filter(({ name }) => name === 'citizens') as [
  Dataset,
  Dataset,
];
const fieldNames = [...citizens.fields.keys()];
const now = new Date('2026-11-23T08:00:00.000Z');
const nowMs = now.getTime();
const hour = 3_600_000;
const token = { clientId: 'a-1', department: 'a', scopes: ['exchange'], expiresAtMs: nowMs + hour };
const title = { en: 'x', zh: 'x' };

let made = 0;
function grant(terms: Partial<Grant>): Grant {
  return {
    id: `grant-${String(++made).padStart(6, '0')}`,
    consumer: 'a',
    dataset: 'citizens',
    fields: ['name'],
    plainFields: [],
    verifyFields: [],
    dailyQuota: null,
    purposes: ['p'],
    status: 'active',
    validFromMs: nowMs - hour,
    validUntilMs: nowMs + hour,
    requires: [],
    ...terms,
  };
}

const over = { validUntilMs: nowMs - 1 };
const toCome = { validFromMs: nowMs + 1 };

function decide(
  grants: Grant[],
  asked: Partial<ReadBody & Omit<DataRequest<ReadBody>, 'body' | 'bodyFault'>> = {},
  at: Date = now,
  { purposes = ['p', 'q'], dataset = citizens } = {},
): Decision<ReadBody> {
  const authority: Authority = {
    version: 1,
    clients: new Map(),
    identityProviders: new Map(),
    purposes: new Map(purposes.map((code) => [code, { code, title, requires: [], confidentialDays: 0 }])),
    grantsOf: (consumer, dataset) =>
      grants.filter((one) => one.consumer === consumer && one.dataset === dataset),
  };
  const { id = personaCitizens[0]!.id, fields, ...headers } = asked;
  const request: DataRequest<ReadBody> = {
    purpose: 'p',
    caseNumber: null,
    official: null,
    traceId: null,
    headerFault: null,
    ...headers,
    body: { id, ...(fields !== undefined && { fields }) },
    bodyFault: null,
  };
  return decideAbout(read, { token, authority, dataset, request, now: at });
}

/** What was released, or the code of the refusal. */
function outcome(decision: Decision<ReadBody>): unknown {
  if (!decision.allowed) return decision.problem.code;
  return { fields: decision.fields, masked: decision.masked, grants: decision.grants };
}

await t.test('adds up what several grants give', (t) => {
  const b = grant({ id: 'b', fields: ['phone', 'id', 'name'], plainFields: ['id'] });
  const a = grant({ id: 'a', fields: ['phone', 'sex'], plainFields: ['phone'] });
  t.same(outcome(decide([b, a])), {
    fields: ['id', 'name', 'sex', 'phone'],
    masked: [],
    grants: ['a', 'b'],
  });
  t.same(outcome(decide([b])), { fields: ['id', 'name', 'phone'], masked: ['phone'], grants: ['b'] });
  t.end();
});

await t.test('names the grants that have any of the fields asked for, and no others', (t) => {
  const grants = [grant({ id: 'b', fields: ['name', 'sex'] }), grant({ id: 'a', fields: ['sex', 'phone'] })];
  t.match(outcome(decide(grants, { fields: ['name'] })), { grants: ['b'] });
  t.match(outcome(decide(grants, { fields: ['phone'] })), { grants: ['a'], masked: ['phone'] });
  t.match(outcome(decide(grants, { fields: ['sex'] })), { grants: ['a', 'b'] });
  t.match(outcome(decide(grants, { fields: ['phone', 'name'] })), { fields: ['phone', 'name'] });
  t.end();
});

await t.test(
  'takes nothing from grants that are not live, or for another purpose, client or dataset',
  (t) => {
    const others = [
      grant({ fields: ['phone'], ...over }),
      grant({ fields: ['phone'], ...toCome }),
      grant({ fields: ['phone'], purposes: ['q'] }),
      grant({ fields: ['phone'], consumer: 'b' }),
      grant({ fields: ['phone'], dataset: 'enterprises' }),
      ...(['applied', 'rejected', 'withdrawn', 'suspended', 'revoked'] as const).map((status) =>
        grant({ fields: ['phone'], status }),
      ),
    ];
    for (const other of others) {
      t.equal(outcome(decide([grant({}), other], { fields: ['name', 'phone'] })), 'field-not-granted');
      t.match(outcome(decide([grant({}), other])), { fields: ['name'] });
      const plain = { ...other, fields: ['id'], plainFields: ['id'] };
      t.match(
        outcome(decide([grant({ fields: ['id'] }), plain])),
        { masked: ['id'] },
        'nor that it is plain',
      );
    }
    t.end();
  },
);

await t.test('says best why there is no grant', (t) => {
  const q = { purposes: ['q'] };
  const suspended = { status: 'suspended' } as const;
  const cases: [grants: Grant[], code: string][] = [
    [[], 'no-grant'],
    [[grant(toCome)], 'no-grant'],
    [[grant({ status: 'revoked' })], 'no-grant'],
    [[grant({ status: 'applied' })], 'no-grant'],
    [[grant({ status: 'rejected' })], 'no-grant'],
    [[grant({ status: 'withdrawn', ...over })], 'no-grant'],
    [[grant({ status: 'revoked', ...over })], 'no-grant'],
    [[grant(over)], 'grant-expired'],
    [[grant(suspended)], 'grant-suspended'],
    [[grant(q)], 'purpose-not-granted'],
    [[grant(over), grant(suspended)], 'grant-suspended'],
    [[grant(over), grant(q)], 'grant-expired'],
    [[grant(suspended), grant(q)], 'grant-suspended'],
    [[grant(over), grant({ ...suspended, ...q })], 'grant-expired'],
    [[grant({ ...over, ...q }), grant(q)], 'purpose-not-granted'],
    [[grant({ ...suspended, ...q })], 'grant-suspended'],
    [[grant({ ...over, ...q })], 'grant-expired'],
    [[grant(toCome), grant(over)], 'grant-expired'],
  ];
  for (const [grants, code] of cases) {
    t.equal(outcome(decide(grants)), code);
    t.equal(outcome(decide(grants.toReversed())), code, 'in any order');
    t.match(
      outcome(decide([...grants, grant({})])),
      { fields: ['name'] },
      'a live grant beside it is enough',
    );
  }
  t.end();
});

await t.test('does not say that there is no grant when a suspended one has run out', (t) => {
  t.equal(outcome(decide([grant({ status: 'suspended', ...over })])), 'grant-expired');
  t.end();
});

await t.test('holds a grant from its first millisecond up to, but not at, its end', (t) => {
  const time = fc.integer({ min: Date.parse('2020-01-01'), max: Date.parse('2040-01-01') });
  const span = fc.tuple(time, fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: -3, max: 3 }));
  fc.assert(
    fc.property(span, fc.boolean(), ([from, length, offset], atEnd) => {
      const until = from + length;
      const at = (atEnd ? until : from) + offset;
      const decision = decide([grant({ validFromMs: from, validUntilMs: until })], {}, new Date(at));
      const expected = at < from ? 'no-grant' : at >= until ? 'grant-expired' : { fields: ['name'] };
      return typeof expected === 'string'
        ? outcome(decision) === expected
        : decision.allowed && decision.fields[0] === 'name';
    }),
  );
  t.match(outcome(decide([grant({ validFromMs: nowMs })])), { fields: ['name'] }, 'inclusive');
  t.equal(outcome(decide([grant({ validUntilMs: nowMs })])), 'grant-expired', 'exclusive');
  t.end();
});

const someGrant = fc
  .record({
    fields: fc.subarray(fieldNames, { minLength: 1 }),
    purposes: fc.subarray(['p', 'q'], { minLength: 1 }),
    status: fc.constantFrom<Grant['status']>('active', 'active', 'suspended', 'revoked', 'applied'),
    validFromMs: fc.integer({ min: -2, max: 1 }).map((n) => nowMs + n),
    length: fc.integer({ min: 1, max: 3 }),
    plain: fc.boolean(),
  })
  .map(({ length, plain, ...terms }) =>
    grant({
      ...terms,
      validUntilMs: terms.validFromMs + length,
      plainFields: plain ? terms.fields.slice(1) : [],
    }),
  );

await t.test(
  'releases no field that no live grant for the purpose gives, and masks what none gives plain',
  (t) => {
    const asked = fc.option(fc.shuffledSubarray(fieldNames, { minLength: 1 }), { nil: undefined });
    let released = 0;
    fc.assert(
      fc.property(fc.array(someGrant, { maxLength: 5 }), asked, (grants, fields) => {
        const decision = decide(grants, fields === undefined ? {} : { fields });
        if (!decision.allowed) return true;
        released++;
        const live = (one: Grant): boolean =>
          one.status === 'active' &&
          one.purposes.includes('p') &&
          one.validFromMs <= nowMs &&
          nowMs < one.validUntilMs;
        const named = grants.filter(({ id }) => decision.grants.includes(id));
        return (
          named.every(live) &&
          decision.fields.length > 0 &&
          (fields === undefined || decision.fields.join() === fields.join()) &&
          decision.fields.every((name) => {
            const plain = named.some(({ plainFields }) => plainFields.includes(name));
            const masks = citizens.fields.get(name)!.mask !== null;
            const given = named.some((one) => one.fields.includes(name));
            return given && decision.masked.includes(name) === (masks && !plain);
          })
        );
      }),
      { numRuns: 3000 },
    );
    t.ok(released > 100, 'many were released');
    t.end();
  },
);

await t.test('gives no less for one grant more', (t) => {
  fc.assert(
    fc.property(fc.array(someGrant, { maxLength: 4 }), someGrant, (grants, more) => {
      const before = decide(grants);
      const after = decide([...grants, more]);
      if (!before.allowed) return true;
      return after.allowed && before.fields.every((name) => after.fields.includes(name));
    }),
    { numRuns: 500 },
  );
  t.end();
});

await t.test('suggests nothing where no purpose is registered', (t) => {
  t.equal(outcome(decide([], {}, now, { purposes: [] })), 'purpose-unknown');
  t.end();
});

await t.test('takes grants in a version by what they name, and each for what it covers', (t) => {
  const whole = grant({ id: 'whole', fields: ['household_address'], plainFields: ['household_address'] });
  const part = grant({ id: 'part', fields: ['city', 'phone'], plainFields: ['phone'] });
  const fields = ['city', 'mobile_phone', 'address_detail'];
  t.same(outcome(decide([whole, part], { fields }, now, { dataset: citizens2 })), {
    fields,
    masked: [],
    grants: ['part', 'whole'],
  });
  t.match(outcome(decide([whole, part], { fields: ['district'] }, now, { dataset: citizens2 })), {
    grants: ['whole'],
  });
  t.same(
    outcome(decide([part], { fields: ['city', 'district'] }, now, { dataset: citizens2 })),
    'field-not-granted',
  );
  t.match(outcome(decide([part])), { fields: ['phone'] });
  t.end();
});

await t.test('releases nothing of a dataset that became prohibited, whatever was granted', (t) => {
  const dataset = { ...citizens, sharing: 'prohibited' as const };
  t.equal(outcome(decide([grant({})], {}, now, { dataset })), 'no-grant');
  t.end();
});

await t.test('knows no grant whose fields the dataset does not have in this version', (t) => {
  t.equal(outcome(decide([grant({ fields: ['gone', 'renamed'] })])), 'no-grant');
  const partly = grant({ fields: ['gone', 'name'] });
  t.strictSame(outcome(decide([partly])), { fields: ['name'], masked: [], grants: [partly.id] });
  t.end();
});
