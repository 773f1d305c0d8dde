import type { LoadResult } from './load.ts';

/** One measurement, as it was made. */
export interface Measurement extends LoadResult {
  competitor: string;
  round: number;
  mode: 'closed' | 'open';
  connections: number;
  ratePerSecond: number | null;
  /** The server's resident memory while it was under load, in MB; null where it is not told. */
  memoryMb: { first: number; last: number; max: number } | null;
  /** Processor time in microseconds an answer; null where it is not told. */
  cpuMicrosEach: { server: number; postgres: Record<string, number>; load: number } | null;
}

/** What the gateway should reach against a competitor: the median of the rounds' ratios, at least or at most. */
export interface Target {
  name: string;
  ratio: { of: (one: Measurement) => number; against: string; connections: number };
  atLeast?: number;
  atMost?: number;
}

const perSecond = (one: Measurement): number => one.answersPerSecond;
const p99 = (one: Measurement): number => one.latencyMs.p99;

/** The targets of the exchange path (docs/performance.md). */
export const targets: Target[] = [
  {
    name: 'audited reads/s against the hand-written service, 64 connections',
    ratio: { of: perSecond, against: 'hand-written', connections: 64 },
    atLeast: 8,
  },
  {
    name: 'against Platformatic read-only, 64 connections',
    ratio: { of: perSecond, against: 'platformatic', connections: 64 },
    atLeast: 4,
  },
  {
    name: 'against the bare Fastify hello, 256 connections',
    ratio: { of: perSecond, against: 'hello', connections: 256 },
    atLeast: 0.5,
  },
  {
    name: "against pgbench's read + insert transactions, 64 connections",
    ratio: { of: perSecond, against: 'pgbench', connections: 64 },
    atLeast: 2,
  },
  {
    name: "p99 against the hand-written service's, 64 connections",
    ratio: { of: p99, against: 'hand-written', connections: 64 },
    atMost: 0.3,
  },
];

export const maxMemoryMb = 200;

export interface Outcome {
  target: string;
  wanted: string;
  /** Null when a side of it was not measured. */
  median: number | null;
  min: number | null;
  max: number | null;
  reached: boolean | null;
}

/** Holds what was measured against the targets. */
export function judge(measurements: readonly Measurement[]): Outcome[] {
  const ratios = targets.map((target) => judgeRatios(target, ratiosByRound(measurements, target.ratio)));
  return [...ratios, judgeMemory(measurements)];
}

/** Holds the ratios of the rounds against what they should be. */
export function judgeRatios(
  { name, atLeast, atMost }: Pick<Target, 'name' | 'atLeast' | 'atMost'>,
  values: readonly number[],
): Outcome {
  const wanted = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`;
  if (values.length === 0) return { target: name, wanted, median: null, min: null, max: null, reached: null };
  const middle = median(values);
  const reached = atLeast === undefined ? middle <= atMost! : middle >= atLeast;
  return {
    target: name,
    wanted,
    median: middle,
    min: Math.min(...values),
    max: Math.max(...values),
    reached,
  };
}

function ratiosByRound(
  measurements: readonly Measurement[],
  { of, against, connections }: Target['ratio'],
): number[] {
  const find = (competitor: string, round: number): Measurement | undefined =>
    measurements.find(
      (one) =>
        one.competitor === competitor &&
        one.round === round &&
        one.mode === 'closed' &&
        one.connections === connections,
    );
  const rounds = [...new Set(measurements.map((one) => one.round))];
  return rounds.flatMap((round) => {
    const [mine, theirs] = [find('gateway', round), find(against, round)];
    return mine === undefined || theirs === undefined ? [] : [of(mine) / of(theirs)];
  });
}

function judgeMemory(measurements: readonly Measurement[]): Outcome {
  const memory = measurements.flatMap((one) =>
    one.competitor === 'gateway' && one.memoryMb !== null ? [one.memoryMb.max] : [],
  );
  const found = memory.length > 0;
  return {
    target: 'resident memory of the gateway under full load, MB',
    wanted: `at most ${maxMemoryMb}`,
    median: found ? median(memory) : null,
    min: found ? Math.min(...memory) : null,
    max: found ? Math.max(...memory) : null,
    reached: found ? Math.max(...memory) <= maxMemoryMb : null,
  };
}

/** The middle of the values; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** What each competitor reached, medians of the rounds, as a table in Markdown. */
export function competitorTable(
  competitors: readonly { name: string; title: string }[],
  measurements: readonly Measurement[],
): string {
  const head = [
    '',
    '64: /s',
    'p50 ms',
    'p99 ms',
    '256: /s',
    'p99 ms',
    'half load: p50 ms',
    'p99 ms',
    'memory MB',
    'CPU µs: server',
    'PostgreSQL',
  ];
  const rows = competitors.map(({ name, title }) => {
    const own = measurements.filter((one) => one.competitor === name);
    const at64 = own.filter((one) => one.mode === 'closed' && one.connections === 64);
    const at256 = own.filter((one) => one.mode === 'closed' && one.connections === 256);
    const open = own.filter((one) => one.mode === 'open');
    return [
      title,
      show(at64, perSecond, 0),
      show(at64, (one) => one.latencyMs.p50, 2),
      show(at64, p99, 2),
      show(at256, perSecond, 0),
      show(at256, p99, 2),
      show(open, (one) => one.latencyMs.p50, 2),
      show(open, p99, 2),
      show(own, (one) => one.memoryMb?.max ?? NaN, 0),
      show(at64, (one) => one.cpuMicrosEach?.server ?? NaN, 0),
      show(at64, (one) => sum(Object.values(one.cpuMicrosEach?.postgres ?? {})), 0),
    ];
  });
  return markdown(head, rows);
}

/** The targets with what was reached, as a table in Markdown. */
export function outcomeTable(outcomes: readonly Outcome[]): string {
  const number = (value: number | null): string => (value === null ? '-' : value.toFixed(value < 20 ? 2 : 0));
  const word = (reached: boolean | null): string =>
    reached === null ? 'not measured' : reached ? 'reached' : 'missed';
  const rows = outcomes.map((one) => [
    one.target,
    one.wanted,
    number(one.median),
    `${number(one.min)} to ${number(one.max)}`,
    word(one.reached),
  ]);
  return markdown(['Measure', 'Target', 'Median', 'Rounds', ''], rows);
}

function show(
  measurements: readonly Measurement[],
  of: (one: Measurement) => number,
  digits: number,
): string {
  const values = measurements.map(of).filter((value) => !Number.isNaN(value));
  return values.length === 0 ? '-' : median(values).toFixed(digits);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** A table in Markdown: names to the left, numbers to the right. */
export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, i) => Math.max(name.length, 3, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`;
  const rule = widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}
