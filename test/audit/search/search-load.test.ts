import { connect as connectSocket, type AddressInfo, type Socket } from 'node:net';
import t from 'tap';
import { summarize } from '../../../src/audit/search/summarize.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { checkProblem } from '../../helpers/checks.ts';
import { untilIndexed } from '../../helpers/filters.ts';
import { connect, holdLock, logLocks, newLeaf, readVersion } from '../../helpers/log.ts';
import { until } from '../../helpers/until.ts';
import { foundByPages, newAsker, search, type Page } from '../../helpers/search.ts';

const test = await startGateway(t);
const auditor = await newAsker(test, 'audit-office', ['audit']);
const large = 150;
const entryBytes = 60_000;
const pageBytes = 4 * 1024 * 1024;

const leaves = Array.from({ length: large }, () => newLeaf({ details: { filler: 'x'.repeat(entryBytes) } }));
for (let i = 0; i < large; i += 50)
  await test.pool.query('select audit.append($1, $2, $3)', [
    await readVersion(test),
    leaves.slice(i, i + 50).map(({ bytes }) => bytes),
    leaves.slice(i, i + 50).map(({ hash }) => hash),
  ]);

await t.test('a page of large entries is short, and the pages together have all', async (t) => {
  const check = async (official: string): Promise<void> => {
    const answer = await search(test, auditor, { kind: 'exchange', limit: 500 }, official);
    t.ok(answer.body.length < pageBytes * 1.1, `${answer.body.length} bytes`);
    t.ok(answer.json<Page>().items.length > 50);
    const pages = await foundByPages(test, auditor, { kind: 'exchange' }, 500);
    t.equal(pages.length, 3);
    t.equal(pages.flat().length, large);
    t.equal(new Set(pages.flat().map(({ index }) => index)).size, large);
  };
  await untilIndexed(test);
  await check('auditor-2');
  const lock = await holdLock(t, test, logLocks.index);
  await test.pool.query('delete from audit.find');
  await check('auditor-3');
  await lock.release();
});

await t.test('whoever does not read answers takes sixteen places, and no memory beyond', async (t) => {
  await test.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = test.app.server.address() as AddressInfo;
  const body = JSON.stringify({ kind: 'exchange', limit: 500 });
  const head = [
    'POST /v1/audit/entries/search HTTP/1.1',
    'Host: gateway.test',
    `Authorization: Bearer ${await auditor.token()}`,
    'Exchange-Official: auditor-3',
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
  ];
  const sockets: Socket[] = [];
  for (let i = 0; i < 16; i++) {
    const socket = connectSocket(port, '127.0.0.1').on('error', () => undefined);
    sockets.push(socket);
    socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
    await new Promise((resolve) => socket.once('readable', resolve));
  }
  checkProblem(t, await search(test, auditor, {}), { status: 503, code: 'overloaded' });
  for (const socket of sockets) socket.destroy();
  await until('a place is free', async () => (await search(test, auditor, {})).statusCode === 200);
});

await t.test('two summaries are in work at a time, and others are told to come later', async (t) => {
  await untilIndexed(test);
  const client = await connect(t, test.adminUrl);
  await client.query('begin; lock table audit.find in access exclusive mode');
  const summary = async (): Promise<Awaited<ReturnType<typeof test.app.inject>>> =>
    test.app.inject({
      method: 'POST',
      url: '/v1/audit/summary',
      headers: { authorization: `Bearer ${await auditor.token()}`, 'exchange-official': 'auditor-1' },
      payload: { by: ['outcome'], kind: 'exchange' },
    });
  const running = [summary(), summary()];
  await until('both wait', async () => {
    const { rows } = await test.pool.query<{ waiting: number }>(
      `select count(*) as waiting from pg_stat_activity
       where datname = current_database() and application_name = 'onevisit search' and wait_event_type = 'Lock'`,
    );
    return rows[0]!.waiting === 2;
  });
  checkProblem(t, await summary(), { status: 503, code: 'overloaded' });
  await client.query('commit');
  for (const answer of await Promise.all(running)) t.equal(answer.statusCode, 200, answer.body);
});

await t.test('a summary ends when nobody waits for it', async (t) => {
  const gone = new AbortController();
  const question = { filter: {}, visibility: 'all', by: ['day'], timeZone: 'Asia/Shanghai' } as const;
  gone.abort(new Error('gone'));
  await t.rejects(summarize(test.database, question, gone.signal), { message: 'gone' });
});

await t.test('leaves a whole log behind all of that', (t) => checkAuditLog(t, test));
