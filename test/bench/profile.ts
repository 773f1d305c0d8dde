/**
 * Where each microsecond of an exchange goes: one gateway under load, its CPU profile by stages, PostgreSQL's
 * processor time by connection, and PostgreSQL's own statistics of statements.
 * `npm run profile -- [connections] [seconds]`; the profile is kept where it says.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import type { Profiler } from 'node:inspector';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openRig } from '../helpers/rig.ts';
import { gatewayMeasures } from './competitors.ts';
import { markdown } from './report.ts';
import { sumByStage } from './stages.ts';
import { prepare, serverSettings, settleIndex } from './turns.ts';
import { cpuBetween, readCpu, watchBusy } from './usage.ts';

const connections = Number(process.argv[2] ?? 64);
const measureMs = Number(process.argv[3] ?? 10) * 1000;
const warmupMs = 10_000;
/** Watched before the profile is taken, because a profiler takes part. */
const watchMs = 5000;
const profileFile = join(tmpdir(), 'onevisit-gateway.cpuprofile');
const profiler = join(import.meta.dirname, 'profiler.ts');

const rig = await openRig(
  { seed: 3, citizens: 1_000_000, enterprises: 100 },
  { ...serverSettings, shared_preload_libraries: 'pg_stat_statements' },
);
try {
  const idsFile = await prepare(rig);
  await rig.query('create extension pg_stat_statements');
  rmSync(profileFile, { force: true });
  const { url, process: child } = await rig.startGateway({
    nodeFlags: ['--import', profiler],
    env: { PROFILE_FILE: profileFile },
  });
  const gateway = gatewayMeasures(rig, { url, child, idsFile });
  const load = gateway.measure({
    connections,
    ratePerSecond: null,
    warmupMs,
    measureMs: measureMs + watchMs + 1000,
  });
  await sleep(warmupMs + 500);
  const busy = await watchBusy(rig, child.pid!, watchMs);
  await rig.query('select pg_stat_statements_reset()');
  const cpuFrom = await readCpu(rig, child.pid!);
  child.kill('SIGUSR2');
  await sleep(measureMs);
  child.kill('SIGUSR2');
  const cpu = cpuBetween(cpuFrom, await readCpu(rig, child.pid!));
  const statements = await rig.query<{ query: string; calls: number; rows: number; ms: number }>(
    `select query, calls, rows, total_exec_time as ms from pg_stat_statements order by total_exec_time desc limit 4`,
  );
  const { answersPerSecond, failures, firstFailure, cpuMicros } = await load;
  if (failures > 0) throw new Error(`${failures} requests failed; the first: ${firstFailure}`);
  while (!existsSync(profileFile)) await sleep(100);
  await sleep(500);
  await settleIndex(rig);
  await gateway.stop();

  const exchanges = (answersPerSecond * measureMs) / 1000;
  const each = (ms: number): string => ((ms * 1000) / exchanges).toFixed(1);
  const profile = JSON.parse(readFileSync(profileFile, 'utf8')) as Profiler.Profile;
  const rows = [...sumByStage(profile)].map(([stage, ms]) => [stage, each(ms)]);
  console.log(`${answersPerSecond.toFixed(0)} exchanges a second, ${connections} connections\n`);
  console.log(markdown(['Stage, main thread of the gateway', 'µs an exchange'], rows));
  const processes = [
    ['gateway, all threads', each(cpu?.server ?? NaN)],
    ...Object.entries(cpu?.postgres ?? {}).map(([name, ms]) => [`PostgreSQL: ${name}`, each(ms)]),
    ['load generator', cpuMicros.toFixed(1)],
  ];
  console.log(`\n${markdown(['Process, processor time', 'µs an exchange'], processes)}`);
  if (busy !== null) {
    const percent = (share: number): string => `${(100 * share).toFixed(0)}%`;
    const watched = busy.threads.map(({ name, ready, disk }) => [name, percent(ready), percent(disk)]);
    console.log(`\n${markdown(['Thread', 'runs or could run', 'waits for the disk'], watched)}`);
    console.log(`\nprocessor time that nobody took: ${percent(busy.idle)}`);
  }
  const shown = statements.map(({ query, calls, ms }) => [
    query.replaceAll(/\s+/g, ' ').slice(0, 60),
    (calls / (measureMs / 1000)).toFixed(0),
    each(ms),
  ]);
  console.log(`\n${markdown(['Statement, as PostgreSQL times it', 'calls/s', 'µs an exchange'], shown)}`);
  console.log(`\nthe profile, for the developer tools of Chromium: ${profileFile}`);
} finally {
  await rig.close();
}
