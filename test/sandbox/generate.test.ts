import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import t from 'tap';
import { generateCsv } from '../../src/sandbox/generate.ts';
import { citizens, enterprises } from '../../src/sandbox/province.ts';

const province = { seed: 3, citizens: 3_500, enterprises: 1_200 };

async function rowsOf(path: string): Promise<Record<string, string>[]> {
  return parse(await readFile(path), { columns: true });
}

/** A record as CSV can say it: unknown is an empty cell, a number its digits. */
function asCells(record: object): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, String(value ?? '')]));
}

await t.test('writes every record of the province to a CSV file a dataset', async (t) => {
  const directory = join(t.testdir(), 'made', 'here');
  const { files } = await generateCsv(province, directory);
  t.strictSame(files, [
    { dataset: 'citizens', path: join(directory, 'citizens.csv'), rows: 3_500 },
    { dataset: 'enterprises', path: join(directory, 'enterprises.csv'), rows: 1_200 },
  ]);
  t.strictSame(await rowsOf(files[0]!.path), [...citizens(province)].map(asCells));
  t.strictSame(await rowsOf(files[1]!.path), [...enterprises(province)].map(asCells));
  t.strictSame((await readdir(directory)).sort(), ['citizens.csv', 'enterprises.csv']);
});

await t.test(
  'heads a file with the property names in the order of the schema, even without records',
  async (t) => {
    const { files } = await generateCsv({ seed: 3, citizens: 0, enterprises: 0 }, t.testdir());
    t.equal(
      await readFile(files[0]!.path, 'utf8'),
      'id,name,sex,birth_date,ethnicity,province,city,district,address_detail,region_code,mobile_phone,marital_status,deceased_on,occupation\n',
    );
    t.match(await readFile(files[1]!.path, 'utf8'), /^id,name,type,.*,business_scope\n$/);
  },
);

await t.test('writes registered capital as plain digits', async (t) => {
  const { files } = await generateCsv(province, t.testdir());
  const rows = await rowsOf(files[1]!.path);
  t.ok(rows.every((row) => /^\d*$/.test(row.registered_capital!)));
  t.ok(rows.some((row) => row.registered_capital === ''));
});

await t.test('tells its progress, and the whole at the end', async (t) => {
  const heard: number[] = [];
  await generateCsv(province, t.testdir(), (rows, total) => {
    t.equal(total, 4_700);
    heard.push(rows);
  });
  t.equal(heard.at(-1), 4_700);
  t.ok(heard.length > 3);
  t.strictSame(
    heard,
    [...new Set(heard)].sort((a, b) => a - b),
  );
});

await t.test('leaves the files as they were when it fails, and no partial ones', async (t) => {
  const directory = t.testdir({ 'citizens.csv': 'old' });
  const fails = () => {
    throw new Error('stop');
  };
  await t.rejects(generateCsv(province, directory, fails), { message: 'stop' });
  t.strictSame(await readdir(directory), ['citizens.csv']);
  t.equal(await readFile(join(directory, 'citizens.csv'), 'utf8'), 'old');
});

await t.test('refuses an impossible province before it touches the directory', async (t) => {
  const directory = join(t.testdir(), 'never');
  await t.rejects(generateCsv({ ...province, citizens: -1 }, directory), RangeError);
  await t.rejects(stat(directory), { code: 'ENOENT' });
});

await t.test('rejects when the directory cannot be made', async (t) => {
  const file = join(t.testdir(), 'file');
  await writeFile(file, '');
  await t.rejects(generateCsv(province, file));
});
