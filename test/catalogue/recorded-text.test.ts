import t from 'tap';
import { checkRecordedText, readRecordedHeader, reasonOption } from '../../src/catalogue/recorded-text.ts';
import { ProblemError, UserError } from '../../src/base/errors.ts';

const ids = ['11010519491231002X', 'case 11010519491231002x of today', 'T-91350100M000100Y43-7'];

await t.test('takes what people say, in whatever script', (t) => {
  for (const text of ['HY-2026-000123', '婚姻登记条例 第七条', "the office's complaint 2026-17"]) {
    t.doesNotThrow(() => checkRecordedText('#/reason', text));
    t.equal(reasonOption(` ${text} `), text);
    t.same(readRecordedHeader({ said: encodeURIComponent(text) }, 'said', 64), { text, fault: null });
  }
  t.end();
});

await t.test("takes nobody's id, and does not repeat it", (t) => {
  for (const text of ids) {
    t.throws(() => checkRecordedText('#/reason', text), {
      name: ProblemError.name,
      code: 'invalid-request',
      errors: [{ pointer: '#/reason', detail: { en: /must not hold anybody's id/ } }],
    });
    t.throws(() => reasonOption(text), {
      name: UserError.name,
      message: /^--reason: must not hold anybody's id/,
    });
    const { text: read, fault } = readRecordedHeader({ said: encodeURIComponent(text) }, 'said', 64);
    t.equal(read, null);
    t.match(fault, { en: /^the header said must not hold/, zh: /标识号/ });
    t.notMatch(fault!.en, /\d{6}/);
  }
  t.end();
});

await t.test('takes no blanks and nothing that can not be read', (t) => {
  for (const text of ['', ' ', '\u3000', 'a\0b', 'a\nb', '\ud800']) {
    t.throws(() => checkRecordedText('#/reason', text), { code: 'invalid-request' });
    t.throws(() => reasonOption(text), { message: /one line of 1 to 1000 characters/ });
  }
  t.end();
});
