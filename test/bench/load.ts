/**
 * The load generator: a process of its own, plain sockets, one request at a time on each connection. It takes a
 * `LoadSpec` as JSON on standard input and prints a `LoadResult` as JSON.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { text } from 'node:stream/consumers';

/** What to send, and how. */
export interface LoadSpec {
  port: number;
  connections: number;
  warmupMs: number;
  measureMs: number;
  /**
   * Requests a second, sent at times of their own whether answers come or not (open loop); null sends the next
   * request of a connection as soon as the last is answered (closed loop).
   */
  ratePerSecond: number | null;
  /** The whole request. `idAt` says where in it the id stands that each request fills in anew; null when none does. */
  request: string;
  idAt: number | null;
  /** How many ids stand there, and how many bytes apart they begin; one when absent. */
  ids?: { count: number; strideBytes: number };
  /** Statuses beside 2xx that are no failures, whose answers are counted alone. */
  tolerated?: number[];
  /** After a tolerated refusal a connection rests so long, closed loop. */
  restMs?: number;
  /** A file of ids, all of one length, a line each, asked in random order. */
  idsFile: string;
  seed: number;
}

/** What came of it. Times are in milliseconds, from when a request was due to the last byte of its answer. */
export interface LoadResult {
  /** Those of 2xx. */
  answers: number;
  answersPerSecond: number;
  /** How many answers had which status, while it was measured. */
  statuses: Record<string, number>;
  /** Answers that were neither 2xx nor tolerated, connections that broke, and requests not answered at the end; the first of them told. */
  failures: number;
  firstFailure: string | null;
  latencyMs: { p50: number; p90: number; p99: number; p999: number; max: number };
  /** Processor time of this process, in microseconds an answer. */
  cpuMicros: number;
}

const drainMs = 5000;

async function run(spec: LoadSpec): Promise<LoadResult> {
  const ids = readFileSync(spec.idsFile, 'latin1').trimEnd().split('\n');
  const random = xorshift(spec.seed);
  const template = Buffer.from(spec.request, 'latin1');
  let startMs = Infinity;
  let endMs = Infinity;
  const { count, strideBytes } = spec.ids ?? { count: 1, strideBytes: 0 };
  const latencies: number[] = [];
  const statuses: Record<string, number> = {};
  const idle: Connection[] = [];
  const due: number[] = [];
  let failures = 0;
  let firstFailure: string | null = null;
  let inFlight = 0;
  let dueNotSent = 0;
  let cpuAtStart: NodeJS.CpuUsage | null = null;

  interface Connection {
    socket: Socket;
    buffer: Buffer;
    dueMs: number;
    received: string;
    missing: number;
  }

  function fail(what: string): void {
    failures++;
    firstFailure ??= what;
  }

  function send(connection: Connection, dueMs: number): void {
    if (spec.idAt !== null)
      for (let i = 0; i < count; i++)
        connection.buffer.write(ids[random(ids.length)]!, spec.idAt + i * strideBytes, 'latin1');
    connection.dueMs = dueMs;
    inFlight++;
    // The socket may keep the buffer until it is written: loopback takes it at once.
    connection.socket.write(connection.buffer);
  }

  function next(connection: Connection, nowMs: number): void {
    if (nowMs >= endMs) return;
    if (spec.ratePerSecond === null) send(connection, nowMs);
    else if (due.length > dueNotSent) send(connection, due[dueNotSent++]!);
    else idle.push(connection);
  }

  function answered(connection: Connection, answer: string): void {
    const nowMs = performance.now();
    inFlight--;
    const status = answer.slice(9, 12);
    const good = status.startsWith('2');
    const tolerated = spec.tolerated?.includes(Number(status)) === true;
    if (!good && !tolerated) fail(answer.slice(0, 1000));
    if (connection.dueMs >= startMs && connection.dueMs < endMs) {
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (!tolerated) latencies.push(nowMs - connection.dueMs);
    }
    if (!good && spec.restMs !== undefined)
      setTimeout(() => next(connection, performance.now()), spec.restMs);
    else next(connection, nowMs);
  }

  function receive(connection: Connection, sizeBytes: number, buffer: Uint8Array): void {
    if (connection.missing > 0) connection.missing -= sizeBytes;
    else {
      const answer = connection.received + latin1(buffer, sizeBytes);
      connection.received = answer;
      const bodyAt = answer.indexOf('\r\n\r\n') + 4;
      if (bodyAt < 4) return;
      connection.missing = bodyAt + contentLength(answer) - answer.length;
    }
    if (connection.missing > 0) return;
    const answer = connection.received;
    connection.received = '';
    answered(connection, answer);
  }

  function open(): Connection {
    const socket = connect({
      port: spec.port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafe(64 * 1024),
        callback(sizeBytes, chunk) {
          receive(connection, sizeBytes, chunk);
          return true;
        },
      },
    });
    const connection = { socket, buffer: Buffer.from(template), dueMs: 0, received: '', missing: 0 };
    socket.on('error', (error) => fail(error.message));
    socket.on('close', () => {
      if (performance.now() < endMs) fail('the server closed a connection');
    });
    return connection;
  }

  // Nothing is due before all stand: how long this process takes to connect is no wait for an answer.
  const connections = Array.from({ length: spec.connections }, open);
  await Promise.all(connections.map(({ socket }) => once(socket, 'connect')));
  startMs = performance.now() + spec.warmupMs;
  endMs = startMs + spec.measureMs;
  setTimeout(() => (cpuAtStart = process.cpuUsage()), spec.warmupMs);
  for (const connection of connections) next(connection, performance.now());

  return new Promise((resolve) => {
    function finish(): void {
      for (let i = 0; i < inFlight; i++) fail('a request was not answered');
      for (const { socket } of connections) socket.destroy();
      const cpu = process.cpuUsage(cpuAtStart ?? undefined);
      resolve({
        answers: latencies.length,
        answersPerSecond: latencies.length / (spec.measureMs / 1000),
        statuses,
        failures,
        firstFailure,
        latencyMs: percentiles(latencies),
        cpuMicros: (cpu.user + cpu.system) / Math.max(1, latencies.length),
      });
    }
    function waitForLast(): void {
      if (inFlight === 0 || performance.now() > endMs + drainMs) finish();
      else setTimeout(waitForLast, 5);
    }
    if (spec.ratePerSecond !== null) {
      // Each millisecond brings a Poisson number of requests, due at that millisecond.
      let tickMs = performance.now();
      const mean = spec.ratePerSecond / 1000;
      const ticker = setInterval(() => {
        const nowMs = performance.now();
        for (; tickMs <= nowMs && tickMs < endMs; tickMs++)
          for (let n = poisson(mean, random); n > 0; n--) due.push(tickMs);
        while (dueNotSent < due.length && idle.length > 0) send(idle.pop()!, due[dueNotSent++]!);
        if (nowMs >= endMs) clearInterval(ticker);
      }, 1);
    }
    setTimeout(waitForLast, endMs - performance.now());
  });
}

function latin1(buffer: Uint8Array, sizeBytes: number): string {
  return Buffer.from(buffer.buffer, buffer.byteOffset, sizeBytes).toString('latin1');
}

const lengthHeader = 'content-length: ';

/** How many bytes the body has; servers write the header's name in lower case, or Node's way. */
function contentLength(answer: string): number {
  const at = answer.indexOf(lengthHeader);
  if (at < 0) throw new Error(`an answer without ${lengthHeader}${answer.slice(0, 1000)}`);
  return Number(answer.slice(at + lengthHeader.length, answer.indexOf('\r', at)));
}

/** The percentiles of latencies. */
export function percentiles(latencies: number[]): LoadResult['latencyMs'] {
  const sorted = Float64Array.from(latencies).sort();
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1) };
}

/** A fast generator of whole numbers below a bound (Marsaglia's xorshift32). */
export function xorshift(seed: number): (bound: number) => number {
  let state = seed | 0 || 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}

/** Knuth's method: good for small means. */
function poisson(mean: number, random: (bound: number) => number): number {
  const limit = Math.exp(-mean);
  let n = 0;
  for (let product = random(1e9) / 1e9; product > limit; product *= random(1e9) / 1e9) n++;
  return n;
}

if (import.meta.main)
  console.log(JSON.stringify(await run(JSON.parse(await text(process.stdin)) as LoadSpec)));
