import { createServer, type AddressInfo } from 'node:net';
import t from 'tap';
import { connectionConfig, isDataError, isServerError, openLink } from '../../src/db/connection.ts';
import { killSessions } from '../helpers/log.ts';
import { until } from '../helpers/until.ts';
import { createDatabase } from '../helpers/database.ts';

const test = await createDatabase(t);
const config = connectionConfig(test.gatewayUrl, 'test link');

async function sessions(name: string): Promise<number> {
  const { rows } = await test.pool.query<{ count: number }>(
    'select count(*) as count from pg_stat_activity where datname = current_database() and application_name = $1',
    [name],
  );
  return rows[0]!.count;
}

await t.test('gives everybody the same connection, opened when first asked for', async (t) => {
  const link = openLink({ ...config, application_name: 'same' });
  t.equal(await sessions('same'), 0);
  const clients = await Promise.all([link.client(), link.client(), link.client()]);
  t.equal(new Set(clients).size, 1);
  t.equal(await sessions('same'), 1);
  await link.close();
  await until('the session ends', async () => (await sessions('same')) === 0);
});

await t.test('opens another connection after the server ended the first', async (t) => {
  let opened = 0;
  const link = openLink({ ...config, application_name: 'ended' }, async (client) => {
    await client.query('set search_path = audit');
    opened++;
  });
  t.teardown(() => link.close());
  const first = await link.client();
  t.equal(await killSessions(test, 'ended'), 1);
  await until('it is another', async () => (await link.client()) !== first);
  const { rows } = await (await link.client()).query('show search_path');
  t.strictSame(rows, [{ search_path: 'audit' }], 'prepared like the first');
  t.equal(opened, 2);
});

await t.test('fails what was under way on a connection that ended, and no more', async (t) => {
  const link = openLink({ ...config, application_name: 'busy' });
  t.teardown(() => link.close());
  const client = await link.client();
  const sleeping = t.rejects(client.query('select pg_sleep(4)'));
  await until('it is asleep', async () => (await sessions('busy')) === 1);
  await killSessions(test, 'busy');
  await sleeping;
  await until('another answers', async () =>
    (await link.client()).query('select 1').then(
      () => true,
      () => false,
    ),
  );
});

await t.test('drops a connection that is discarded, and lets nobody drop its successor', async (t) => {
  const link = openLink({ ...config, application_name: 'discarded' });
  t.teardown(() => link.close());
  const first = await link.client();
  link.discard(first);
  const second = await link.client();
  t.not(second, first);
  link.discard(first);
  t.equal(await link.client(), second);
  await until('the first has ended', async () => (await sessions('discarded')) === 1);
});

await t.test('gives a connection to nobody that could not be prepared, and leaves none open', async (t) => {
  let attempts = 0;
  const link = openLink({ ...config, application_name: 'unprepared' }, async (client) => {
    if (++attempts === 1) await client.query('select 1 / 0');
  });
  t.teardown(() => link.close());
  await t.rejects(link.client(), { code: '22012' });
  await until('a later attempt succeeds', async () =>
    link.client().then(
      () => true,
      () => false,
    ),
  );
  await until('one session is left', async () => (await sessions('unprepared')) === 1);
});

await t.test('comes back when a server that was away is there again', async (t) => {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const url = new URL(test.gatewayUrl);
  const moving = {
    ...connectionConfig(test.gatewayUrl, 'away'),
    user: url.username,
    password: url.password,
    database: url.pathname.slice(1),
    host: url.hostname,
    port: (server.address() as AddressInfo).port,
  };
  delete moving.connectionString;
  const link = openLink(moving);
  t.teardown(() => link.close());
  await t.rejects(link.client());
  await t.rejects(link.client(), 'the failure answers for those that follow at once');
  moving.port = Number(url.port);
  await until('it connects', async () =>
    link.client().then(
      () => true,
      () => false,
    ),
  );
});

await t.test('refuses to open again once it is closed', async (t) => {
  const link = openLink(config);
  await link.client();
  await link.close();
  await t.rejects(link.client(), { message: 'The connection is closed.' });
  const unused = openLink(config);
  await unused.close();
  await t.rejects(unused.client());
});

await t.test('reads values as the gateway means them', async (t) => {
  const link = openLink(config);
  t.teardown(() => link.close());
  const { rows } = await (
    await link.client()
  ).query(`select 9007199254740991::bigint as big, 12.5::numeric as exact, '2028-02-29'::date as day,
    '2026-11-23 09:00:00.123+08'::timestamptz as at`);
  t.strictSame(rows, [
    { big: 9007199254740991, exact: 12.5, day: '2028-02-29', at: new Date('2026-11-23T01:00:00.123Z') },
  ]);
});

await t.test('tells bad data from a server that fails', async (t) => {
  const failing = async (statement: string): Promise<unknown> => {
    const link = openLink(config);
    try {
      return await (await link.client()).query(statement).catch((error: unknown) => error);
    } finally {
      await link.close();
    }
  };
  const zero = await failing('select 1 / 0');
  t.ok(isDataError(zero) && isServerError(zero));
  const syntax = await failing('selec');
  t.ok(isServerError(syntax) && !isDataError(syntax));
  const killed = await failing('select pg_terminate_backend(pg_backend_pid())');
  t.notOk(isDataError(killed));
  t.notOk(isDataError(new Error('22000')) || isServerError(new Error('away')) || isServerError(null));
});
