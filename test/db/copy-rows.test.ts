import t from 'tap';
import pg from 'pg';
import { copyRows } from '../../src/db/copy-rows.ts';
import { connectionConfig } from '../../src/db/connection.ts';
import { createDatabase } from '../helpers/database.ts';
import { connect } from '../helpers/log.ts';

const test = await createDatabase(t);

await t.test('gives the fields of each row as bytes, and null where there is none', async (t) => {
  const client = await connect(t, test.gatewayUrl);
  const rows = await copyRows(
    client,
    `select n::int8, case when n > 0 then convert_to(repeat('é', n * 50000), 'UTF8') end, ''::bytea from generate_series(0, 2) n`,
  );
  t.strictSame(
    rows.map(([n, bytes, empty]) => [
      Number(n!.readBigInt64BE()),
      bytes?.toString().length ?? null,
      empty!.length,
    ]),
    [
      [0, null, 0],
      [1, 50_000, 0],
      [2, 100_000, 0],
    ],
  );
  t.strictSame(await copyRows(client, 'select 1 where false'), []);
});

await t.test('says what the server says, and the connection goes on', async (t) => {
  const client = await connect(t, test.gatewayUrl);
  await t.rejects(copyRows(client, 'select 1 from nowhere'), { code: '42P01' });
  t.equal((await copyRows(client, 'select 1')).length, 1);
});

await t.test('leaves no time-out behind that holds the process up', async (t) => {
  const client = new pg.Client({ ...connectionConfig(test.gatewayUrl, 'test'), query_timeout: 60_000 });
  await client.connect();
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  await copyRows(client, 'select 1');
  t.equal(timers(), before);
  await client.end();
});
