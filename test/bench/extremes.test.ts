import t from 'tap';
import { extremesTable, judgeExtremes } from './extremes.ts';
import { measured } from './measured.ts';
import type { Measurement } from './report.ts';

function taken(competitor: string, round: number, more: Partial<Measurement> = {}): Measurement {
  return measured({
    competitor,
    round,
    connections: 8,
    answers: 100,
    answersPerSecond: 50,
    statuses: { 200: 100 },
    ...more,
  });
}

const p99 = (ms: number): Partial<Measurement> => ({
  latencyMs: { p50: 1, p90: 1, p99: ms, p999: ms, max: ms },
});
const peak = (max: number): Partial<Measurement> => ({ memoryMb: { first: 1, last: 1, max } });

await t.test('holds batches against pg alone, round by round', (t) => {
  const found = [
    taken('bare-batch', 1, { answersPerSecond: 100 }),
    taken('batch', 1, { answersPerSecond: 50 }),
    taken('batch', 2, { answersPerSecond: 30 }),
    taken('bare-batch', 2, { answersPerSecond: 100 }),
    taken('batch', 3, { answersPerSecond: 1 }),
  ];
  t.match(judgeExtremes(found)[0], { median: 0.4, min: 0.3, max: 0.5, reached: false });
  t.end();
});

await t.test('holds the memory of many batches against that of few, where it is told', (t) => {
  const found = [
    taken('batch', 1, peak(200)),
    taken('many-batches', 1, peak(210)),
    taken('batch', 2),
    taken('many-batches', 2),
  ];
  t.match(judgeExtremes(found)[1], { median: 1.05, max: 1.05, reached: true });
  t.match(judgeExtremes([taken('batch', 1), taken('many-batches', 1)])[1], { reached: null });
  t.end();
});

await t.test('holds the latency under too much load against that under little', (t) => {
  const found = [taken('unloaded', 1, p99(4)), taken('overload', 1, p99(22))];
  t.match(judgeExtremes(found)[2], { median: 5.5, reached: false });
  t.end();
});

await t.test('shows how many a second were answered, and how many refused', (t) => {
  const statuses = { 200: 100, 429: 20, 503: 380 };
  const [row] = extremesTable([taken('overload', 1, { statuses })])
    .split('\n')
    .filter((line) => line.includes('three times'));
  t.match(row, /\| +50 \| +1\.0 \| +3\.0 \| +200 \| +- \|$/);
  t.match(extremesTable([]), /\| +- \|/);
  t.end();
});
