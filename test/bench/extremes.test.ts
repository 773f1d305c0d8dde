import t from 'tap';
import { extremesTable, judgeExtremes } from './extremes.ts';
import type { Measurement } from './report.ts';

function measured(competitor: string, round: number, more: Partial<Measurement> = {}): Measurement {
  return {
    competitor,
    round,
    mode: 'closed',
    connections: 8,
    ratePerSecond: null,
    answers: 100,
    answersPerSecond: 50,
    statuses: { 200: 100 },
    failures: 0,
    firstFailure: null,
    latencyMs: { p50: 1, p90: 2, p99: 3, p999: 4, max: 5 },
    cpuMicros: 1,
    memoryMb: null,
    cpuMicrosEach: null,
    ...more,
  };
}

const p99 = (ms: number): Partial<Measurement> => ({
  latencyMs: { p50: 1, p90: 1, p99: ms, p999: ms, max: ms },
});
const peak = (max: number): Partial<Measurement> => ({ memoryMb: { first: 1, last: 1, max } });

await t.test('holds batches against pg alone, round by round', (t) => {
  const found = [
    measured('bare-batch', 1, { answersPerSecond: 100 }),
    measured('batch', 1, { answersPerSecond: 50 }),
    measured('batch', 2, { answersPerSecond: 30 }),
    measured('bare-batch', 2, { answersPerSecond: 100 }),
    measured('batch', 3, { answersPerSecond: 1 }),
  ];
  t.match(judgeExtremes(found)[0], { median: 0.4, min: 0.3, max: 0.5, reached: false });
  t.end();
});

await t.test('holds the memory of many batches against that of few, where it is told', (t) => {
  const found = [
    measured('batch', 1, peak(200)),
    measured('many-batches', 1, peak(210)),
    measured('batch', 2),
    measured('many-batches', 2),
  ];
  t.match(judgeExtremes(found)[1], { median: 1.05, max: 1.05, reached: true });
  t.match(judgeExtremes([measured('batch', 1), measured('many-batches', 1)])[1], { reached: null });
  t.end();
});

await t.test('holds the latency under too much load against that under little', (t) => {
  const found = [measured('unloaded', 1, p99(4)), measured('overload', 1, p99(22))];
  t.match(judgeExtremes(found)[2], { median: 5.5, reached: false });
  t.end();
});

await t.test('shows how many a second were answered, and how many refused', (t) => {
  const statuses = { 200: 100, 429: 20, 503: 380 };
  const [row] = extremesTable([measured('overload', 1, { statuses })])
    .split('\n')
    .filter((line) => line.includes('three times'));
  t.match(row, /\| +50 \| +1\.0 \| +3\.0 \| +200 \| +- \|$/);
  t.match(extremesTable([]), /\| +- \|/);
  t.end();
});
