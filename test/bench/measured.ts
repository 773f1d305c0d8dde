import type { Measurement } from './report.ts';

/** A measurement as a turn gives it, but for what is told. */
export function measured(more: Partial<Measurement>): Measurement {
  return {
    competitor: 'gateway',
    round: 1,
    mode: 'closed',
    connections: 64,
    ratePerSecond: null,
    answers: 1,
    answersPerSecond: 1000,
    statuses: { 200: 1 },
    failures: 0,
    firstFailure: null,
    latencyMs: { p50: 1, p90: 2, p99: 3, p999: 4, max: 5 },
    cpuMicros: 1,
    memoryMb: null,
    cpuMicrosEach: null,
    ...more,
  };
}
