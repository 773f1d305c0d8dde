import fc from 'fast-check';
import t from 'tap';
import { loadCatalogue } from '../../src/catalogue/catalogue.ts';
import {
  findClaimFault,
  judgeClaim,
  listClaimOperators,
  type Claim,
  type ClaimVerdict,
} from '../../src/exchange/claims.ts';

const { datasets } = loadCatalogue();
const citizens = datasets.find(({ name }) => name === 'citizens')!;
const enterprises = datasets.find(({ name }) => name === 'enterprises')!;
const name = citizens.fields.get('name')!;
const birthDate = citizens.fields.get('birth_date')!;
const capital = enterprises.fields.get('registered_capital')!;
const today = '2026-11-25';

await t.test('judges what is claimed of a value', (t) => {
  const cases: [claim: Claim, value: unknown, verdict: ClaimVerdict][] = [
    ['欧阳清荷', '欧阳清荷', 'match'],
    ['欧阳清和', '欧阳清荷', 'mismatch'],
    ['示例（甲）', '示例(甲)', 'match'],
    ['Ａ１', 'A1', 'match'],
    ['e\u0301', '\u00e9', 'match'],
    ['\ufa19', '\u795e', 'match'],
    ['𬸚', '𬸚', 'match'],
    ['a', 'A', 'mismatch'],
    ['', 'x', 'mismatch'],
    [5, 5, 'match'],
    [5, 6, 'mismatch'],
    [true, true, 'match'],
    [{ one_of: ['single', 'divorced'] }, 'divorced', 'match'],
    [{ one_of: ['single', 'divorced'] }, 'married', 'mismatch'],
    [{ one_of: ['Ａ'] }, 'A', 'match'],
    [{ one_of: [1, 2] }, 2, 'match'],
    [{ prefix: '9999' }, '999901', 'match'],
    [{ prefix: '欧' }, '欧阳', 'match'],
    [{ prefix: '阳' }, '欧阳', 'mismatch'],
    [{ before: '2000-01-02' }, '2000-01-01', 'match'],
    [{ before: '2000-01-01' }, '2000-01-01', 'mismatch'],
    [{ on_or_before: '2000-01-01' }, '2000-01-01', 'match'],
    [{ on_or_before: '1999-12-31' }, '2000-01-01', 'mismatch'],
    [{ after: '2000-01-01' }, '2000-01-01', 'mismatch'],
    [{ after: '1999-12-31' }, '2000-01-01', 'match'],
    [{ on_or_after: '2000-01-01' }, '2000-01-01', 'match'],
    [{ on_or_after: '2000-01-02' }, '2000-01-01', 'mismatch'],
    [{ on_or_after: '2000-01-01', before: '2001-01-01' }, '2000-06-01', 'match'],
    [{ on_or_after: '2000-01-01', before: '2001-01-01' }, '2001-01-01', 'mismatch'],
    [{ age_at_least: 18 }, '2008-11-25', 'match'],
    [{ age_at_least: 18 }, '2008-11-26', 'mismatch'],
    [{ age_at_least: 0 }, '2026-11-25', 'match'],
    [{ exists: true }, 'x', 'match'],
    [{ exists: false }, 'x', 'mismatch'],
    [{ exists: true }, null, 'mismatch'],
    [{ exists: false }, null, 'match'],
    [{ exists: true, prefix: 'a' }, 'b', 'mismatch'],
    [{ exists: false, prefix: 'a' }, null, 'unknown'],
    ['x', null, 'unknown'],
    [{ age_at_least: 18 }, null, 'unknown'],
    [{ one_of: ['a'] }, null, 'unknown'],
  ];
  for (const [claim, value, verdict] of cases)
    t.equal(judgeClaim(claim, value, today), verdict, `${JSON.stringify(claim)} of ${JSON.stringify(value)}`);
  t.end();
});

await t.test('finds of two dates exactly one before the other, or that they are the same', (t) => {
  const date = fc
    .date({ min: new Date('1900-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })
    .map((at) => at.toISOString().slice(0, 10));
  const is = (claim: Claim, value: string): boolean => judgeClaim(claim, value, today) === 'match';
  fc.assert(
    fc.property(date, date, (a, b) => {
      const before = is({ before: b }, a);
      const after = is({ after: b }, a);
      const same = is(b, a);
      return (
        Number(before) + Number(after) + Number(same) === 1 &&
        is({ on_or_before: b }, a) === (before || same) &&
        is({ on_or_after: b }, a) === (after || same)
      );
    }),
  );
  t.end();
});

await t.test('finds texts the same exactly when their normal forms are', (t) => {
  const text = fc.string({ unit: 'binary', maxLength: 5 });
  fc.assert(
    fc.property(text, text, (a, b) => {
      const same = a.normalize('NFKC') === b.normalize('NFKC');
      return (
        (judgeClaim(a, b, today) === 'match') === same &&
        judgeClaim(a.normalize('NFD'), a, today) === 'match' &&
        judgeClaim({ one_of: ['never', a] }, a, today) === 'match'
      );
    }),
  );
  t.end();
});

await t.test('says where a claim makes no sense for its field, and never what was claimed', (t) => {
  const cases: [field: typeof name, claim: Claim, at: string | null][] = [
    [name, 'secret', null],
    [name, 5, ''],
    [name, true, ''],
    [name, { prefix: 'secret' }, null],
    [name, { age_at_least: 18 }, '/age_at_least'],
    [name, { before: '2000-01-01' }, '/before'],
    [name, { one_of: ['secret', 7] }, '/one_of/1'],
    [birthDate, '2000-01-01', null],
    [birthDate, 'secret', ''],
    [birthDate, '2000-02-30', ''],
    [birthDate, { prefix: '2000' }, '/prefix'],
    [birthDate, { one_of: ['2000-01-01', 'secret'] }, '/one_of/1'],
    [birthDate, { age_at_least: 18, exists: true }, null],
    [capital, 5000, null],
    [capital, '5000', ''],
    [capital, { prefix: 'secret' }, '/prefix'],
    [capital, { one_of: [1, 2] }, null],
  ];
  for (const [field, claim, at] of cases) {
    const fault = findClaimFault(field, claim);
    t.equal(fault?.at ?? null, at, `${field.name} ${JSON.stringify(claim)}`);
    if (fault !== null) t.notMatch(JSON.stringify(fault.detail), /secret|2000|5000/);
  }
  t.same(listClaimOperators(name), ['one_of', 'exists', 'prefix']);
  t.same(listClaimOperators(capital), ['one_of', 'exists']);
  t.end();
});
