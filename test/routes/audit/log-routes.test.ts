import t from 'tap';
import { openCheckpoint, type Checkpoint } from '../../../src/transparency/checkpoint.ts';
import { leafHash, verifyConsistency, verifyInclusion } from '../../../src/transparency/merkle.ts';
import {
  proveConsistency,
  proveInclusion,
  rootFromTiles,
  tilePath,
  type ReadTile,
} from '../../../src/transparency/tiles.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { keys, logOrigin } from '../../helpers/keys.ts';
import { until } from '../../helpers/until.ts';
import { readLog, type LogEntry } from '../../helpers/open-seal.ts';
import { verifierOf } from '../../../src/transparency/node/sign.ts';

const test = await startGateway(t);
const verifier = verifierOf(logOrigin, keys.log);
const persona = { id: '999901198804120024', fields: ['name'] };

async function fetchCheckpoint(): Promise<Checkpoint> {
  const response = await test.app.inject({ url: '/log/checkpoint' });
  t.equal(response.statusCode, 200);
  return openCheckpoint(response.body, [verifier]);
}

/** Asks once, and waits until a checkpoint tells of it. */
async function exchangeOnce(): Promise<{ index: number; hash: Buffer; checkpoint: Checkpoint }> {
  const { headers, statusCode } = await test.read('citizens', persona);
  t.equal(statusCode, 200);
  const index = Number(headers['exchange-entry']);
  let checkpoint = await fetchCheckpoint();
  await until('a checkpoint of it', async () => {
    checkpoint = await fetchCheckpoint();
    return checkpoint.size > index;
  });
  return { index, hash: Buffer.from(headers['exchange-leaf'] as string, 'base64'), checkpoint };
}

/** As anybody reads tiles, over HTTP. */
const readTile: ReadTile = async ({ level, n, width }) => {
  const response = await test.app.inject({ url: `/log/${tilePath(level, n, width)}` });
  if (response.statusCode !== 200) throw new Error(response.body);
  return response.rawPayload;
};

await until(
  'the first checkpoint',
  async () => (await test.app.inject('/log/checkpoint')).statusCode === 200,
);

await t.test('an answered exchange is proved from outside, by checkpoint and tiles', async (t) => {
  const first = await exchangeOnce();
  const second = await exchangeOnce();
  for (const { index, hash, checkpoint } of [first, second]) {
    const proof = await proveInclusion(index, checkpoint.size, readTile);
    t.ok(verifyInclusion(proof, { index, hash }, checkpoint));
  }
  const proof = await proveConsistency(first.checkpoint.size, second.checkpoint.size, readTile);
  t.ok(verifyConsistency(proof, first.checkpoint, second.checkpoint));
  t.same(await rootFromTiles(second.checkpoint.size, readTile), second.checkpoint.root);
});

await t.test('serves checkpoint and tiles with the types and cache headers of C2SP', async (t) => {
  const { size } = (await exchangeOnce()).checkpoint;
  const checkpoint = await test.app.inject('/log/checkpoint');
  t.equal(checkpoint.headers['content-type'], 'text/plain; charset=utf-8');
  t.equal(checkpoint.headers['cache-control'], 'no-cache');
  const tile = await test.app.inject(`/log/tile/0/000.p/${size}`);
  t.equal(tile.statusCode, 200);
  t.equal(tile.headers['content-type'], 'application/octet-stream');
  t.equal(tile.headers['cache-control'], 'public, max-age=31536000, immutable');
  t.equal(tile.rawPayload.length, size * 32);
});

await t.test('serves no tile beyond the checkpoint, and none that is written otherwise', async (t) => {
  const { size } = (await exchangeOnce()).checkpoint;
  for (const path of [
    `0/000.p/${size + 1}`,
    '0/000',
    '1/000.p/1',
    '0/001.p/1',
    '0/0',
    '0/000.p/0',
    '7/000',
    'x/000',
    '0/..',
  ])
    t.equal((await test.app.inject(`/log/tile/${path}`)).statusCode, 404, path);
  const { code } = (await test.app.inject(`/log/tile/0/000.p/${size + 1}`)).json<{ code: string }>();
  t.equal(code, 'not-found');
});

await t.test('gives entries to auditors alone, as the bytes that were hashed', async (t) => {
  const { index, hash } = await exchangeOnce();
  const url = `/log/tile/entries/000.p/${index + 1}`;
  const ask = async (token?: string): Promise<Awaited<ReturnType<typeof test.app.inject>>> =>
    test.app.inject({ url, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });
  t.match((await ask()).json(), { status: 401, code: 'token-missing' });
  t.match((await ask('x')).json(), { status: 401, code: 'token-invalid' });
  t.match((await ask(await test.token('civil-affairs'))).json(), { status: 403, code: 'scope-missing' });
  const auditor = await test.token('audit-office', ['audit']);
  const response = await ask(auditor);
  t.equal(response.statusCode, 200);
  t.equal(response.headers['cache-control'], 'private, max-age=31536000, immutable');
  const bytes = response.rawPayload;
  let [at, entries] = [0, 0];
  let last: Buffer = Buffer.alloc(0);
  for (; at < bytes.length; entries++) {
    const length = bytes.readUInt16BE(at);
    last = bytes.subarray(at + 2, at + 2 + length);
    at += 2 + length;
  }
  t.equal(at, bytes.length);
  t.equal(entries, index + 1);
  t.same(leafHash(last), hash);
  const beyond = await test.app.inject({
    url: '/log/tile/entries/999',
    headers: { authorization: `Bearer ${auditor}` },
  });
  t.match(beyond.json(), { status: 404, code: 'not-found' });
});

await t.test('who reads bundles is on the record, once a minute for all of them', async (t) => {
  const { index } = await exchangeOnce();
  test.clock.advance(60_000);
  const looks = async (): Promise<LogEntry[]> =>
    (await readLog(test.pool)).filter(({ operation }) => operation === 'entry-bundles');
  const before = (await looks()).length;
  const read = async (more: Record<string, string> = {}): Promise<number> => {
    const token = await test.token('audit-office', ['audit']);
    const headers = { authorization: `Bearer ${token}`, ...more };
    return (await test.app.inject({ url: `/log/tile/entries/000.p/${index + 1}`, headers })).statusCode;
  };
  t.strictSame(await Promise.all([read(), read(), read()]), [200, 200, 200]);
  t.equal((await looks()).length, before + 1);
  test.clock.advance(60_000);
  t.equal(await read({ 'exchange-official': 'auditor-7' }), 200);
  const entries = await looks();
  t.equal(entries.length, before + 2);
  t.match(entries.at(-1), {
    kind: 'query',
    consumer: 'audit-office',
    official: { id: 'auditor-7', proof: 'asserted' },
    details: { from: 0 },
  });
  t.notOk('official' in entries.at(-2)!, 'a verifier names no official');
});

await t.test('tells of the log in readiness and metrics', async (t) => {
  const ready = await test.app.inject('/readyz');
  t.equal(ready.json<{ checks: Record<string, string> }>().checks.audit_log, 'ok');
  const metrics = (await test.app.inject('/metrics')).body;
  t.match(metrics, /^onevisit_log_fault 0$/m);
  t.match(metrics, /^onevisit_checkpoint_lag_entries \d+$/m);
  t.match(metrics, /^onevisit_publish_failures_total 0$/m);
});

await t.test('the log is whole', (t) => checkAuditLog(t, test).then(() => undefined));

await t.test('turns unready once the log was altered, and answers the rest', async (t) => {
  const { index } = await exchangeOnce();
  await test.read('citizens', persona);
  await test.pool.query('alter table audit.entry_0000 disable trigger all');
  await test.pool.query('update audit.entry_0000 set bytes = set_byte(bytes, 5, 88) where index = $1', [
    index,
  ]);
  await test.read('citizens', persona);
  await until('unready', async () => (await test.app.inject('/readyz')).statusCode === 503);
  const { checks } = (await test.app.inject('/readyz')).json<{ checks: Record<string, string> }>();
  t.match(checks.audit_log, /^nothing is signed: see the log/);
  t.match((await test.app.inject('/metrics')).body, /^onevisit_log_fault 1$/m);
  t.ok((await fetchCheckpoint()).size > index, 'the last good checkpoint is served on');
  t.equal((await test.read('citizens', persona)).statusCode, 200);
});
