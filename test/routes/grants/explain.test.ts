import fc from 'fast-check';
import t from 'tap';
import { checkProblem } from '../../helpers/checks.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { countEntries } from '../../helpers/log.ts';
import {
  admin,
  auditor,
  consumer,
  portal,
  provider,
  startGoverning,
  type Who,
} from '../../helpers/governing.ts';

const test = await startGoverning(t);
const { judge } = test;
const id = '999901198804120024';
const civilAffairs: Who = ['civil-affairs', 'exchange'];
const purpose = 'marriage-registration';

interface Explained {
  allowed: boolean;
  code: string | null;
  rule: { zh: string; en: string } | null;
  fields: { name: string; allowed: boolean; masked: boolean; grants: string[] }[];
}

await t.test('tells a department what its grants allow, and leaves no entry', async (t) => {
  await test.token('civil-affairs', ['exchange']);
  const before = await countEntries(test);
  const answer = await test.post(civilAffairs, '/v1/grants/explain', {
    dataset: 'citizens',
    purpose,
    fields: ['name', 'mobile_phone'],
  });
  t.equal(answer.statusCode, 200);
  judge.checkAnswer(t, 'explainGrants', answer);
  t.match(answer.json(), {
    consumer: 'civil-affairs',
    version: 2,
    operation: 'read',
    allowed: true,
    code: null,
    rule: null,
    granted_by: 'public-security',
    fields: [
      { name: 'name', allowed: true, masked: false },
      { name: 'mobile_phone', allowed: true, masked: true },
    ],
    requires: [],
    grants: [{ daily_quota: null }],
  });
  t.equal(await countEntries(test), before);
});

await t.test('says what refuses, by which rule, and which fields', async (t) => {
  const explain = async (who: Who, body: object): Promise<Explained> => {
    const answer = await test.post(who, '/v1/grants/explain', body);
    t.equal(answer.statusCode, 200, answer.body);
    judge.checkAnswer(t, 'explainGrants', answer);
    return answer.json<Explained>();
  };
  t.match(await explain(civilAffairs, { dataset: 'citizens', purpose, fields: ['name', 'ethnicity'] }), {
    allowed: false,
    code: 'field-not-granted',
    rule: { en: /every field asked for must be granted/ },
    fields: [
      { name: 'name', allowed: true },
      { name: 'ethnicity', allowed: false, grants: [] },
    ],
  });
  t.match(await explain(civilAffairs, { dataset: 'citizens', purpose: 'social-assistance' }), {
    allowed: true,
    requires: ['case', 'official'],
  });
  for (const [who, body, code] of [
    [civilAffairs, { dataset: 'enterprises', purpose }, 'no-grant'],
    [civilAffairs, { dataset: 'citizens', purpose: 'tax-assessment' }, 'purpose-not-granted'],
    [civilAffairs, { dataset: 'citizens', purpose: 'gossip' }, 'purpose-unknown'],
    [consumer, { dataset: 'citizens', purpose: 'tax-assessment' }, 'grant-suspended'],
    [['human-resources', 'exchange'], { dataset: 'citizens', purpose: 'social-insurance' }, 'grant-expired'],
    [auditor, { dataset: 'citizens', purpose }, 'no-grant'],
    [portal, { dataset: 'citizens', purpose }, 'no-grant'],
    [provider, { dataset: 'citizens', purpose }, 'no-grant'],
  ] as [Who, object, string][])
    t.match(
      await explain(who, body),
      { allowed: false, code, rule: { zh: /\S/, en: /\S/ } },
      `${who[0]} ${code}`,
    );
});

await t.test('explains others to administrators alone', async (t) => {
  const body = { consumer: 'civil-affairs', dataset: 'citizens', purpose };
  t.match((await test.post(admin, '/v1/grants/explain', body)).json(), {
    consumer: 'civil-affairs',
    allowed: true,
  });
  for (const who of [consumer, provider, auditor, portal]) {
    const answer = await test.post(who, '/v1/grants/explain', body);
    judge.checkAnswer(t, 'explainGrants', answer);
    checkProblem(t, answer, { status: 404, code: 'not-found' });
  }
});

await t.test('refuses what it does not understand', async (t) => {
  for (const [body, code, pointer] of [
    [{ dataset: 'vehicles', purpose }, 'invalid-request', '#/dataset'],
    [{ dataset: 'enterprises', version: 2, purpose }, 'invalid-request', '#/version'],
    [{ dataset: 'citizens', purpose, fields: ['shoe_size'] }, 'unknown-field', '#/fields/0'],
    [
      { dataset: 'citizens', purpose: 'gossip', fields: ['name', 'shoe_size'] },
      'unknown-field',
      '#/fields/1',
    ],
    [{ dataset: 'citizens' }, 'invalid-request', '#'],
    [{ dataset: 'citizens', purpose, operation: 'delete' }, 'invalid-request', '#/operation'],
  ] as const) {
    const answer = await test.post(civilAffairs, '/v1/grants/explain', body);
    judge.checkAnswer(t, 'explainGrants', answer);
    const { errors } = checkProblem(t, answer, { status: 400, code });
    t.equal(errors?.[0]?.pointer, pointer);
  }
});

await t.test('explains what an exchange then decides, whatever is asked', async (t) => {
  await test.grant({
    consumer: 'civil-affairs',
    dataset: 'citizens',
    fields: ['ethnicity', 'city'],
    verifyFields: ['region_code'],
    plainFields: ['ethnicity'],
    purposes: [purpose, 'tax-assessment'],
  });
  const names = (version: number): string[] => [
    ...test.gateway.catalogue.datasets
      .find((dataset) => dataset.name === 'citizens' && dataset.version === version)!
      .fields.keys(),
  ];
  const question = fc.constantFrom(1, 2).chain((version) =>
    fc.record({
      version: fc.constant(version),
      purpose: fc.constantFrom(purpose, 'tax-assessment', 'social-insurance', 'gossip'),
      fields: fc.option(fc.uniqueArray(fc.constantFrom(...names(version)), { minLength: 1, maxLength: 4 })),
    }),
  );
  await fc.assert(
    fc.asyncProperty(question, async ({ version, purpose: asked, fields }) => {
      const body = fields === null ? {} : { fields };
      const explained = (
        await test.post(civilAffairs, '/v1/grants/explain', {
          dataset: 'citizens',
          version,
          purpose: asked,
          ...body,
        })
      ).json<Explained>();
      const read = await test.read('citizens', { id, ...body }, { version, purpose: asked });
      const masked = String(read.headers['exchange-masked'] ?? '')
        .split(', ')
        .filter(Boolean);
      const released = explained.fields.filter(({ allowed }) => allowed);
      if (!explained.allowed) {
        t.equal(read.json<{ code: string }>().code, explained.code);
        return;
      }
      t.equal(read.statusCode, 200);
      const said = Object.keys(read.json<object>()).sort();
      t.same(said, released.map(({ name }) => name).sort());
      t.same(
        masked.sort(),
        released
          .filter((field) => field.masked)
          .map(({ name }) => name)
          .sort(),
      );
    }),
    { numRuns: 80 },
  );
  await checkAuditLog(t, test);
});
