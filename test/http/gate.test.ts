import { createServer, type ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import { connect, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { createGate } from '../../src/http/gate.ts';

await t.test('gives a place back when whoever asked goes away', async (t) => {
  const gate = createGate(1);
  let release = (): void => undefined;
  let left = 0;
  const server = createServer((_request, response) => {
    gate
      .run(response, async (gone) => {
        gone.addEventListener('abort', () => left++);
        await new Promise<void>((resolve) => (release = resolve));
        response.end('done');
      })
      .catch(() => response.writeHead(503).end('overloaded'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/`;
  const socket = connect(port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await sleep(50);
  t.equal(await (await fetch(url)).text(), 'overloaded', 'the one place is taken');
  socket.destroy();
  await sleep(50);
  t.equal(left, 1, 'the work hears of it');
  t.equal(await (await fetch(url)).text(), 'overloaded', 'and stays taken until its work is done');
  release();
  await sleep(50);
  const next = fetch(url);
  await sleep(50);
  release();
  t.equal(await (await next).text(), 'done');
});

await t.test('works on so many at once, and on the others in the order they came', async (t) => {
  const gate = createGate(4, 2);
  const begun: number[] = [];
  const releases: (() => void)[] = [];
  const running = [0, 1, 2, 3].map((n) =>
    gate.run(new PassThrough() as unknown as ServerResponse, async () => {
      begun.push(n);
      await new Promise<void>((resolve) => (releases[n] = resolve));
      if (n === 1) throw new Error('failed');
    }),
  );
  t.throws(() => gate.check(), { code: 'overloaded' }, 'whoever waits in line has a place');
  await sleep(10);
  t.strictSame(begun, [0, 1]);
  releases[1]!();
  await t.rejects(running[1]!, { message: 'failed' });
  await sleep(10);
  t.strictSame(begun, [0, 1, 2], 'one that fails makes place as well');
  for (const n of [0, 2, 3]) {
    releases[n]!();
    await running[n];
    await sleep(10);
  }
  t.strictSame(begun, [0, 1, 2, 3]);
});
