import { once } from 'node:events';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { connectionConfig } from '../../src/db/connection.ts';
import { openRig, type Rig } from '../helpers/rig.ts';
import { fillLog } from './made-log.ts';
import { markdown, type Outcome } from './report.ts';
import { serverSettings } from './turns.ts';

/** What an export of the whole log took of a gateway that did nothing else. */
export interface ExportMeasurement {
  format: 'ndjson' | 'csv';
  entries: number;
  megabytes: number;
  seconds: number;
  /** Resident memory before it, and the most that the kernel has seen. */
  restMb: number;
  peakMb: number;
}

const formats = ['ndjson', 'csv'] as const;
const maxPeakMb = 180;
const fillTimeoutMs = 3_600_000;
const settlingMs = 3000;

/**
 * Makes a log on a PostgreSQL of its own, and exports it whole over HTTP, each format from a gateway that was just
 * started.
 *
 * @param entries of the log
 */
export async function measureExports(options: {
  entries: number;
  say: (line: string) => void;
  interrupted: AbortSignal;
}): Promise<ExportMeasurement[]> {
  const { entries, say, interrupted } = options;
  const rig = await openRig({ seed: 3, citizens: 100, enterprises: 100 }, serverSettings);
  try {
    say(`making a log of ${entries.toLocaleString('en')} entries to export`);
    await fill(rig, options);
    const found: ExportMeasurement[] = [];
    for (const format of formats) {
      interrupted.throwIfAborted();
      const gateway = await rig.startGateway();
      await untilPublished(rig, entries, interrupted);
      found.push(await measure(rig, gateway, { format, entries, interrupted }));
      await stop(gateway.process);
      say(`${format}: ${found.at(-1)!.megabytes.toFixed(0)} MB in ${found.at(-1)!.seconds.toFixed(0)} s`);
    }
    return found;
  } finally {
    await rig.close();
  }
}

async function fill(rig: Rig, options: Parameters<typeof measureExports>[0]): Promise<void> {
  const client = new pg.Client(
    connectionConfig(rig.server.adminUrl, 'bench log', {
      statement_timeout: fillTimeoutMs,
      query_timeout: fillTimeoutMs,
    }),
  );
  await client.connect();
  try {
    await fillLog(client, options.entries, options);
  } finally {
    await client.end();
  }
}

async function untilPublished(rig: Rig, entries: number, interrupted: AbortSignal): Promise<void> {
  for (;;) {
    interrupted.throwIfAborted();
    const [row] = await rig.query<{ size: number | null }>('select max(size) as size from audit.checkpoint');
    if ((row!.size ?? 0) >= entries) return;
    await sleep(500);
  }
}

async function measure(
  rig: Rig,
  { url, process: gateway }: { url: string; process: ChildProcess },
  {
    format,
    entries,
    interrupted,
  }: { format: (typeof formats)[number]; entries: number; interrupted: AbortSignal },
): Promise<ExportMeasurement> {
  const token = await rig.newToken(url, { department: 'audit-office', roles: ['audit'] });
  await sleep(settlingMs);
  const restMb = memoryOf(gateway, 'VmRSS');
  const startedAt = performance.now();
  const response = await fetch(`${url}/v1/audit/export`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'exchange-official': 'auditor-1',
      'content-type': 'application/json',
    },
    body: JSON.stringify({ format }),
    signal: interrupted,
  });
  if (!response.ok || response.body === null) throw new Error(`the export was answered ${response.status}`);
  let bytes = 0;
  let lines = 0;
  for await (const chunk of response.body) {
    bytes += chunk.length;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines++;
  }
  if (lines < entries)
    throw new Error(`the export has ${lines} lines of ${entries} entries: it was broken off`);
  const seconds = (performance.now() - startedAt) / 1000;
  return { format, entries, megabytes: bytes / 1e6, seconds, restMb, peakMb: memoryOf(gateway, 'VmHWM') };
}

function memoryOf({ pid }: ChildProcess, what: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${what}:\\s+(\\d+) kB`, 'm').exec(status)![1]) / 1024;
}

async function stop(gateway: ChildProcess): Promise<void> {
  gateway.kill('SIGTERM');
  await once(gateway, 'exit');
}

/** Holds the memory of the exports against what they may take. */
export function judgeExports(found: readonly ExportMeasurement[]): Outcome {
  const peaks = found.map(({ peakMb }) => peakMb).sort((a, b) => a - b);
  const entries = (found[0]?.entries ?? 0).toLocaleString('en');
  const [min = null, max = null] = [peaks[0], peaks.at(-1)];
  return {
    target: `peak of resident memory, export of ${entries} entries, MB`,
    wanted: `less than ${maxPeakMb}`,
    median: max,
    min,
    max,
    reached: max === null ? null : max < maxPeakMb,
  };
}

/** What each export took, as a table in Markdown. */
export function exportsTable(found: readonly ExportMeasurement[]): string {
  return markdown(
    ['export of a log', 'entries', 'MB', 's', 'memory before: MB', 'peak: MB'],
    found.map(({ format, entries, megabytes, seconds, restMb, peakMb }) => [
      format,
      entries.toLocaleString('en'),
      ...[megabytes, seconds, restMb, peakMb].map((value) => value.toFixed(0)),
    ]),
  );
}
