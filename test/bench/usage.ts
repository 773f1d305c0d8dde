import { readFileSync } from 'node:fs';
import type { Rig } from '../rig.ts';

/** Processor time in milliseconds: of a server's process, and of PostgreSQL's by what they serve. */
export interface CpuTimes {
  server: number;
  postgres: Record<string, number>;
}

/** Reads what Linux counts; null on other systems. */
export async function readCpu(rig: Rig, pid: number | null): Promise<CpuTimes | null> {
  if (process.platform !== 'linux') return null;
  const backends = await rig.query<{ pid: number; name: string }>(
    `select pid, case when application_name in ('', 'pgbench') then backend_type else application_name end as name
     from pg_stat_activity where pid <> pg_backend_pid()`,
  );
  const postgres: Record<string, number> = {};
  for (const backend of backends)
    postgres[backend.name] = (postgres[backend.name] ?? 0) + processCpuMs(backend.pid);
  return { server: pid === null ? 0 : processCpuMs(pid), postgres };
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
