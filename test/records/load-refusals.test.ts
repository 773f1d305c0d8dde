import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { UserError } from '../../src/base/errors.ts';
import { loadCsv } from '../../src/records/load.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { createDatabase } from '../helpers/database.ts';
import { actor } from '../helpers/keys.ts';
import { citizens, header, idOf, isAlone, load, newFile, rowOf, state } from '../helpers/files.ts';

const test = await createDatabase(t);
const bad = `${idOf(1)},甲,男,1990-01-01,999801`;

const refusals: [string, string | Buffer, RegExp][] = [
  ['without anything in it', '', /the file is empty: it needs a header row/],
  ['of empty lines', '\n\n\n', /the file is empty/],
  ['of a byte order mark', '\ufeff', /the file is empty/],
  [
    'whose header names what is no field',
    `${header},shoe_size\n`,
    /the header names "shoe_size", which citizens does not have; it has id, name/,
  ],
  ['without a header', `${rowOf(1)}\n${rowOf(2)}\n`, /the header names /],
  ['whose header names a field twice', `${header},name\n`, /the header names name more than once/],
  [
    'whose header lacks fields that are needed',
    'id,name,mobile_phone\n',
    /the header lacks sex, birth_date, region_code/,
  ],
  [
    'whose last quote is not closed',
    `${header}\n${rowOf(1)}\n${bad}\n${idOf(2)},"甲,male\n`,
    /not readable as CSV: CSV_QUOTE_NOT_CLOSED near line \d/,
  ],
  [
    'with text after a quote',
    `${header}\n${rowOf(1)}\n${bad}\n${idOf(2)},"甲"欧阳清荷,male,1990-01-01,999801\n`,
    /not readable as CSV/,
  ],
  [
    'with a row beyond all measure',
    `${header}\n${bad}\n${idOf(2)},${'x'.repeat(1_100_000)}\n`,
    /not readable as CSV: CSV_MAX_RECORD_SIZE near line \d/,
  ],
  [
    'that is not UTF-8',
    Buffer.concat([
      Buffer.from(`${header}\n${bad}\n${idOf(2)},`),
      Buffer.from([0xc5, 0xb7, 0xd1, 0xf4]),
      Buffer.from(',male,1990-01-01,999801\n'),
    ]),
    /UTF-8/,
  ],
];
for (const [what, content, message] of refusals)
  await t.test(`refuses a file ${what}, and changes nothing`, async (t) => {
    const before = await state(test);
    const file = newFile(t, content);
    await t.rejects(loadCsv(test.adminUrl, citizens, file, actor), { name: UserError.name, message });
    t.strictSame(await state(test), before);
    t.ok(isAlone(file), 'no rejects, not even in part');
  });

await t.test('leaves the rejects of an earlier load alone when it fails', async (t) => {
  const { file } = await load(t, test, `${header}\n${bad}\n`);
  const rejects = readFileSync(`${file}.rejects.csv`, 'utf8');
  const { writeFileSync } = await import('node:fs');
  writeFileSync(file, `${header}\n${bad}\n"`);
  await t.rejects(loadCsv(test.adminUrl, citizens, file, actor), UserError);
  t.equal(readFileSync(`${file}.rejects.csv`, 'utf8'), rejects);
  t.notOk(existsSync(`${file}.rejects.csv.partial`));
});

await t.test('refuses what can not be read as a file, and says so', async (t) => {
  const folder = t.testdir();
  const missing = join(folder, 'none.csv');
  await t.rejects(loadCsv(test.adminUrl, citizens, missing, actor), {
    name: UserError.name,
    message: `cannot read ${missing} (ENOENT)`,
  });
  await t.rejects(loadCsv(test.adminUrl, citizens, folder, actor), {
    name: UserError.name,
    message: `${folder} is not a file`,
  });
});

await t.test('changes nothing when the store fails, and leaves no rejects', async (t) => {
  const file = newFile(t, `${header}\n${bad}\n${rowOf(2)}\n`);
  const before = await state(test);
  await test.pool.query(
    `alter table store.citizens add constraint no_more check (name <> '公民2') not valid`,
  );
  await t.rejects(loadCsv(test.adminUrl, citizens, file, actor), { code: '23514' });
  await test.pool.query('alter table store.citizens drop constraint no_more');
  t.strictSame(await state(test), before);
  t.ok(isAlone(file));
});

/** By its command: a fault outside of any promise would end the process. */
function runLoad(file: string): Promise<{ code: number | null; error: string }> {
  const cli = join(import.meta.dirname, '..', '..', 'src', 'onevisit.js');
  const child = spawn(process.execPath, [cli, 'load', 'citizens', file], {
    env: { PATH: process.env.PATH, ADMIN_DATABASE_URL: test.adminUrl },
  });
  let error = '';
  child.stderr.on('data', (chunk: Buffer) => (error += chunk.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, error })));
}

for (const [what, taken] of [
  ['be begun', '.rejects.csv.partial'],
  ['be put in their place', '.rejects.csv'],
] as const)
  await t.test(`changes nothing when the rejects can not ${what}, and says so in a line`, async (t) => {
    const file = newFile(t, `${header}\n${bad}\n${rowOf(2)}\n`);
    mkdirSync(`${file}${taken}`);
    const before = await state(test);
    const { code, error } = await runLoad(file);
    t.equal(code, 1);
    t.match(error, /^onevisit: [^\n]*rejects\.csv[^\n]*\n$/);
    t.strictSame(await state(test), before);
  });

await t.test('leaves a whole log behind all of that', async (t) => {
  await checkAuditLog(t, test);
});
