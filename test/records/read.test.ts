import t from 'tap';
import { connectionConfig, openLink } from '../../src/db/connection.ts';
import { openDatabase } from '../../src/db/database.ts';
import { createRecordReader, type Readable } from '../../src/records/read.ts';
import { createDatabase } from '../helper.ts';

const test = await createDatabase(t);
const { pool, close } = openDatabase(test.adminUrl, 'test');
const link = openLink(connectionConfig(test.adminUrl, 'test'));
t.teardown(async () => {
  await close();
  await link.close();
});
await pool.query(`
  create schema v9;
  create table v9.cats (name text, id text primary key, legs int, weight numeric, tame boolean, seen_on date);
  insert into v9.cats values
    ('Tom "Cat" \\ 汤姆', 'a''1', 4, 3.50, true, '2026-02-28'),
    (null, '"2', null, null, null, '2024-02-29')`);

const fields = ['name', 'id', 'legs', 'weight', 'tame', 'seen_on'];
const cats: Readable = {
  name: 'cats',
  version: 9,
  key: 'id',
  asOf: 'seen_on',
  fields: new Map(fields.map((name) => [name, null])),
};
const reader = createRecordReader(link, pool, cats);

await t.test('finds many records as it finds each of them', async (t) => {
  const ids = ["a'1", '"2', 'nobody'];
  const found = await reader.findMany(ids, [...fields, 'seen_on']);
  for (const id of ids) t.strictSame(found.get(id) ?? null, await reader.find(id));
  t.strictSame(found.get("a'1"), ['Tom "Cat" \\ 汤姆', "a'1", 4, 3.5, true, '2026-02-28', '2026-02-28']);
});

await t.test('leaves the columns null that nobody wants, but the key', async (t) => {
  const found = await reader.findMany(["a'1"], ['legs']);
  t.strictSame([...found], [["a'1", [null, "a'1", 4, null, null, null, null]]]);
});

await t.test('finds nobody where nobody is, and asks for nobody where nobody is sought', async (t) => {
  t.equal((await reader.findMany(['nobody'], ['name'])).size, 0);
  t.equal((await reader.findMany([], ['name'])).size, 0);
});
