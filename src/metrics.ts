import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** What the gateway counts of itself (Prometheus). Labels are few and hold no ids. */
export interface Metrics {
  registry: Registry;
  /** Begins to time an exchange; the function it gives counts how it ended. The first call of that counts. */
  exchangeStarted(labels: { dataset: string; operation: string }): (outcome: string, code: string) => void;
  appended: (entries: number) => void;
  /** Counts a step of the index stage that failed. */
  indexFailed: () => void;
  /** Counts an error that was answered, within an exchange or beside it. */
  problemAnswered: (code: string) => void;
}

/**
 * Makes a gateway's metrics.
 *
 * @param readIndexLag the number of entries that the search tables don't hold yet; may throw
 */
export function createMetrics(readIndexLag: () => Promise<number>): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const exchanges = new Counter({
    name: 'onevisit_exchanges_total',
    help: 'Exchanges by dataset, operation, outcome and code',
    labelNames: ['dataset', 'operation', 'outcome', 'code'],
    registers,
  });
  const problems = new Counter({
    name: 'onevisit_problems_total',
    help: 'Errors answered, by code: refused exchanges, and faults before or beside one',
    labelNames: ['code'],
    registers,
  });
  const latency = new Histogram({
    name: 'onevisit_exchange_seconds',
    help: 'Time from the verified token to the answer, in seconds',
    labelNames: ['dataset', 'operation'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  });
  const indexFailures = new Counter({
    name: 'onevisit_index_failures_total',
    help: 'Steps of the index stage that failed; each is tried again',
    registers,
  });
  const batches = new Histogram({
    name: 'onevisit_append_batch_entries',
    help: 'Entries that one append made durable',
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000],
    registers,
  });
  const indexLag = new Gauge({
    name: 'onevisit_index_lag_entries',
    help: 'Entries that the search tables do not hold yet; absent while the database is away',
    registers: [],
    async collect() {
      try {
        this.set(await readIndexLag());
      } catch {
        this.remove();
      }
    },
  });
  registry.registerMetric(indexLag);
  return {
    registry,
    exchangeStarted(labels) {
      const stop = latency.startTimer(labels);
      let finished = false;
      return (outcome, code) => {
        if (finished) return;
        finished = true;
        stop();
        exchanges.inc({ ...labels, outcome, code });
      };
    },
    appended: (entries) => batches.observe(entries),
    indexFailed: () => indexFailures.inc(),
    problemAnswered: (code) => problems.inc({ code }),
  };
}
