import { setTimeout as sleep } from 'node:timers/promises';
import type { Rig } from '../helpers/rig.ts';
import { bareBatchMeasures, batchMeasures, gatewayMeasures, type Running, type Task } from './competitors.ts';
import { judgeRatios, markdown, median, type Measurement, type Outcome } from './report.ts';
import { measure, settle, type Pace } from './turns.ts';

/** What is measured beside single reads that the gateway can carry, in the order of the table. */
const titles = {
  'bare-batch': 'pg alone: 1,000 ids a statement, 8 connections',
  batch: 'OneVisit: batches of 1,000 ids, 8 connections',
  'many-batches': 'OneVisit: the same, 64 connections that ask again after 0.1 s',
  unloaded: 'OneVisit: reads at a quarter of what it can carry',
  overload: 'OneVisit: reads at three times what it can carry, 1,024 connections',
} as const;

type Extreme = keyof typeof titles;

const readConnections = 64;
const overloadConnections = 1024;
const batchConnections = 8;
const manyBatchConnections = 64;
const refusals = [429, 503];
/** For about a second after the last refusal a gateway goes on shedding. */
const sheddingMs = 1500;

/**
 * Loads a gateway with many subjects at once, and with more than it can carry.
 *
 * @throws Error at any answer but 200, and 429 and 503 where they are due
 */
export async function goToExtremes(
  rig: Rig,
  options: { idsFile: string; pace: Pace; say: (line: string) => void; interrupted: AbortSignal },
): Promise<Measurement[]> {
  const { idsFile, pace, say, interrupted } = options;
  const { url, process: child } = await rig.startGateway();
  const reads = gatewayMeasures(rig, { url, child, idsFile });
  const batches = batchMeasures(rig, { url, child, idsFile });
  const bare = bareBatchMeasures(rig, idsFile);
  const found: Measurement[] = [];

  async function take(
    name: Extreme | 'capacity',
    running: Running,
    round: number,
    load: { connections: number; rate?: number; measureMs?: number } & Pick<Task, 'tolerated' | 'restMs'>,
  ): Promise<Measurement> {
    interrupted.throwIfAborted();
    const { connections, rate = null, measureMs = pace.measureMs, ...tolerance } = load;
    const turn = { competitor: { name }, running, round };
    const taken = await measure(rig, turn, connections, rate, measureMs, tolerance);
    say(
      `round ${round}: ${name.padEnd(12)} ${taken.answersPerSecond.toFixed(0)}/s, p99 ${taken.latencyMs.p99.toFixed(1)} ms ${JSON.stringify(taken.statuses)}`,
    );
    return taken;
  }

  try {
    await take('capacity', reads, 0, { connections: readConnections, measureMs: pace.warmMs });
    for (let round = 1; round <= pace.rounds; round++) {
      const { answersPerSecond } = await take('capacity', reads, round, { connections: readConnections });
      const quarter = { connections: readConnections, rate: answersPerSecond / 4 };
      found.push(await take('unloaded', reads, round, quarter));
      const tooMuch = { connections: overloadConnections, rate: answersPerSecond * 3, tolerated: refusals };
      found.push(await take('overload', reads, round, tooMuch));
      await settle(rig);
      await sleep(sheddingMs);
    }
    await take('batch', batches, 0, { connections: batchConnections, measureMs: pace.warmMs });
    await settle(rig);
    for (let round = 1; round <= pace.rounds; round++) {
      const few = { connections: batchConnections };
      for (const name of round % 2 === 0
        ? (['batch', 'bare-batch'] as const)
        : (['bare-batch', 'batch'] as const)) {
        found.push(await take(name, name === 'batch' ? batches : bare, round, few));
        await settle(rig);
      }
      const many = { connections: manyBatchConnections, tolerated: refusals, restMs: 100 };
      found.push(await take('many-batches', batches, round, many));
      await settle(rig);
    }
    return found;
  } finally {
    await reads.stop();
  }
}

/** Holds what was measured against what the gateway should keep to. */
export function judgeExtremes(measurements: readonly Measurement[]): Outcome[] {
  const ratios = (of: Extreme, to: Extreme, value: (one: Measurement) => number): number[] =>
    measurements.flatMap((one) => {
      const other = measurements.find(({ competitor, round }) => competitor === to && round === one.round);
      return one.competitor !== of || other === undefined ? [] : [value(one) / value(other)];
    });
  const memory = (one: Measurement): number => one.memoryMb?.max ?? NaN;
  return [
    judgeRatios(
      { name: 'records/s in batches of 1,000 ids against pg alone, 8 connections', atLeast: 0.5 },
      ratios('batch', 'bare-batch', (one) => one.answersPerSecond),
    ),
    judgeRatios(
      { name: 'peak of resident memory, 64 batches at once against 8', atMost: 1.1 },
      ratios('many-batches', 'batch', memory).filter((ratio) => !Number.isNaN(ratio)),
    ),
    judgeRatios(
      { name: 'p99 of what is answered at three times the capacity against a quarter of it', atMost: 5 },
      ratios('overload', 'unloaded', (one) => one.latencyMs.p99),
    ),
  ];
}

/** What was measured, medians of the rounds, as a table in Markdown. */
export function extremesTable(measurements: readonly Measurement[]): string {
  const rows = Object.entries(titles).map(([name, title]) => {
    const own = measurements.filter(({ competitor }) => competitor === name);
    const show = (of: (one: Measurement) => number | undefined, digits: number): string => {
      const values = own.map(of).filter((value) => value !== undefined);
      return values.length === 0 ? '-' : median(values).toFixed(digits);
    };
    const refused = ({ statuses, answers, answersPerSecond }: Measurement): number =>
      refusals.reduce((sum, status) => sum + (statuses[status] ?? 0), 0) * (answersPerSecond / answers);
    return [
      title,
      show((one) => one.answersPerSecond, 0),
      show((one) => one.latencyMs.p50, 1),
      show((one) => one.latencyMs.p99, 1),
      show(refused, 0),
      show((one) => one.memoryMb?.max, 0),
    ];
  });
  return markdown(['', 'answered /s', 'p50 ms', 'p99 ms', '429, 503 /s', 'memory MB'], rows);
}
