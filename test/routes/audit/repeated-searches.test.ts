import t from 'tap';
import { createPolls, repeatsWithinSeconds } from '../../../src/routes/audit/repeated-searches.ts';
import { checkAuditLog, startGateway } from '../../helpers/gateway.ts';
import { readLog } from '../../helpers/open-seal.ts';
import { newAsker, search, type Page } from '../../helpers/search.ts';

await t.test('an entry stands for a query for a minute, and not a moment longer', (t) => {
  let ms = 0;
  const polls = createPolls(() => new Date(ms));
  t.notOk(polls.isCovered('a'));
  polls.cover('a', new Date(0));
  ms = repeatsWithinSeconds * 1000 - 1;
  t.ok(polls.isCovered('a'));
  t.notOk(polls.isCovered('b'));
  ms++;
  t.notOk(polls.isCovered('a'));
  ms = -1;
  t.notOk(polls.isCovered('a'), 'nor where the clock was put back');
  t.end();
});

await t.test('forgets what was entered first, when there is too much to remember', (t) => {
  const polls = createPolls(() => new Date(0));
  for (let i = 0; i <= 10_000; i++) polls.cover(String(i), new Date(0));
  t.notOk(polls.isCovered('0'));
  t.ok(polls.isCovered('1'));
  t.end();
});

await t.test('auditors who ask the same again leave one entry a minute', async (t) => {
  const test = await startGateway(t);
  const auditor = await newAsker(test, 'audit-office', ['audit']);
  const other = await newAsker(test, 'audit-office', ['audit']);
  const queries = async (): Promise<number> =>
    (await readLog(test.pool)).filter(({ operation }) => operation === 'entries-search').length;
  const ask = async (body: object, official?: string, asker = auditor): Promise<Page> => {
    const answer = await search(test, asker, body, official);
    t.equal(answer.statusCode, 200);
    return answer.json<Page>();
  };
  const poll = { kind: 'exchange' };
  for (let i = 0; i < 5; i++) await ask(poll);
  t.equal(await queries(), 1);
  t.match((await readLog(test.pool)).at(-1), { details: { kind: 'exchange', repeats_within_s: 60 } });

  const read = await test.read('citizens', { id: '999901198804120024' });
  t.equal((await ask(poll)).items[0]!.index, Number(read.headers['exchange-entry']), 'the answer is new');
  t.equal(await queries(), 1);
  await ask(poll, 'auditor-2');
  await ask(poll, undefined, other);
  await ask({ kind: 'query' });
  t.equal(await queries(), 4, 'another official, client or query has an entry of its own');

  const subject = { dataset: 'citizens', subject: '999901198804120024' };
  for (let i = 0; i < 2; i++) await ask(subject);
  t.equal(await queries(), 6, 'so has each look at a person');
  const { next } = await ask({ limit: 1 });
  for (let i = 0; i < 2; i++) await ask({ limit: 1, after: next });
  t.equal(await queries(), 9, 'and each page after the first');
  test.clock.advance(60_000);
  await ask(poll);
  t.equal(await queries(), 10);
  await checkAuditLog(t, test);
});

await t.test('consumers and providers leave an entry each time', async (t) => {
  const test = await startGateway(t);
  const consumer = await newAsker(test, 'civil-affairs', ['exchange']);
  for (let i = 0; i < 2; i++) await search(test, consumer, {});
  const log = await readLog(test.pool);
  t.equal(log.filter(({ operation }) => operation === 'entries-search').length, 2);
  await checkAuditLog(t, test);
});
