import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** What the gateway counts of itself (Prometheus). Labels are few and hold no ids. */
export interface Metrics {
  registry: Registry;
  /** Begins to time an exchange; the function it gives counts how it ended. The first call of that counts. */
  exchangeStarted(labels: { dataset: string; operation: string }): (outcome: string, code: string) => void;
  appended: (entries: number) => void;
  /** Counts a step of the index stage that failed. */
  indexFailed: () => void;
  /** Counts a step of the publishing stage that failed. */
  publishFailed: () => void;
  /** Counts a witness that could not be reached, or did not cosign. */
  cosignFailed: () => void;
  /** Counts an error that was answered, within an exchange or beside it. */
  problemAnswered: (code: string) => void;
}

/**
 * Makes a gateway's metrics.
 *
 * @param lag how many entries the search tables, and the last checkpoint, don't hold yet; both may throw
 * @param logFault whether the log was found altered
 */
export function createMetrics(
  lag: { index: () => Promise<number>; checkpoint: () => Promise<number> },
  logFault: () => boolean,
): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const count = (name: string, help: string): (() => void) => {
    const counter = new Counter({ name: `onevisit_${name}_total`, help, registers: [registry] });
    return () => counter.inc();
  };
  const internalError = count(
    'internal_errors',
    'Bugs of the gateway: each stands in its log with its stack',
  );
  const problems = new Counter({
    name: 'onevisit_problems_total',
    help: 'Errors answered, by code: refused exchanges, and faults before or beside one',
    labelNames: ['code'],
    registers: [registry],
  });
  const batches = new Histogram({
    name: 'onevisit_append_batch_entries',
    help: 'Entries that one append made durable',
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000],
    registers: [registry],
  });
  registry.registerMetric(lagGauge('onevisit_index_lag_entries', 'the search tables do not hold', lag.index));
  registry.registerMetric(
    lagGauge('onevisit_checkpoint_lag_entries', 'the last checkpoint does not hold', lag.checkpoint),
  );
  registry.registerMetric(faultGauge(logFault));
  return {
    registry,
    exchangeStarted: exchangeTimer(registry),
    appended: (entries) => batches.observe(entries),
    indexFailed: count('index_failures', 'Steps of the index stage that failed; each is tried again'),
    publishFailed: count(
      'publish_failures',
      'Steps of the publishing stage that failed; each is tried again',
    ),
    cosignFailed: count(
      'cosign_failures',
      'Times that a witness could not be reached, or did not cosign; each is asked again',
    ),
    problemAnswered(code) {
      problems.inc({ code });
      if (code === 'internal-error') internalError();
    },
  };
}

function exchangeTimer(registry: Registry): Metrics['exchangeStarted'] {
  const exchanges = new Counter({
    name: 'onevisit_exchanges_total',
    help: 'Exchanges by dataset, operation, outcome and code',
    labelNames: ['dataset', 'operation', 'outcome', 'code'],
    registers: [registry],
  });
  const latency = new Histogram({
    name: 'onevisit_exchange_seconds',
    help: 'Time from the verified token to the answer, in seconds',
    labelNames: ['dataset', 'operation'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers: [registry],
  });
  return (labels) => {
    const stop = latency.startTimer(labels);
    let finished = false;
    return (outcome, code) => {
      if (finished) return;
      finished = true;
      stop();
      exchanges.inc({ ...labels, outcome, code });
    };
  };
}

function faultGauge(logFault: () => boolean): Gauge {
  return new Gauge({
    name: 'onevisit_log_fault',
    help: '1 when the audit log was found altered, or put back to an earlier state: signing has stopped',
    registers: [],
    collect() {
      this.set(logFault() ? 1 : 0);
    },
  });
}

function lagGauge(name: string, what: string, read: () => Promise<number>): Gauge {
  return new Gauge({
    name,
    help: `Entries that ${what} yet; absent while the database is away`,
    registers: [],
    async collect() {
      try {
        this.set(await read());
      } catch {
        this.remove();
      }
    },
  });
}
