import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Rig } from '../helpers/rig.ts';
import type { Competitor, Running, Task } from './competitors.ts';
import type { Measurement } from './report.ts';
import { cpuBetween, readCpu, residentMb } from './usage.ts';

/** How the turns are taken. */
export interface Pace {
  rounds: number;
  /** How long each measurement takes. */
  measureMs: number;
  /** How long each competitor warms up, once. */
  warmMs: number;
}

/**
 * PostgreSQL as it would be on a server of a province: its memory takes all citizens, and files of the write-ahead
 * log are used again, not filled with zeros in the middle of a commit. Room for every competitor.
 */
export const serverSettings = {
  shared_buffers: '1GB',
  min_wal_size: '1GB',
  max_wal_size: '4GB',
  max_connections: '200',
};

const openLoopConnections = 64;
const maxIndexWaitMs = 60_000;

/** The tables of the hand-written service and of pgbench, all pages in memory, and the ids to ask for. */
export async function prepare(rig: Rig): Promise<string> {
  const idsFile = join(rig.folder, 'ids');
  writeFileSync(idsFile, rig.ids.join('\n'));
  await rig.query('create schema bench');
  await rig.query(`
    create table bench.audit (
      id bigint generated always as identity primary key, exchange uuid not null, at timestamptz not null,
      department text not null, subject text not null, fields text[] not null, found boolean not null)`);
  await rig.query(`
    create table bench.sample as
      select row_number() over () as n, id from (select id from store.citizens order by random() limit 10000) ids`);
  await rig.query('create unique index on bench.sample (n) include (id)');
  await rig.query('vacuum analyze');
  await rig.query('create extension pg_prewarm');
  for (const relation of ['store.citizens', 'store.citizens_pkey', 'bench.sample'])
    await rig.query('select pg_prewarm($1::regclass)', [relation]);
  await rig.query('checkpoint');
  return idsFile;
}

/**
 * Every competitor's turns, round by round.
 *
 * @param say hears how it goes
 * @throws Error when any request failed, or when interrupted
 */
export async function compete(
  rig: Rig,
  chosen: readonly Competitor[],
  options: { idsFile: string; pace: Pace; say: (line: string) => void; interrupted: AbortSignal },
): Promise<Measurement[]> {
  const { idsFile, pace, say, interrupted } = options;
  const running = new Map<Competitor, Running>();
  const measurements: Measurement[] = [];
  try {
    for (const competitor of chosen) {
      interrupted.throwIfAborted();
      say(`starting ${competitor.name}`);
      const started = await competitor.start(rig, idsFile);
      running.set(competitor, started);
      await measure(rig, { competitor, running: started, round: 0 }, 64, null, pace.warmMs);
    }
    for (let round = 1; round <= pace.rounds; round++)
      for (const competitor of rotated(chosen, round)) {
        interrupted.throwIfAborted();
        const turn = { competitor, running: running.get(competitor)!, round };
        const found = await takeTurn(rig, turn, pace.measureMs);
        measurements.push(...found);
        const rates = found.map(({ answersPerSecond, latencyMs }) =>
          Number.isNaN(latencyMs.p99)
            ? `${answersPerSecond.toFixed(0)}/s`
            : `${answersPerSecond.toFixed(0)}/s, p99 ${latencyMs.p99.toFixed(1)} ms`,
        );
        say(`round ${round}: ${competitor.name.padEnd(12)} ${rates.join(' · ')}`);
      }
    return measurements;
  } finally {
    for (const one of running.values()) await one.stop();
  }
}

/** Nobody stands first in every round. */
function rotated<T>(items: readonly T[], by: number): T[] {
  const at = by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}

interface Turn {
  competitor: Competitor;
  running: Running;
  round: number;
}

async function takeTurn(rig: Rig, turn: Turn, measureMs: number): Promise<Measurement[]> {
  const { competitor, running } = turn;
  const found: Measurement[] = [];
  for (const connections of competitor.connections)
    found.push(await measure(rig, turn, connections, null, measureMs));
  if (running.pid !== null) {
    const half = found[0]!.answersPerSecond / 2;
    found.push(await measure(rig, turn, openLoopConnections, half, measureMs));
  }
  await (competitor.name === 'gateway' ? settle(rig) : rig.query('checkpoint'));
  return found;
}

/** Measures one load on what runs. @throws Error when any request failed */
export async function measure(
  rig: Rig,
  { competitor, running, round }: Omit<Turn, 'competitor'> & { competitor: { name: string } },
  connections: number,
  ratePerSecond: number | null,
  measureMs: number,
  tolerance: Pick<Task, 'tolerated' | 'restMs'> = {},
): Promise<Measurement> {
  const task: Task = { connections, ratePerSecond, warmupMs: 500, measureMs, ...tolerance };
  const result = running.measure(task);
  // It is awaited below; a load that fails before that must not end the process.
  result.catch(() => undefined);
  await sleep(task.warmupMs + 200);
  const cpuFrom = await readCpu(rig, running.pid);
  const memory: number[] = [];
  const fromMs = performance.now();
  while (performance.now() - fromMs < measureMs - 500) {
    const mb = running.pid === null ? null : residentMb(running.pid);
    if (mb !== null) memory.push(mb);
    await sleep(250);
  }
  const cpu = cpuBetween(cpuFrom, await readCpu(rig, running.pid));
  const watchedSeconds = (performance.now() - fromMs) / 1000;
  const loaded = await result;
  if (loaded.failures > 0)
    throw new Error(
      `${competitor.name}: ${loaded.failures} requests failed; the first: ${loaded.firstFailure}`,
    );
  const micros = (ms: number): number => (ms * 1000) / (loaded.answersPerSecond * watchedSeconds);
  return {
    competitor: competitor.name,
    round,
    mode: ratePerSecond === null ? 'closed' : 'open',
    connections,
    ratePerSecond,
    ...loaded,
    memoryMb:
      memory.length === 0 ? null : { first: memory[0]!, last: memory.at(-1)!, max: Math.max(...memory) },
    cpuMicrosEach: cpu && {
      server: micros(cpu.server),
      postgres: Object.fromEntries(Object.entries(cpu.postgres).map(([name, ms]) => [name, micros(ms)])),
      load: loaded.cpuMicros,
    },
  };
}

/** What a turn left to do in the background must not burden the next: the search tables, dirty pages. */
export async function settle(rig: Rig): Promise<void> {
  await settleIndex(rig);
  await rig.query('checkpoint');
}

/** Waits until the search tables of a gateway that still runs have caught up. */
export async function settleIndex(rig: Rig): Promise<void> {
  const fromMs = performance.now();
  while ((await readIndexLag(rig)) > 0) {
    if (performance.now() - fromMs > maxIndexWaitMs) throw new Error('the search tables do not catch up');
    await sleep(100);
  }
}

async function readIndexLag(rig: Rig): Promise<number> {
  const [lag] = await rig.query<{ entries: number }>(
    'select coalesce((select max(index) + 1 from audit.entry), 0) - audit.indexed() as entries',
  );
  return lag!.entries;
}
