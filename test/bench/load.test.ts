import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { LoadResult, LoadSpec } from './load.ts';

const load = join(import.meta.dirname, 'load.ts');

/** A server that reads whole requests, and answers each as told. */
async function listen(t: Test, answer: (socket: Socket, request: string) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => answer(socket, chunk.toString()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function run(t: Test, port: number, more: Partial<LoadSpec> = {}): Promise<LoadResult> {
  const idsFile = join(t.testdir(), 'ids');
  writeFileSync(idsFile, 'aaa\nbbb\nccc\n');
  const spec: LoadSpec = {
    port,
    connections: 4,
    warmupMs: 50,
    measureMs: 300,
    ratePerSecond: null,
    request: 'GET /### HTTP/1.1\r\nhost: x\r\n\r\n',
    idAt: 5,
    idsFile,
    seed: 7,
    ...more,
  };
  const child = spawn(process.execPath, [load], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(spec));
  let output = '';
  for await (const chunk of child.stdout) output += String(chunk);
  return JSON.parse(output) as LoadResult;
}

const good = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}';

await t.test('asks for each of the ids, and counts what was answered', async (t) => {
  const asked = new Set<string>();
  let answers = 0;
  const port = await listen(t, (socket, request) => {
    asked.add(request.slice(5, 8));
    answers++;
    socket.write(good);
  });
  const result = await run(t, port);
  t.same([...asked].sort(), ['aaa', 'bbb', 'ccc']);
  t.equal(result.failures, 0);
  t.ok(result.answers > 0 && result.answers <= answers);
  t.ok(result.latencyMs.p50 <= result.latencyMs.p99 && result.latencyMs.p99 <= result.latencyMs.max);
});

await t.test('reads an answer that comes in pieces, however they are cut', async (t) => {
  const whole = 'HTTP/1.1 200 OK\r\nContent-Type: x\r\ncontent-length: 12\r\n\r\nabcdefghijkl';
  let cut = 1;
  const port = await listen(t, (socket) => {
    cut = (cut % (whole.length - 1)) + 1;
    socket.write(whole.slice(0, cut));
    setTimeout(() => socket.write(whole.slice(cut)), 1);
  });
  const result = await run(t, port, { connections: 1, measureMs: 600 });
  t.equal(result.failures, 0, result.firstFailure ?? '');
  t.ok(result.answers > 10);
});

await t.test('tells of an answer that is not 2xx', async (t) => {
  let first = true;
  const port = await listen(t, (socket) => {
    socket.write(first ? 'HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n' : good);
    first = false;
  });
  const result = await run(t, port);
  t.equal(result.failures, 1);
  t.match(result.firstFailure, /^HTTP\/1\.1 503/);
});

await t.test('counts answers that are tolerated by themselves, and rests after each', async (t) => {
  let asked = 0;
  const port = await listen(t, (socket) => {
    asked++;
    socket.write(asked % 2 === 0 ? 'HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n' : good);
  });
  const result = await run(t, port, { tolerated: [503], restMs: 50, connections: 1, measureMs: 500 });
  t.equal(result.failures, 0);
  t.equal(result.answers, result.statuses['200']);
  t.ok(result.statuses['503']! >= 1 && result.statuses['503']! <= 11, 'a rest of 50 ms after each');
});

await t.test('fills in as many ids as it is told', async (t) => {
  const requests = new Set<string>();
  const port = await listen(t, (socket, request) => {
    requests.add(request.split(' ')[1]!);
    socket.write(good);
  });
  const result = await run(t, port, {
    request: 'GET /###,###,### HTTP/1.1\r\nhost: x\r\n\r\n',
    ids: { count: 3, strideBytes: 4 },
  });
  t.equal(result.failures, 0);
  t.ok([...requests].every((path) => /^\/(aaa|bbb|ccc),(aaa|bbb|ccc),(aaa|bbb|ccc)$/.test(path)));
  t.ok(requests.size > 5);
});

await t.test('tells of a connection that the server closed', async (t) => {
  const port = await listen(t, (socket) => socket.destroy());
  const result = await run(t, port);
  t.ok(result.failures >= 4);
  t.equal(result.answers, 0);
});

await t.test('sends at its own pace when told to, and waits for what is late', async (t) => {
  const port = await listen(t, (socket) => {
    setTimeout(() => socket.write(good), 20);
  });
  const result = await run(t, port, { ratePerSecond: 100, measureMs: 1000, connections: 16 });
  t.equal(result.failures, 0);
  t.ok(result.answers > 40 && result.answers < 200, `${result.answers} of about 100`);
  t.ok(result.latencyMs.p50 >= 19);
});
