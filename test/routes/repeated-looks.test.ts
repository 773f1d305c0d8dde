import t from 'tap';
import { revokeClient } from '../../src/identity/departments-and-clients.ts';
import { createRepeatedLooks, repeatsWithinSeconds } from '../../src/routes/repeated-looks.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway } from '../helpers/gateway.ts';
import { actor } from '../helpers/keys.ts';
import { readLog } from '../helpers/open-seal.ts';
import { newAsker, search, type Page } from '../helpers/search.ts';

/** Tells of each look whether it was entered. */
function createAsker(): (key: string, atMs: number) => Promise<boolean> {
  const looks = createRepeatedLooks();
  return async (key, atMs) => {
    let entered = false;
    await looks.enterOnce(key, new Date(atMs), () => Promise.resolve((entered = true)));
    return entered;
  };
}

await t.test('an entry stands for a look for a minute, and not a moment longer', async (t) => {
  const isEntered = createAsker();
  t.ok(await isEntered('a', 0));
  t.notOk(await isEntered('a', repeatsWithinSeconds * 1000 - 1));
  t.ok(await isEntered('b', 0));
  t.ok(await isEntered('a', repeatsWithinSeconds * 1000));
  t.ok(await isEntered('a', -1), 'nor where the clock was put back');
});

await t.test('forgets what was entered first, when there is too much to remember', async (t) => {
  const isEntered = createAsker();
  for (let i = 0; i <= 10_000; i++) await isEntered(String(i), 0);
  t.ok(await isEntered('0', 0));
  t.notOk(await isEntered('2', 0));
});

await t.test('a look waits for the entry that stands for it, and fails with it', async (t) => {
  const looks = createRepeatedLooks();
  const failing = Promise.withResolvers<void>();
  const both = [1, 2].map(() => looks.enterOnce('a', new Date(0), () => failing.promise));
  failing.reject(new Error('no space left'));
  for (const look of both) await t.rejects(look, { message: 'no space left' });
  let entered = false;
  await looks.enterOnce('a', new Date(0), () => Promise.resolve((entered = true)));
  t.ok(entered, 'and the next one is entered again');
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

await t.test('a client that was revoked repeats nothing', async (t) => {
  const test = await startGateway(t);
  const auditor = await newAsker(test, 'audit-office', ['audit']);
  const token = await auditor.token();
  const repeat = (): ReturnType<typeof search> =>
    search(test, { ...auditor, token: () => Promise.resolve(token) }, { kind: 'exchange' });
  t.equal((await repeat()).statusCode, 200);
  await revokeClient(test.database, actor, auditor.clientId);
  t.match((await repeat()).json(), { status: 401, code: 'token-invalid' });
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
