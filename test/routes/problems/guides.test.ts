import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { errorTable } from '../../../src/base/error-table.ts';
import { parseGuide } from '../../../src/routes/problems/guide.ts';
import { readGuides } from '../../../src/routes/problems/guides.ts';
import { newFolder } from '../../helpers/folder.ts';

const guides = readGuides();

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

await t.test('demands a file for every code, and none beside', async (t) => {
  const folder = newFolder(t);
  cpSync(join(import.meta.dirname, '../../../src/routes/problems/guides'), folder, { recursive: true });
  t.same(readGuides(folder), guides);
  writeFileSync(join(folder, 'no-such-code.md'), readFileSync(join(folder, 'no-grant.md')));
  t.throws(() => readGuides(folder), /has files of no error: no-such-code\.md/);
  rmSync(join(folder, 'no-such-code.md'));
  rmSync(join(folder, 'no-grant.md'));
  t.throws(() => readGuides(folder), /no-grant\.md can not be used: ENOENT/);
  writeFileSync(join(folder, 'no-grant.md'), '# English\n');
  t.throws(() => readGuides(folder), /no-grant\.md can not be used: the headings/);
});

await t.test('reads a guide only where every part is there, in its place', async (t) => {
  const good =
    '# English\n\n## Cause\n\nA.\n\n## Fix\n\n1. B.\n2. C.\n\n## Whom to ask\n\nD.\n\n' +
    '# 中文\n\n## 原因\n\n甲。\n\n## 处理办法\n\n1. 乙。\n2. 丙。\n\n## 咨询对象\n\n丁。\n';
  t.same(parseGuide(good), {
    en: { cause: 'A.', fix: ['B.', 'C.'], ask: 'D.' },
    zh: { cause: '甲。', fix: ['乙。', '丙。'], ask: '丁。' },
  });
  const bad: [from: string, to: string, message: RegExp][] = [
    ['# 中文', '# Chinese', /headings must be # English, # 中文/],
    ['# English', 'Text.\n\n# English', /nothing before/],
    ['## Whom to ask\n\nD.\n\n', '', /headings must be ## Cause, ## Fix, ## Whom to ask/],
    ['## Fix', '## Causes\n\nE.\n\n## Fix', /headings must be/],
    ['甲。', '', /nothing below ## 原因/],
    ['A.', 'A.\n\nB.', /more than one line below ## Cause/],
    ['2. C.', '- C.', /"- C\." does not begin with "2\. "/],
    ['2. C.', '3. C.', /does not begin with "2\. "/],
  ];
  for (const [from, to, message] of bad) t.throws(() => parseGuide(good.replace(from, to)), message, to);
});
