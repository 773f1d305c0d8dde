import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { loadCsv } from '../../src/records/load.ts';
import { personaCitizens } from '../../src/sandbox/personas.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { createDatabase } from '../helpers/database.ts';
import { actor } from '../helpers/keys.ts';
import {
  citizens,
  enterprises,
  find,
  header,
  idOf,
  isAlone,
  load,
  newFile,
  rejectsOf,
  rowOf,
} from '../helpers/files.ts';

const test = await createDatabase(t);
const bom = '\ufeff';

await t.test('loads good rows, and enters what it did', async (t) => {
  const content = `${header}\n${rowOf(1)}\n${rowOf(2)}\n`;
  const { file, result } = await load(t, test, content);
  const sha256 = createHash('sha256').update(content).digest('hex');
  t.match(result, {
    dataset: 'citizens',
    rows: 2,
    loaded: 2,
    rejected: 0,
    warned: 0,
    rejects_file: null,
    sha256,
  });
  t.strictSame(await find(test, idOf(2)), {
    id: idOf(2),
    name: '公民2',
    sex: 'female',
    birth_date: '1990-01-01',
    region_code: '999801',
    ethnicity: null,
    province: null,
    city: null,
    district: null,
    address_detail: null,
    mobile_phone: null,
    marital_status: null,
    deceased_on: null,
    occupation: null,
    as_of: result.as_of,
  });
  t.ok(isAlone(file));
  const entry = (await checkAuditLog(t, test))[result.entry]!;
  t.match(entry, { kind: 'load', operation: 'load', dataset: 'citizens', version: 2, client: actor.client });
  const { as_of } = result;
  t.match(as_of, /^\d{4}-\d{2}-\d{2}$/);
  t.strictSame(entry.details, { rows: 2, loaded: 2, rejected: 0, warned: 0, sha256, as_of });
});

await t.test('replaces the record that is there, whole: an empty cell is an unknown value', async (t) => {
  const [persona] = personaCitizens;
  const columns = [...citizens.fields.keys()];
  const cells = { ...persona!, name: '欧阳新名', mobile_phone: null, deceased_on: null };
  const row = columns.map((column) => cells[column as keyof typeof cells] ?? '').join(',');
  await load(t, test, `${columns.join(',')}\n${row}\n`);
  t.match(await find(test, persona!.id), { name: '欧阳新名', mobile_phone: null, marital_status: 'married' });
});

await t.test('takes columns in any order, and rows that end in CRLF after a byte order mark', async (t) => {
  const content = `${bom}region_code, name ,sex,id,birth_date\r\n999801,甲,male,${idOf(3)},1990-01-01\r\n\r\n`;
  const { result } = await load(t, test, content);
  t.match(result, { rows: 1, loaded: 1 });
  t.match(await find(test, idOf(3)), { name: '甲', region_code: '999801', sex: 'male' });
});

await t.test('takes a last row without an end of line', async (t) => {
  const { result } = await load(t, test, `${header}\n${rowOf(4)}`);
  t.match(result, { rows: 1, loaded: 1 });
});

await t.test('keeps quotes, commas, backslashes and what COPY would read otherwise', async (t) => {
  const names = [
    'a"b',
    'a,b',
    '\\',
    '\\N',
    '\\.',
    '\\t\\n',
    "O'Hara",
    '{1,2}',
    ' 前后 ',
    '慕容𬸚英',
    'null',
    'NULL',
  ];
  const rows = names.map((name, i) => rowOf(10 + i, { name: `"${name.replaceAll('"', '""')}"` }));
  const { result } = await load(t, test, `${header}\n${rows.join('\n')}\n`);
  t.match(result, { loaded: names.length, rejected: 0 });
  for (const [i, name] of names.entries()) t.equal((await find(test, idOf(10 + i)))?.name, name);
});

await t.test('loads the first of rows with one id, and rejects the others', async (t) => {
  const rows = [rowOf(30, { name: '一' }), rowOf(31), rowOf(30, { name: '二' }), rowOf(30, { name: '三' })];
  const { file, result } = await load(t, test, `${header}\n${rows.join('\n')}\n`);
  t.match(result, { rows: 4, loaded: 2, rejected: 2, rejects_file: `${file}.rejects.csv` });
  t.equal((await find(test, idOf(30)))?.name, '一');
  const [, ...rejected] = rejectsOf(file);
  t.strictSame(
    rejected.map(([line, reason, id, name]) => [line, reason, id, name]),
    [
      ['4', 'id: an earlier line has the same', idOf(30), '二'],
      ['5', 'id: an earlier line has the same', idOf(30), '三'],
    ],
  );
});

await t.test('rejects thousands of repeated rows', async (t) => {
  const rows = Array.from({ length: 2500 }, () => rowOf(40));
  const { file, result } = await load(t, test, `${header}\n${rows.join('\n')}\n`);
  t.match(result, { rows: 2500, loaded: 1, rejected: 2499 });
  const lines = rejectsOf(file)
    .slice(1)
    .map(([line]) => Number(line));
  t.strictSame(
    lines.sort((a, b) => a - b),
    Array.from({ length: 2499 }, (_, i) => i + 3),
  );
});

const enterpriseHeader = 'id,name,type,established_on,status,registered_capital';
const enterpriseRow = (id: string, capital = ''): string =>
  `${id},某公司,limited_company,2001-02-03,active,${capital}`;

await t.test('loads an early code with a wrong check digit, and warns of it', async (t) => {
  const ids = ['91999901MA00000156', '91999901MA00000155', '91999901MA00000156'];
  const { result } = await load(
    t,
    test,
    `${enterpriseHeader}\n${ids.map((id) => enterpriseRow(id)).join('\n')}\n`,
    enterprises,
  );
  t.match(result, { loaded: 2, rejected: 1 });
  t.match(await find(test, ids[0]!, enterprises), { name: '某公司' });
  t.equal(result.warned, 1, 'it counts rows that were loaded, not the one that was rejected');
});

await t.test('rejects a code of another form all the same', async (t) => {
  const ids = ['91999901ma00000155', '91999901MA0000015', 'I1999901MA00000155'];
  const { result } = await load(
    t,
    test,
    `${enterpriseHeader}\n${ids.map((id) => enterpriseRow(id)).join('\n')}\n`,
    enterprises,
  );
  t.match(result, { loaded: 0, rejected: 3, warned: 0 });
});

await t.test('reads whole numbers exactly, and rejects what is none', async (t) => {
  const good = ['0', '9007199254740991', '007'];
  const bad = ['-1', '1.5', '1e3', '0x10', '9007199254740993', '9007199254740991.4', '1 000', '一', '∞'];
  const row = (capital: string, i: number): string =>
    enterpriseRow(`91999901MA0000${String(i).padStart(3, '0')}X`, capital);
  const { result, file } = await load(
    t,
    test,
    `${enterpriseHeader}\n${[...good, ...bad].map(row).join('\n')}\n`,
    enterprises,
  );
  t.strictSame(
    rejectsOf(file)
      .slice(1)
      .map((cells) => cells.at(-1)),
    bad.map((value) => (value.startsWith('-') ? `'${value}` : value)),
  );
  t.match(result, { loaded: good.length, rejected: bad.length });
  for (const [i, capital] of good.entries())
    t.equal(
      (await find(test, `91999901MA0000${String(i).padStart(3, '0')}X`, enterprises))?.registered_capital,
      Number(capital),
    );
});

await t.test('loads a large file, and tells how far it is', async (t) => {
  const rows = Array.from({ length: 12_000 }, (_, i) =>
    rowOf(i % 1000, { name: `名${'字'.repeat(i % 40)}` }),
  );
  const file = newFile(t, `${header}\n${rows.join('\n')}\n`);
  const heard: number[] = [];
  const result = await loadCsv(test.adminUrl, citizens, file, actor, {
    onProgress(bytes, total) {
      t.equal(total, readFileSync(file).length);
      heard.push(bytes);
    },
  });
  t.match(result, { rows: 12_000, loaded: 1000, rejected: 11_000 });
  t.equal(heard.at(-1), readFileSync(file).length);
  t.strictSame(
    heard,
    [...heard].sort((a, b) => a - b),
  );
});

await t.test('lets two loads at once both succeed', async (t) => {
  const rows = Array.from({ length: 300 }, (_, i) => rowOf(i));
  const files = [rows, rows.toReversed()].map((part) => newFile(t, `${header}\n${part.join('\n')}\n`));
  const results = await Promise.all(files.map((file) => loadCsv(test.adminUrl, citizens, file, actor)));
  for (const result of results) t.match(result, { loaded: 300, rejected: 0 });
});

await t.test('leaves a whole log behind all of that', async (t) => {
  await checkAuditLog(t, test);
});
