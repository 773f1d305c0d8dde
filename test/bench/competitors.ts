import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Rig } from '../helpers/rig.ts';
import type { LoadResult, LoadSpec } from './load.ts';

/** What the benchmark asks of a competitor. */
export interface Task {
  connections: number;
  /** Requests a second, whether answers come or not; null asks again as soon as an answer came. */
  ratePerSecond: number | null;
  warmupMs: number;
  measureMs: number;
  /** Statuses beside 2xx that are no failures, and how long their connection rests. */
  tolerated?: number[];
  restMs?: number;
}

/** A competitor that runs. */
export interface Running {
  /** Its process; null where the load comes from within. */
  pid: number | null;
  measure(task: Task): Promise<LoadResult>;
  stop(): Promise<void>;
}

export interface Competitor {
  name: string;
  /** What it does, for the table. */
  title: string;
  /** The numbers of connections that it is measured with. */
  connections: readonly number[];
  start(rig: Rig, idsFile: string): Promise<Running>;
}

const bodyFields = ['name', 'birth_date', 'mobile_phone'];
const idPlace = '#'.repeat(18);

export const competitors: Competitor[] = [
  server('hello', 'bare Fastify: hello', 'hello.ts', () => httpRequest('GET', '/', {})),
  server('hello-token', 'bare Fastify: verifies an ES256 token', 'hello.ts', (token) =>
    httpRequest('GET', '/token', bearer(token)),
  ),
  server(
    'hand-written',
    'Fastify + @fastify/jwt + pg: one transaction a request',
    'hand-written.ts',
    (token) => httpRequest('POST', '/citizens/read', bearer(token), { id: idPlace }),
  ),
  server('platformatic', 'Platformatic sql-openapi: read only, no token, no audit', 'platformatic.ts', () =>
    httpRequest('GET', `/storeCitizens/${idPlace}?fields=name,birthDate,mobilePhone`, {}),
  ),
  {
    name: 'pgbench',
    title: 'pgbench: the same read and insert in a transaction',
    connections: [64],
    start: (rig) => Promise.resolve(startPgbench(rig)),
  },
  {
    name: 'gateway',
    title: 'OneVisit: token, grant, masks, sealed and durable entry',
    connections: [64, 256],
    start: startGateway,
  },
];

/** The folder with pgbench in it: on the PATH, or where Debian puts it. Null where it is not installed. */
export function findPgbench(): string | null {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...process.env.PATH!.split(':'),
  ];
  const folder = folders.find((one) => existsSync(join(one, 'pgbench')));
  return folder === undefined ? null : join(folder, 'pgbench');
}

interface HttpRequest {
  request: string;
  idAt: number | null;
}

function httpRequest(
  method: string,
  path: string,
  headers: Record<string, string>,
  body?: object,
): HttpRequest {
  const content = body === undefined ? '' : JSON.stringify(body);
  const all = {
    host: '127.0.0.1',
    ...headers,
    ...(body && { 'content-type': 'application/json', 'content-length': String(content.length) }),
  };
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const request = `${method} ${path} HTTP/1.1\r\n${head.join('')}\r\n${content}`;
  const idAt = request.indexOf(idPlace);
  return { request, idAt: idAt < 0 ? null : idAt };
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

/** A server of `servers/`, which says where it listens and what token it takes. */
function server(
  name: string,
  title: string,
  file: string,
  request: (token: string) => HttpRequest,
): Competitor {
  return {
    name,
    title,
    connections: [64, 256],
    async start(rig, idsFile) {
      const child = spawn(process.execPath, [join(import.meta.dirname, 'servers', file)], {
        env: { ...process.env, DATABASE_URL: rig.server.adminUrl },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const { port, token } = JSON.parse(await firstLine(child)) as { port: number; token: string };
      return {
        pid: child.pid!,
        measure: (task) => runLoad({ port, ...request(token), ...task, idsFile, seed: newSeed() }),
        stop: () => end(child),
      };
    },
  };
}

async function startGateway(rig: Rig, idsFile: string): Promise<Running> {
  const { url, process: child } = await rig.startGateway();
  return gatewayMeasures(rig, { url, child, idsFile });
}

/** Measures a gateway; each time with a token of its own, because tokens live ten minutes. */
function asking(
  rig: Rig,
  { url, child, idsFile }: { url: string; child: ChildProcess; idsFile: string },
  { operation, body, ...more }: { operation: string; body: object } & Pick<LoadSpec, 'ids'>,
): Running {
  return {
    pid: child.pid!,
    async measure(task) {
      const headers = { ...bearer(await rig.newToken(url)), 'exchange-purpose': 'marriage-registration' };
      const request = httpRequest('POST', `/v2/citizens/${operation}`, headers, body);
      const port = Number(new URL(url).port);
      return runLoad({ port, ...request, ...more, ...task, idsFile, seed: newSeed() });
    },
    stop: () => end(child),
  };
}

type Target = Parameters<typeof asking>[1];

/** Measures a gateway's reads of single records. */
export function gatewayMeasures(rig: Rig, target: Target): Running {
  return asking(rig, target, { operation: 'read', body: { id: idPlace, fields: bodyFields } });
}

const batchSize = 1000;
const batchIds = { count: batchSize, strideBytes: idPlace.length + '","'.length };

/** Measures a gateway's batches of a thousand ids. */
export function batchMeasures(rig: Rig, target: Target): Running {
  const ids = Array.from({ length: batchSize }, () => idPlace);
  return asking(rig, target, { operation: 'batch', body: { ids, fields: bodyFields }, ids: batchIds });
}

/** Measures what pg does with the same ids and fields, and nothing else. */
export function bareBatchMeasures(rig: Rig, idsFile: string): Running {
  return {
    pid: null,
    measure: (task) =>
      runLoad(
        { port: 0, request: '', idAt: null, ids: batchIds, ...task, idsFile, seed: newSeed() },
        'servers/bare-batch.ts',
        { DATABASE_URL: rig.server.adminUrl },
      ),
    stop: () => Promise.resolve(),
  };
}

function startPgbench(rig: Rig): Running {
  const folder = mkdtempSync(join(tmpdir(), 'onevisit-pgbench-'));
  const script = join(folder, 'script.sql');
  writeFileSync(script, pgbenchScript);
  return {
    pid: null,
    async measure({ connections, measureMs }) {
      const [sample] = await rig.query<{ size: number }>('select count(*) as size from bench.sample');
      const seconds = Math.max(1, Math.round(measureMs / 1000));
      const options = `--no-vacuum --protocol=prepared --jobs=2 --client=${connections} --time=${seconds} --define=sample=${sample!.size}`;
      const child = spawn(findPgbench()!, [...options.split(' '), `--file=${script}`, rig.server.adminUrl], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const [output, complaint] = await Promise.all([read(child.stdout), read(child.stderr)]);
      const perSecond = Number(/tps = ([\d.]+)/.exec(output)?.[1]);
      const failed = Number(/failed transactions: (\d+)/.exec(output)?.[1] ?? 0);
      if (Number.isNaN(perSecond)) throw new Error(`pgbench: ${complaint.trim()}`);
      const average = Number(/latency average = ([\d.]+)/.exec(output)?.[1]);
      const latencyMs = { p50: average, p90: NaN, p99: NaN, p999: NaN, max: NaN };
      return {
        answers: Math.round(perSecond * seconds),
        answersPerSecond: perSecond,
        statuses: {},
        failures: failed,
        firstFailure: failed === 0 ? null : complaint,
        latencyMs,
        cpuMicros: NaN,
      };
    },
    async stop() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** pgbench can't make ids up, so it looks one of a sample up by its number: a row that is always in memory. */
const pgbenchScript = `\\set n random(1, :sample)
begin;
select name, birth_date, mobile_phone from v2.citizens where id = (select id from bench.sample where n = :n);
insert into bench.audit (exchange, at, department, subject, fields, found)
  select gen_random_uuid(), now(), 'civil-affairs', id, '{name,birth_date,mobile_phone}', true
  from bench.sample where n = :n;
commit;
`;

/** Runs the load generator, in a process of its own. */
async function runLoad(spec: LoadSpec, script = 'load.ts', env: NodeJS.ProcessEnv = {}): Promise<LoadResult> {
  const child = spawn(process.execPath, [join(import.meta.dirname, script)], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(JSON.stringify(spec));
  const output = await read(child.stdout);
  if (output === '') throw new Error('the load generator failed');
  return JSON.parse(output) as LoadResult;
}

function newSeed(): number {
  return Math.floor(Math.random() * 2 ** 31);
}

async function read(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout!.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes('\n')) resolve(output.slice(0, output.indexOf('\n')));
    });
    child.once('exit', (code) => reject(new Error(`${child.spawnargs.at(-1)} ended with ${code}`)));
  });
}

function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  child.removeAllListeners('exit');
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  return ended;
}
