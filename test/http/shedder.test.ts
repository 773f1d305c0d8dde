import { Agent, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextRound, setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { createShedder, type Shedder } from '../../src/http/shedder.ts';
import { personaCitizens } from '../../src/sandbox/personas.ts';
import { createJudge, type Document } from '../helpers/openapi-document.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway } from '../helpers/gateway.ts';

const calmPlaces = 320;
const fewPlaces = 64;
const maxInRound = 4;

interface Rig {
  shedder: Shedder;
  advance: (ms: number) => void;
  /** Begins an exchange; gives what ends it, or null when it was refused. */
  begin: (connection?: object) => (() => Promise<void>) | null;
}

function rig(): Rig {
  let ms = 0;
  const shedder = createShedder(() => ms);
  return {
    shedder,
    advance: (by) => (ms += by),
    begin(connection = {}) {
      const { promise, resolve } = Promise.withResolvers<void>();
      try {
        shedder.check(connection);
      } catch {
        return null;
      }
      const done = shedder.run(() => promise);
      return () => {
        resolve();
        return done;
      };
    },
  };
}

type End = () => Promise<void>;

/** Begins as many as have a place in one round of the event loop. */
function beginMany(begin: Rig['begin'], count: number): End[] {
  return Array.from({ length: count }, () => begin()).filter((end) => end !== null);
}

/** Begins as many as have a place, in rounds of a few, until one is refused. */
async function beginInRounds(begin: Rig['begin']): Promise<End[]> {
  const ends: End[] = [];
  for (;;) {
    await nextRound();
    const begun = beginMany(begin, maxInRound);
    ends.push(...begun);
    if (begun.length < maxInRound) return ends;
  }
}

/** Makes a shedder shed: of three hundred connections beyond its places, all are refused. */
async function overload({ begin }: Rig): Promise<void> {
  const ends = beginMany(begin, calmPlaces + 300);
  for (const end of ends) await end();
}

await t.test('lets a burst pass, and no more than it has places for', async (t) => {
  const { shedder, begin } = rig();
  const ends = beginMany(begin, calmPlaces + 50);
  t.equal(ends.length, calmPlaces);
  await t.rejects(
    shedder.run(() => Promise.resolve()),
    { code: 'overloaded' },
    'whose body came late',
  );
  for (const end of ends) await end();
});

await t.test('works with few places until a second has passed without a refusal', async (t) => {
  const one = rig();
  const { begin, advance } = one;
  await overload(one);
  const ends = await beginInRounds(begin);
  t.equal(ends.length, fewPlaces);
  advance(999);
  t.equal(begin(), null, 'still');
  advance(1000);
  const burst = beginMany(begin, calmPlaces);
  t.equal(burst.length, calmPlaces - fewPlaces, 'as before');
  for (const end of [...ends, ...burst]) await end();
});

await t.test('lets a few in in each round of the event loop while it sheds', async (t) => {
  const one = rig();
  await overload(one);
  await nextRound();
  for (let i = 0; i < 3; i++) {
    const ends = beginMany(one.begin, 100);
    t.equal(ends.length, maxInRound);
    for (const end of ends) await end();
    t.equal(one.begin(), null, 'whose ends make no place in the same round');
    await nextRound();
  }
});

await t.test('takes who was let in and whose body comes in a later round', async (t) => {
  const one = rig();
  await overload(one);
  await nextRound();
  t.ok(one.shedder.hasPlace({}));
  const ends = beginMany(one.begin, maxInRound);
  t.equal(ends.length, maxInRound);
  t.equal(await one.shedder.run(() => Promise.resolve('answered')), 'answered');
  for (const end of ends) await end();
});

for (const { letIn, sheds } of [
  { letIn: 4000, sheds: true },
  { letIn: 5200, sheds: false },
])
  await t.test(`after a second with 257 refused beside ${letIn} it sheds: ${sheds}`, async (t) => {
    const one = rig();
    const { begin, advance } = one;
    const endAll = async (ends: End[]): Promise<number> => {
      for (const end of ends) await end();
      return ends.length;
    };
    await overload(one);
    advance(999);
    await nextRound();
    t.equal(await endAll(beginMany(begin, maxInRound + 1)), maxInRound);
    advance(1);
    for (let i = 0; i < letIn; i += maxInRound) {
      await nextRound();
      await endAll(beginMany(begin, maxInRound));
    }
    advance(500);
    t.equal(beginMany(begin, 257).length, 0);
    advance(500);
    await nextRound();
    t.equal(await endAll(beginMany(begin, maxInRound + 1)), sheds ? maxInRound : maxInRound + 1);
  });

await t.test('sheds no longer for a few connections that ask again at once', async (t) => {
  const one = rig();
  const { begin, advance } = one;
  await overload(one);
  const connections = Array.from({ length: 256 }, () => ({}));
  const askAll = async (): Promise<number> => {
    await nextRound();
    const ends = connections.map((connection) => begin(connection)).filter((end) => end !== null);
    for (const end of ends) await end();
    return ends.length;
  };
  for (let ms = 0; ms < 1100; ms += 100) {
    t.equal(await askAll(), maxInRound);
    advance(100);
  }
  for (let ms = 0; ms < 1000; ms += 100) {
    await askAll();
    advance(100);
  }
  t.equal(await askAll(), connections.length);
});

await t.test('keeps as many places as a slow database needs', async (t) => {
  const { begin, advance } = rig();
  // 2000 exchanges a second, each of which takes at least 50 ms: 100 of them are in work at any time.
  let ends = beginMany(begin, 100);
  for (let i = 0; i < 20; i++) {
    advance(50);
    for (const end of ends) await end();
    ends = beginMany(begin, 100);
  }
  const more = beginMany(begin, calmPlaces);
  t.equal(more.length, calmPlaces - 100);
  advance(50);
  for (const end of more) await end();
  t.equal((await beginInRounds(begin)).length, calmPlaces - 100, 'four times 100 is more than there are');
});

await t.test('gives the place of an exchange that fails to the next', async (t) => {
  const { shedder, begin } = rig();
  for (let i = 0; i < 2 * calmPlaces; i++)
    await t.rejects(
      shedder.run(() => Promise.reject(new Error('no'))),
      { message: 'no' },
    );
  t.equal(beginMany(begin, calmPlaces).length, calmPlaces);
});

await t.test('answers many at once with 200 or 503, each in the documented form', async (t) => {
  const test = await startGateway(t);
  const judge = createJudge((await test.app.inject({ url: '/openapi/v1.json' })).json<Document>());
  const token = await test.token('civil-affairs');
  await test.app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = test.app.server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true });
  t.teardown(() => agent.destroy());
  const body = JSON.stringify({ id: personaCitizens[0]!.id, fields: ['name'] });

  function ask(): Promise<{ statusCode: number; headers: IncomingMessage['headers']; body: string }> {
    return new Promise((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'content-length': body.length,
        'exchange-purpose': 'marriage-registration',
      };
      request({ port, agent, method: 'POST', path: '/v1/citizens/read', headers }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () =>
          resolve({ statusCode: response.statusCode!, headers: response.headers, body: text }),
        );
      })
        .on('error', reject)
        .end(body);
    });
  }

  // While the log takes nothing, every exchange stays in work.
  const locker = await test.pool.connect();
  await locker.query('begin; lock table audit.entry in access exclusive mode');
  let answered = 0;
  const asked = Array.from({ length: 1000 }, () => ask().finally(() => answered++));
  for (let i = 0; i < 300 && answered < 1000 - calmPlaces; i++) await sleep(10);
  t.equal(answered, 1000 - calmPlaces, 'those are refused at once, while the others wait');
  await locker.query('rollback');
  locker.release();
  const answers = await Promise.all(asked);
  const byStatus = Map.groupBy(answers, ({ statusCode }) => statusCode);
  t.same(
    [...byStatus.keys()].sort((a, b) => a - b),
    [200, 503],
  );
  t.equal(byStatus.get(200)!.length, calmPlaces);
  const refused = byStatus.get(503)!;
  t.same(
    [...new Set(refused.map(({ body: text }) => (JSON.parse(text) as { code: string }).code))],
    ['overloaded'],
  );
  const waits = new Set(refused.map(({ headers }) => Number(headers['retry-after'])));
  t.same(
    [...waits].sort((a, b) => a - b),
    [1, 2, 3],
    'they are not all back at one moment',
  );
  for (const { headers } of refused) if (headers['exchange-entry'] !== undefined) t.fail('an entry is named');
  t.equal(new Set(answers.map(({ headers }) => headers['exchange-id'])).size, answers.length);
  const answer = refused[0]!;
  judge.checkAnswer(t, 'readCitizens', {
    ...answer,
    json: () => JSON.parse(answer.body) as unknown,
  } as never);

  await sleep(1100);
  const after = await Promise.all(Array.from({ length: 250 }, ask));
  t.same([...new Set(after.map(({ statusCode }) => statusCode))], [200], 'afterwards all is as before');
  const entries = await checkAuditLog(t, test);
  t.equal(entries.filter(({ kind }) => kind === 'exchange').length, calmPlaces + 250);
});

await t.test('refuses a batch that has no place before it reads its body', async (t) => {
  const test = await startGateway(t);
  const token = await test.token('civil-affairs');
  const locker = await test.pool.connect();
  await locker.query('begin; lock table store.citizens in access exclusive mode');
  const ids = [personaCitizens[0]!.id];
  const inWork = Array.from({ length: 8 }, () => test.ask('batch', 'citizens', { ids }, { token }));
  await sleep(300);
  const answer = await test.ask('batch', 'citizens', 'x'.repeat(200_000), { token });
  t.equal(answer.statusCode, 503, 'not 413');
  await locker.query('rollback');
  locker.release();
  t.same([...new Set((await Promise.all(inWork)).map(({ statusCode }) => statusCode))], [200]);
  await checkAuditLog(t, test);
});
