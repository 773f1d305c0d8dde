import { createServer } from 'node:http';
import { gzipSync } from 'node:zlib';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { openCheckpoint } from '../../../src/transparency/checkpoint.ts';
import { startCosignStage, type CosignStage } from '../../../src/audit/publishing/cosign-stage.ts';
import { checkpointFile } from '../../../src/audit/publishing/checkpoint-file.ts';
import { openLogKeys } from '../../../src/audit/log-keys.ts';
import { openNote } from '../../../src/transparency/note.ts';
import { emptyRoot } from '../../../src/transparency/merkle.ts';
import { signCheckpoint } from '../../../src/transparency/node/sign.ts';
import { reopenLog } from '../../../src/audit/change-log-key.ts';
import { rememberSettings } from '../../../src/db/settings.ts';
import { keyId } from '../../../src/base/keys.ts';
import { parseProof } from '../../../src/transparency/proof.ts';
import { startPublishStage, type PublishStage } from '../../../src/audit/publishing/publish-stage.ts';
import { openDatabase } from '../../../src/db/database.ts';
import { newFolder } from '../../helpers/folder.ts';
import { originHash } from '../../../src/witness/state.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { createDatabase, type TestDatabase } from '../../helpers/database.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { actor, keys, logOrigin } from '../../helpers/keys.ts';
import { serveWitness, type ServedWitness } from '../../helpers/served.ts';
import { countEntries, fillTo, putBack } from '../../helpers/log.ts';
import { until } from '../../helpers/until.ts';
import { verifiers } from '../../helpers/published-log.ts';

interface Started {
  publishing: PublishStage;
  cosigning: CosignStage;
  faults: string[];
  failures: unknown[];
  stop(): Promise<void>;
}

/** The two stages of one gateway, with a new home. */
function start(t: Test, test: TestDatabase, witnesses: ServedWitness[]): Started {
  const { pool, close } = openDatabase(test.gatewayUrl, 'test publish', { maxConnections: 2 });
  const faults: string[] = [];
  const failures: unknown[] = [];
  const logKeys = openLogKeys(verifiers[0]!);
  const home = newFolder(t);
  const cosigning = startCosignStage({
    db: pool,
    witnesses,
    keys: logKeys,
    emptyNote: signCheckpoint({ origin: logOrigin, size: 0, root: emptyRoot }, keys.log),
    onObjection: (objection) => faults.push(objection),
    onFailure: (_witness, error) => failures.push(error),
  });
  const publishing = startPublishStage({
    pool,
    key: keys.log,
    keys: logKeys,
    fileOf: (key) => checkpointFile(home, key),
    after: cosigning.asked,
    objection: cosigning.objection,
    onFault: (fault) => faults.push(fault),
    onFailure: (error) => failures.push(error),
  });
  let stopped: Promise<void> | null = null;
  const stop = (): Promise<void> =>
    (stopped ??= (async () => {
      await cosigning.stop();
      await publishing.stop();
      await close();
    })());
  t.teardown(stop);
  return { publishing, cosigning, faults, failures, stop };
}

/** A checkpoint of all that there is, which no witness was shown. */
async function publishAlone(t: Test, test: TestDatabase): Promise<void> {
  const alone = start(t, test, []);
  const { pool } = test;
  await until('a checkpoint', async () => {
    const { rows } = await pool.query<{ size: number | null }>(
      'select max(size) as size from audit.checkpoint',
    );
    return rows[0]!.size === (await countEntries(test));
  });
  await alone.stop();
}

const seenBy = async ({ state }: ServedWitness): Promise<number> => {
  const kept = await state.read(logOrigin);
  return kept === null ? 0 : openCheckpoint(kept.note, verifiers).size;
};
const untilSeen = (witness: ServedWitness, size: number): Promise<void> =>
  until(`the witness has seen ${size}`, async () => (await seenBy(witness)) === size);

await t.test('every checkpoint is shown to each witness, and served with their signatures', async (t) => {
  const witnesses = [await serveWitness(t), await serveWitness(t)];
  const gateway = await startGateway(t, {
    config: { logWitnesses: witnesses.map(({ key, url }) => ({ key, url })) },
  });
  const { headers } = await gateway.read('citizens', { id: '999901198804120024', fields: ['name'] });
  const index = Number(headers['exchange-entry']);
  const known = [...verifiers, ...witnesses.map(({ verifier }) => verifier)];
  await until('both have cosigned it', async () => {
    const { body, statusCode } = await gateway.app.inject('/log/checkpoint');
    if (statusCode !== 200) return false;
    return openCheckpoint(body, verifiers).size > index && openNote(body, known).signers.length === 3;
  });
  const token = await gateway.token('civil-affairs');
  const { body } = await gateway.app.inject({
    url: `/v1/exchanges/${String(headers['exchange-id'])}/receipt.tlog-proof`,
    headers: { authorization: `Bearer ${token}` },
  });
  t.equal(openNote(parseProof(body).checkpoint, known).signers.length, 3, 'receipts have them too');
  const kept = await fetch(`${witnesses[0]!.url}/${originHash(logOrigin)}/checkpoint`);
  t.match(kept.headers.get('content-type'), 'text/plain');
  t.ok(openCheckpoint(await kept.text(), verifiers).size > index, 'auditors get it from the witness');
  t.equal((await fetch(`${witnesses[0]!.url}/${originHash('x')}/checkpoint`)).status, 404);
  await checkAuditLog(t, gateway);
});

await t.test(
  'a witness notices that the database was put back, where the file is lost as well',
  async (t) => {
    const test = await createDatabase(t);
    const witness = await serveWitness(t);
    await fillTo(test, 200);
    const first = start(t, test, [witness]);
    await untilSeen(witness, 200);
    await fillTo(test, 300);
    await untilSeen(witness, 300);
    await first.stop();
    await putBack(test, 200);

    await fillTo(test, 250);
    const second = start(t, test, [witness]);
    await until('the alarm', () => second.publishing.fault() !== null);
    t.strictSame(second.faults, [
      "the log's last checkpoint is of 200 entries, and the witness witness.test/w1 has seen one of 300",
    ]);
    const { rows } = await test.pool.query('select max(size) as size from audit.checkpoint');
    t.equal(rows[0].size, 200, 'nothing was signed');
  },
);

await t.test(
  'a witness notices that the log was written anew, once it has grown past what was seen',
  async (t) => {
    const test = await createDatabase(t);
    const witness = await serveWitness(t);
    await fillTo(test, 300);
    const first = start(t, test, [witness]);
    await untilSeen(witness, 300);
    await first.stop();
    await putBack(test, 20);
    const { pool } = test;
    const { rowCount } = await pool.query('select from audit.checkpoint');
    t.equal(rowCount, 0);
    await fillTo(test, 400);
    await publishAlone(t, test);
    const second = start(t, test, [witness]);
    await until('the alarm', () => second.publishing.fault() !== null);
    t.match(second.faults, [
      /witness.test\/w1 has seen a log of 300 entries, which the checkpoint of 400 does not/,
    ]);
    t.equal(await seenBy(witness), 300);
  },
);

await t.test('a witness that has seen another log of the same size is believed', async (t) => {
  const [one, other] = [await createDatabase(t), await createDatabase(t)];
  const witness = await serveWitness(t);
  for (const test of [one, other]) await fillTo(test, 100);
  const first = start(t, one, [witness]);
  await untilSeen(witness, 100);
  await publishAlone(t, other);
  const second = start(t, other, [witness]);
  await until('the alarm', () => second.publishing.fault() !== null);
  t.match(second.faults, [/has seen another checkpoint of 100 entries/]);
  t.equal(witness.splitViews, 1);
  t.equal(first.publishing.fault(), null);
});

await t.test('where nothing has a last checkpoint yet, a witness is asked all the same', async (t) => {
  const test = await createDatabase(t);
  const witness = await serveWitness(t);
  await fillTo(test, 100);
  const first = start(t, test, [witness]);
  await untilSeen(witness, 100);
  await first.stop();
  await putBack(test, 20);
  const second = start(t, test, [witness]);
  await until('the alarm', () => second.publishing.fault() !== null);
  t.match(second.faults, [
    /the log's last checkpoint is of 0 entries, and the witness .* has seen one of 100/,
  ]);
  t.equal((await test.pool.query('select from audit.checkpoint')).rowCount, 0, 'nothing was signed');
});

await t.test('an objection that is taken back holds nothing up any more', async (t) => {
  let size: string | null = '5000\n';
  const real = await serveWitness(t);
  const server = createServer((request, response) => {
    if (size !== null) {
      response.writeHead(409, { 'content-type': 'text/x.tlog.size' }).end(size);
      return;
    }
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const answer = await fetch(`${real.url}/add-checkpoint`, {
        method: 'POST',
        body: Buffer.concat(chunks),
      });
      const type = answer.headers.get('content-type')!;
      response.writeHead(answer.status, { 'content-type': type }).end(await answer.text());
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close().closeAllConnections());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const test = await createDatabase(t);
  await fillTo(test, 30);
  const { publishing, faults } = start(t, test, [{ ...real, url }]);
  await until('the alarm', () => publishing.fault() !== null);
  t.equal((await test.pool.query('select from audit.checkpoint')).rowCount, 0);
  size = null;
  await untilSeen(real, 30);
  t.equal(publishing.fault(), null);
  t.equal(faults.length, 1, 'it was told of once');
});

await t.test('an answer of any size takes no more memory than a witness has to say', async (t) => {
  const body = gzipSync(Buffer.alloc(200_000_000));
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close().closeAllConnections());
  const test = await createDatabase(t);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { failures } = start(t, test, [{ ...(await serveWitness(t)), url }]);
  await until('it is told of', () => failures.length > 0);
  t.match(String(failures[0]), /it answers more than a witness has to say/);
});

await t.test('where the log was opened anew elsewhere, its old name is shown to nobody', async (t) => {
  const test = await createDatabase(t);
  const witness = await serveWitness(t);
  await fillTo(test, 50);
  const old = start(t, test, [witness]);
  await untilSeen(witness, 50);
  const to = { name: 'onevisit.test/audit-2', key: keys.log };
  await rememberSettings(test.database, { LOG_ORIGIN: logOrigin, LOG_KEY_FILE: keyId(keys.log) });
  const lost = { reason: 'a test', last: null, entries: 50 };
  await reopenLog(test.database, actor, { from: { name: logOrigin, key: keys.log }, to }, lost);
  const note = signCheckpoint({ origin: to.name, size: 51, root: Buffer.alloc(32) }, keys.log);
  await test.pool.query('insert into audit.checkpoint values (51, 50, $1, $2, now())', [
    Buffer.alloc(32),
    note,
  ]);
  await sleep(1500);
  t.same(
    old.faults.filter((fault) => fault.includes('witness')),
    [],
  );
  t.equal(await seenBy(witness), 50);
});

await t.test('a witness that is away holds nothing up, and sees the log when it is back', async (t) => {
  const test = await createDatabase(t);
  const witness = await serveWitness(t);
  await witness.stop();
  await fillTo(test, 100);
  const started = start(t, test, [witness]);
  const { pool } = test;
  await until('a checkpoint', async () => (await pool.query('select from audit.checkpoint')).rowCount === 1);
  await until('failures are told', () => started.failures.length > 1);
  t.match(String(started.failures[0]), /WitnessError: it can't be reached \(ECONNREFUSED\)/);
  await witness.start();
  await untilSeen(witness, 100);
  t.equal(started.publishing.fault(), null);
});

await t.test(
  'several gateways show one witness the same growing log, and none takes another for a fault',
  async (t) => {
    const test = await createDatabase(t);
    const witness = await serveWitness(t);
    const gateways = [1, 2, 3].map(() => start(t, test, [witness]));
    for (let size = 50; size <= 600; size += 50) {
      await fillTo(test, size);
      await until('a checkpoint', async () => (await seenBy(witness)) >= size - 50);
    }
    await untilSeen(witness, 600);
    for (const { publishing, failures } of gateways) {
      t.equal(publishing.fault(), null);
      // A machine that is busy may be late.
      t.same(
        failures.filter((error) => !String(error).includes('TimeoutError')),
        [],
      );
    }
    await checkAuditLog(t, test, { origin: logOrigin, key: keys.log });
  },
);

for (const [what, status, type, body, reason] of [
  ['another status', 503, 'text/plain', '', /answers 503/],
  ['no size', 409, 'text/plain', 'x', /409 without its size/],
  [
    'a signature of another',
    200,
    'text/plain',
    `— witness.test/w1 ${btoa('x'.repeat(76))}\n`,
    /no signature of its key/,
  ],
  ['no signature', 200, 'text/plain', 'ok', /no signature of its key/],
] as const)
  await t.test(`a witness that answers ${what} is told of, and its answer is not served`, async (t) => {
    const server = createServer((_request, response) => {
      response.writeHead(status, { 'content-type': type }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => server.close());
    const real = await serveWitness(t);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const test = await createDatabase(t);
    await fillTo(test, 30);
    const { cosigning, publishing, failures } = start(t, test, [{ ...real, url }]);
    await until('it is told of', () => failures.length > 0);
    t.match(String(failures[0]), reason);
    const { pool } = test;
    await until('a checkpoint', async () => (await pool.query('select from audit.checkpoint')).rowCount! > 0);
    const { rows } = await pool.query<{ note: string }>('select note from audit.checkpoint');
    t.equal(cosigning.cosigned(rows[0]!.note), rows[0]!.note);
    t.equal(publishing.fault(), null);
  });
