import { setTimeout as sleep } from 'node:timers/promises';
import { nextIndex } from '../next-index.ts';
import type pg from 'pg';

/** The background stage that fills the search tables behind the log, in one process at a time. */
export interface IndexStage {
  stop(): Promise<void>;
}

const maxStepEntries = 2000;
const maxStepMs = 500;
const pauseMs = 200;
const partitionsEveryMs = 60_000;

/**
 * Starts the stage. Each step is one transaction; a crash undoes the step, and whoever comes next takes it up at
 * the watermark. A step that fails is tried again; meanwhile the lag shows it.
 *
 * @param onFailure hears of each step that failed
 */
export function startIndexStage(pool: pg.Pool, onFailure: () => void): IndexStage {
  const ended = new AbortController();
  let partitionsMadeAtMs = 0;
  let stepEntries = maxStepEntries;

  async function step(): Promise<number> {
    if (Date.now() - partitionsMadeAtMs > partitionsEveryMs) {
      await pool.query('select audit.make_partitions_ahead()');
      partitionsMadeAtMs = Date.now();
    }
    const { rows } = await pool.query<{ taken: number }>({
      name: 'index-entries',
      text: 'select audit.index_entries($1) as taken',
      values: [stepEntries],
    });
    return rows[0]!.taken;
  }

  async function run(): Promise<void> {
    while (!ended.signal.aborted) {
      const asked = stepEntries;
      const sinceMs = performance.now();
      const taken = await step().catch(() => {
        onFailure();
        return null;
      });
      // Entries with many subjects take longer, and no step may come near the time that a statement has.
      const slow = taken === null || performance.now() - sinceMs > maxStepMs;
      stepEntries = slow ? Math.max(1, asked >> 1) : Math.min(maxStepEntries, asked * 2);
      if (taken === null || taken < asked)
        await sleep(pauseMs, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  }

  const running = run();
  return {
    async stop() {
      ended.abort();
      await running;
    },
  };
}

/** How far the search tables are behind: the entries they lack, and the age of the oldest of them. */
export async function readIndexLag(pool: pg.Pool): Promise<{ entries: number; oldestSeconds: number }> {
  const { rows } = await pool.query<{ entries: number; oldest_seconds: number }>({
    text: `
      select ${nextIndex} - w.mark as entries,
        coalesce((select extract(epoch from now() - p.at) from audit.parsed p where p.index = w.mark), 0)::float8
          as oldest_seconds
      from (select audit.indexed() as mark) w`,
  });
  return { entries: rows[0]!.entries, oldestSeconds: rows[0]!.oldest_seconds };
}
