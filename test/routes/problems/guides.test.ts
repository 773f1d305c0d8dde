import t from 'tap';
import { errorTable } from '../../../src/base/error-table.ts';
import { guides } from '../../../src/routes/problems/guides.ts';

const languages = ['zh', 'en'] as const;
const advice = Object.entries(guides).flatMap(([code, guide]) =>
  languages.map((language) => ({ code, language, ...guide[language] })),
);

await t.test('says of every code the cause, the fix and whom to ask, in both languages', async (t) => {
  t.same(Object.keys(guides).sort(), Object.keys(errorTable).sort());
  for (const { code, language, cause, fix, ask } of advice) {
    t.ok(fix.length > 0, `${code} has a fix`);
    for (const prose of [cause, ask, ...fix])
      t.match(prose, language === 'zh' ? /\p{Script=Han}.*。$/u : /^[\w`][^\p{Script=Han}]+\.$/u, code);
  }
});

await t.test('gives as many steps in one language as in the other, and names the same things', async (t) => {
  const typed = (texts: readonly string[]): string[] =>
    [...texts.join(' ').matchAll(/`([\w./-]+)`/g)].map((match) => match[1]!).sort();
  for (const [code, { zh, en }] of Object.entries(guides)) {
    t.equal(zh.fix.length, en.fix.length, code);
    for (const [i, step] of zh.fix.entries())
      t.same([...new Set(typed([step]))], [...new Set(typed([en.fix[i]!]))], `${code}, step ${i + 1}`);
    t.same([...new Set(typed([zh.cause, zh.ask]))], [...new Set(typed([en.cause, en.ask]))], code);
  }
});

await t.test('closes every backtick', async (t) => {
  for (const { code, language, cause, fix, ask } of advice)
    for (const prose of [cause, ask, ...fix])
      t.equal((prose.match(/`/g)?.length ?? 0) % 2, 0, `${code} ${language}`);
});
