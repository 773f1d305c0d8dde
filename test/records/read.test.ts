import t from 'tap';
import { connectionConfig, openLink } from '../../src/db/connection.ts';
import { openDatabase } from '../../src/db/database.ts';
import { createRecordReader } from '../../src/records/read.ts';
import { type Readable } from '../../src/records/stored-record.ts';
import { createDatabase } from '../helpers/database.ts';

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
  t.equal(found.size, 1);
  t.strictSame(found.get("a'1"), [null, "a'1", 4, null, null, null, null]);
});

await t.test('finds each value as it is, whatever PostgreSQL writes it like in JSON', async (t) => {
  const texts = [
    '',
    'a',
    '汤姆',
    'a", "b',
    "', '",
    '\\',
    '["',
    '"]',
    ', ',
    'null',
    '[1, 2]',
    '{"a": "b"}',
    '\t\u007f𠮷',
  ];
  const rows = texts.map((name, i) => ({ id: `text ${i}`, name }));
  const nulls = [...rows, { id: 'none', name: null }];
  await pool.query(
    `insert into v9.cats (id, name) select * from json_to_recordset($1) as (id text, name text)`,
    [JSON.stringify(nulls)],
  );
  const simple = rows.filter(({ name }) => /^[^"\\[{]*$/.test(name));
  for (const asked of [simple, rows, nulls, ...nulls.map((row) => [row])]) {
    const found = await reader.findMany(
      asked.map(({ id }) => id),
      ['name'],
    );
    t.strictSame(
      asked.map(({ id }) => found.get(id)?.[0]),
      asked.map(({ name }) => name),
    );
  }
});

await t.test('finds the fields of ever other lists, more than connections keep planned', async (t) => {
  const lists = fields.flatMap((a) => fields.flatMap((b) => fields.map((c) => [...new Set([a, b, c])])));
  t.ok(lists.length > 200);
  const record = await reader.find("a'1");
  for (const list of lists) {
    const found = await reader.findMany(["a'1"], list);
    const expected = record!.map((value, at) => {
      const name = fields[at] ?? 'seen_on';
      return name === 'id' || list.includes(name) ? value : null;
    });
    t.strictSame(found.get("a'1"), expected);
  }
  const { rows } = await pool.query<{ kept: number }>(
    `select count(*) as kept from pg_prepared_statements where name like 'read-many-%'`,
  );
  t.ok(rows[0]!.kept > 0 && rows[0]!.kept <= 50);
});

await t.test('finds arrays and objects whose texts stand as the texts around them do', async (t) => {
  await pool.query(`
    create table v9.nests (id text primary key, twigs jsonb);
    insert into v9.nests values ('1', '"a"'), ('2', '["b", "c", "d"]'), ('3', '"e"'), ('4', '{"f": "g", "h": "i"}'),
      ('5', '"j"')`);
  const nests = {
    ...cats,
    name: 'nests',
    asOf: null,
    fields: new Map([
      ['id', null],
      ['twigs', null],
    ]),
  };
  const nestReader = createRecordReader(link, pool, nests);
  for (const ids of [
    ['1', '2', '3'],
    ['1', '4', '5'],
    ['1', '3'],
  ]) {
    const found = await nestReader.findMany(ids, ['twigs']);
    for (const id of ids) t.strictSame(found.get(id), await nestReader.find(id));
  }
});

await t.test('finds nobody where nobody is, and asks for nobody where nobody is sought', async (t) => {
  t.equal((await reader.findMany(['nobody'], ['name'])).size, 0);
  t.equal((await reader.findMany([], ['name'])).size, 0);
});
