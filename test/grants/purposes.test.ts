import t from 'tap';
import { UserError } from '../../src/base/errors.ts';
import { addPurpose, listPurposes, type PurposeSummary } from '../../src/grants/purposes.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { createDatabase } from '../helpers/database.ts';
import { actor } from '../helpers/keys.ts';
import { countEntries } from '../helpers/log.ts';

const test = await createDatabase(t);
const { database } = test;

const purpose: PurposeSummary = {
  code: 'housing-subsidy',
  title: { zh: '住房补贴', en: 'Housing subsidy' },
  legal_basis: '公共租赁住房管理办法',
  requires: ['official', 'case', 'official'],
  confidential_days: 30,
};

await t.test('registers a purpose and its entry together', async (t) => {
  await addPurpose(database, { client: 'c', consumer: 'data-bureau' }, purpose);
  const listed = await listPurposes(database);
  t.strictSame(
    listed.find(({ code }) => code === purpose.code),
    { ...purpose, requires: ['case', 'official'] },
  );
  t.strictSame(
    listed.map(({ code }) => code),
    listed.map(({ code }) => code).sort(),
  );
  const entry = (await checkAuditLog(t, test)).at(-1)!;
  const { id: _, time: __, ...rest } = entry;
  t.strictSame(rest, {
    format: 'onevisit-entry/1',
    kind: 'purpose',
    operation: 'purpose-add',
    client: 'c',
    consumer: 'data-bureau',
    purpose: 'housing-subsidy',
    outcome: 'done',
    details: {
      title: { zh: '住房补贴', en: 'Housing subsidy' },
      legal_basis: '公共租赁住房管理办法',
      requires: ['case', 'official'],
      confidential_days: 30,
    },
  });
});

const refusals: [string, Partial<PurposeSummary>, RegExp][] = [
  ['a code in capitals', { code: 'Housing' }, /purpose: "Housing" must be lower-case/],
  ['a code of one letter', { code: 'h' }, /2 to 63/],
  ['a code of 64 letters', { code: 'h'.repeat(64) }, /2 to 63/],
  ['an empty code', { code: '' }, /2 to 63/],
  ['a demand that there is not', { code: 'new', requires: ['case', 'fee'] }, /not fee/],
  ['a part of a day', { code: 'new', confidential_days: 0.5 }, /whole number/],
  ['days that are no number', { code: 'new', confidential_days: NaN }, /whole number/],
  ['negative days', { code: 'new', confidential_days: -1 }, /0 to 36500/],
  ['days beyond a century', { code: 'new', confidential_days: 36_501 }, /0 to 36500/],
  ['a code that is taken', {}, /there is a purpose "housing-subsidy" already/],
];
for (const [what, change, message] of refusals)
  await t.test(`refuses a purpose with ${what}`, async (t) => {
    const before = await countEntries(test);
    await t.rejects(addPurpose(database, actor, { ...purpose, ...change }), {
      name: UserError.name,
      message,
    });
    t.equal(await countEntries(test), before);
    t.notOk((await listPurposes(database)).some(({ code }) => code === 'new'));
  });

await t.test('registers one of two of a code that come at once', async (t) => {
  const twice = [1, 2].map(() => addPurpose(database, actor, { ...purpose, code: 'twice' }));
  const results = await Promise.allSettled(twice);
  t.strictSame(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  t.type(results.find((result) => result.status === 'rejected')?.reason, UserError);
  await checkAuditLog(t, test);
});
