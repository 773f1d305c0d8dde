import { readFileSync, statSync } from 'node:fs';
import t from 'tap';
import { loadCsv } from '../../src/records/load.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { createDatabase } from '../helpers/database.ts';
import { actor } from '../helpers/keys.ts';
import { writeFileSync } from 'node:fs';
import { citizens, find, header, idOf, isAlone, load, newFile, rejectsOf, rowOf } from '../helpers/files.ts';

const test = await createDatabase(t);
const [good] = [idOf(1)];
const wrongDigit = good.slice(0, 17) + (good.endsWith('1') ? '2' : '1');

const badRows: [string, string, RegExp][] = [
  ['a wrong check digit', `${wrongDigit},甲,male,1990-01-01,999801`, /^id: .*resident-id/],
  ['a day that the calendar has not', `${good},甲,male,1990-02-30,999801`, /^birth_date: .*date/],
  ['a date written another way', `${good},甲,male,1990/01/01,999801`, /^birth_date: .*date/],
  ['a value outside the list', `${good},甲,男,1990-01-01,999801`, /^sex: must be one of male, female$/],
  ['nothing where something is needed', `${good},,male,1990-01-01,999801`, /^name: missing$/],
  ['no id', `,甲,male,1990-01-01,999801`, /^id: missing$/],
  ['a cell too few', `${good},甲,male,1990-01-01`, /^4 cells where the header has 5$/],
  ['a cell too many', `${good},甲,male,1990-01-01,999801,`, /^6 cells where the header has 5$/],
  ['a tab', `${good},"甲\t乙",male,1990-01-01,999801`, /^name: has control characters$/],
  ['U+0000', `${good},甲\u0000,male,1990-01-01,999801`, /^name: has control characters$/],
  [
    'a line break in a quoted cell',
    `${good},"甲\n乙",male,1990-01-01,999801`,
    /^name: has control characters$/,
  ],
  ['a value too long', `${good},${'长'.repeat(65)},male,1990-01-01,999801`, /^name: .*64 characters/],
  ['a value of another form', `${good},甲,male,1990-01-01,99980`, /^region_code: /],
  ['only empty cells', `,,,,`, /^id: missing; name: missing; sex: missing; .*missing$/],
  ['several faults', `${wrongDigit},甲,男,1990-01-01,999801`, /^(?=.*id: )(?=.*sex: )/],
];
for (const [what, row, reason] of badRows)
  await t.test(`rejects a row with ${what}, and loads its neighbours`, async (t) => {
    const { file, result } = await load(t, test, `${header}\n${rowOf(2)}\n${row}\n${rowOf(3)}\n`);
    t.match(result, { rows: 3, loaded: 2, rejected: 1 });
    const [head, rejected, ...more] = rejectsOf(file);
    t.strictSame(head, ['line', 'reason', ...header.split(',')]);
    t.equal(more.length, 0);
    t.match(rejected![0], /^[34]$/, 'its line');
    t.match(rejected![1], reason);
    t.notOk(rejected![1]!.includes(wrongDigit) || rejected![1]!.includes('甲'), 'the reason quotes no value');
    t.equal(await find(test, good), null);
  });

await t.test('tells the line of a row, counted as an editor counts', async (t) => {
  const lines = [header, rowOf(4), 'bad one', '', rowOf(5), '"bad', 'two"', 'bad three', rowOf(6)];
  for (const end of ['\n', '\r\n']) {
    const { file } = await load(t, test, lines.join(end));
    const told = rejectsOf(file)
      .slice(1)
      .map(([line]) => line);
    t.match(told, ['3', /^[67]$/, '8'], JSON.stringify(end));
  }
});

await t.test('keeps rejected cells as they were, so that they can be put right and loaded', async (t) => {
  const { file } = await load(
    t,
    test,
    `name,${header.replace(',name', '')}\n"欧, ""阳""",${good},男,1990-01-01,999801\n`,
  );
  t.strictSame(rejectsOf(file)[1]!.slice(2), ['欧, "阳"', good, '男', '1990-01-01', '999801']);
});

await t.test('lets no spreadsheet take a rejected cell for a formula', async (t) => {
  const names = ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', ' =1', '＝1', "'=1"];
  const rows = names.map((name) => `${good},"${name}",男,1990-01-01,999801`);
  const { file } = await load(t, test, `${header}\n${rows.join('\n')}\n`);
  const written = rejectsOf(file)
    .slice(1)
    .map((cells) => cells[3]);
  t.strictSame(
    written,
    names.map((name) => `'${name}`),
  );
});

await t.test('keeps rejected rows from everybody but their owner', async (t) => {
  const { file } = await load(t, test, `${header}\nbad\n`);
  t.equal(statSync(`${file}.rejects.csv`).mode & 0o777, 0o600);
});

await t.test('replaces the rejects of an earlier load, and removes them when there are none', async (t) => {
  const file = newFile(t, `${header}\nbad\nworse\n`);
  await loadCsv(test.adminUrl, citizens, file, actor);
  t.equal(rejectsOf(file).length, 3);
  writeFileSync(file, `${header}\n${rowOf(1)}\nstill bad\n`);
  await loadCsv(test.adminUrl, citizens, file, actor);
  t.equal(rejectsOf(file).length, 2);
  writeFileSync(file, `${header}\n${rowOf(1)}\n`);
  t.equal((await loadCsv(test.adminUrl, citizens, file, actor)).rejects_file, null);
  t.ok(isAlone(file));
});

await t.test('writes many rejects, whole', async (t) => {
  const rows = Array.from({ length: 8000 }, (_, i) => `坏${i},${'x'.repeat(100)}`);
  const { file, result } = await load(t, test, `${header}\n${rows.join('\n')}\n`);
  t.match(result, { rows: 8000, loaded: 0, rejected: 8000 });
  const rejected = readFileSync(`${file}.rejects.csv`, 'utf8').trimEnd().split('\n');
  t.equal(rejected.length, 8001);
  t.match(rejected.at(-1), /^8001,.*坏7999/);
});

await t.test('leaves a whole log behind all of that', async (t) => {
  await checkAuditLog(t, test);
});
