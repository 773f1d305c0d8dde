import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Rig } from '../helpers/rig.ts';

/** Processor time in milliseconds: of a server's process, and of PostgreSQL's by what they serve. */
export interface CpuTimes {
  server: number;
  postgres: Record<string, number>;
}

/** Reads what Linux counts; null on other systems. */
export async function readCpu(rig: Rig, pid: number | null): Promise<CpuTimes | null> {
  if (process.platform !== 'linux') return null;
  const postgres: Record<string, number> = {};
  for (const backend of await readBackends(rig))
    postgres[backend.name] = (postgres[backend.name] ?? 0) + processCpuMs(backend.pid);
  return { server: pid === null ? 0 : processCpuMs(pid), postgres };
}

function readBackends(rig: Rig): Promise<{ pid: number; name: string }[]> {
  return rig.query(
    `select pid, case when application_name in ('', 'pgbench') then backend_type else application_name end as name
     from pg_stat_activity where pid <> pg_backend_pid()`,
  );
}

/** What share of the time a process's main thread had work to do, and waited for the disk. */
export interface Busy {
  name: string;
  ready: number;
  disk: number;
}

/**
 * Looks every millisecond whether the server's main thread and the gateway's connections run or could run. Who is
 * ready nearly all the time is what the others wait for, however idle the cores are.
 *
 * @returns the busiest first, and the share of all processor time that was idle; null on other systems
 */
export async function watchBusy(
  rig: Rig,
  pid: number,
  durationMs: number,
): Promise<{ threads: Busy[]; idle: number } | null> {
  if (process.platform !== 'linux') return null;
  const backends = (await readBackends(rig)).filter(({ name }) => name.startsWith('onevisit '));
  const seen = [{ name: 'main thread of the server', pid }, ...backends].map((one) => ({
    ...one,
    ready: 0,
    disk: 0,
  }));
  const untilMs = performance.now() + durationMs;
  const idleFromMs = idleMs();
  let looks = 0;
  for (; performance.now() < untilMs; looks++) {
    for (const thread of seen) {
      const state = threadState(thread.pid);
      if (state === 'R') thread.ready++;
      if (state === 'D') thread.disk++;
    }
    await sleep(1);
  }
  const threads = seen
    .filter(({ ready, disk }) => ready + disk > 0)
    .map(({ name, ready, disk }) => ({ name, ready: ready / looks, disk: disk / looks }))
    .toSorted((a, b) => b.ready - a.ready);
  return { threads, idle: (idleMs() - idleFromMs) / (durationMs * cpus().length) };
}

function idleMs(): number {
  return cpus().reduce((sum, { times }) => sum + times.idle, 0);
}

/** proc_pid_stat(5), field 3, of the process's first thread: R runs or could run, D waits for the disk, S for others. */
function threadState(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/stat`, 'latin1').split(') ').at(-1)![0];
  } catch {
    return undefined;
  }
}

const tickMs = 10;

/** proc_pid_stat(5): fields 14 and 15, in ticks of a hundredth of a second. */
function processCpuMs(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) * tickMs;
  } catch {
    return 0;
  }
}

/** What was used between two readings. */
export function cpuBetween(from: CpuTimes | null, to: CpuTimes | null): CpuTimes | null {
  if (from === null || to === null) return null;
  const used = Object.entries(to.postgres).map(
    ([name, ms]) => [name, ms - (from.postgres[name] ?? 0)] as const,
  );
  return { server: to.server - from.server, postgres: Object.fromEntries(used.filter(([, ms]) => ms > 0)) };
}

/** Resident memory in MB; null where Linux does not tell. */
export function residentMb(pid: number): number | null {
  try {
    const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return Number(kilobytes) / 1024;
  } catch {
    return null;
  }
}
