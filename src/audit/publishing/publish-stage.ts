import { setTimeout as sleep } from 'node:timers/promises';
import type { Verifier } from '../../transparency/note.ts';
import { LogFaultError, readTreeState, tileReader } from '../stored-log.ts';
import type { CheckpointFile } from './checkpoint-file.ts';
import { openContinuity } from './continuity.ts';
import { createPublisher, type PublisherOptions } from './publisher.ts';
import { thinCheckpoints } from './store-checkpoint.ts';

/** The background stage that takes entries into the tree, and signs what the tree has become. */
export interface PublishStage {
  /** Why nothing is signed, for good or for the time being; null while all is well. */
  fault: () => string | null;
  /** How long entries have been waiting for a checkpoint, or the file for the last one; 0 when none wait. */
  behindMs: () => number;
  stop(): Promise<void>;
}

export interface PublishOptions extends PublisherOptions {
  /** Where the last checkpoint of a key is kept outside the database. */
  fileOf: (verifier: Verifier) => CheckpointFile;
  /** Nothing is signed before it resolves. */
  after?: Promise<void>;
  /** Hears once that another key signs now: this process only looks on. */
  onSucceeded?: (by: Verifier) => void;
  /** Hears once why the stage has stopped for good. */
  onFault: (fault: string) => void;
  /** Hears of each step that failed, and is tried again. */
  onFailure: (error: unknown) => void;
}

/** With the step itself less than a second. */
const pauseMs = 800;
const thinEveryMs = 3_600_000;
const uniqueViolation = '23505';

/**
 * Starts the stage. Any number of processes may run it: what makes them one is that no two checkpoints may continue
 * the same one. It recomputes each leaf hash before anything is signed, and signs nothing that does not continue
 * the last checkpoint in the database, the one kept outside, and the last that it has signed itself; where it can't,
 * it stops for good.
 */
export function startPublishStage(options: PublishOptions): PublishStage {
  const { pool, keys, fileOf, after, objection = () => null, onFault, onFailure } = options;
  const continuity = openContinuity(keys, fileOf);
  const isSucceeded = watchSuccession(options);
  const publisher = createPublisher(options, continuity, isSucceeded);
  const thin = createThinner(options);
  const ended = new AbortController();
  let fault: string | null = null;
  let behindSinceMs: number | null = null;
  let lastSize = 0;
  let lostAtSize: number | null = null;

  async function run(): Promise<void> {
    await after;
    while (!ended.signal.aborted && fault === null) {
      const more = await step().catch(takeFailure);
      behindSinceMs = more === false ? null : (behindSinceMs ?? performance.now());
      if (more !== true && fault === null)
        await sleep(pauseMs, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  }

  function takeFailure(error: unknown): null {
    if (error instanceof LogFaultError) {
      fault = error.message;
      onFault(fault);
      return null;
    }
    // Another process was first, unless none was: its checkpoint would be there by the next step.
    const lost = (error as { code?: unknown }).code === uniqueViolation && lostAtSize !== lastSize;
    lostAtSize = lost ? lastSize : null;
    if (!lost) {
      publisher.takeSmallerSteps();
      onFailure(error);
    }
    return null;
  }

  /** @returns whether there is more to do at once; null when it waits for another process */
  async function step(): Promise<boolean | null> {
    const state = await readTreeState(pool);
    // After it: the key that has signed what it found is known by then.
    await keys.refresh(pool);
    if (state.last !== null && state.last.size > lastSize) {
      publisher.unblock();
      behindSinceMs = null;
    }
    lastSize = state.last?.size ?? 0;
    await continuity.check(state, tileReader(pool, lastSize));
    if (state.last !== null) continuity.keep(state.last);
    const waiting = state.entries > lastSize && !isSucceeded();
    const more = waiting ? (objection() === null ? await publisher.publishNext() : null) : false;
    await continuity.flush();
    if (more === false) await thin();
    return more;
  }

  const running = run();
  return {
    fault: () => fault ?? objection(),
    behindMs: () => (behindSinceMs === null ? 0 : performance.now() - behindSinceMs),
    async stop() {
      ended.abort();
      await running;
    },
  };
}

/** Tells whether another key signs now. The log is whole: processes that have that key go on. */
function watchSuccession({ keys, onSucceeded }: PublishOptions): () => boolean {
  let succeeded = false;
  return () => {
    const last = keys.all().at(-1)!;
    if (last.line === keys.own.line) return false;
    if (!succeeded) onSucceeded?.(last);
    succeeded = true;
    return true;
  };
}

/** Thins old checkpoints out, once an hour. A failure costs nothing: the log is as good with too many of them. */
function createThinner({ pool, onFailure }: PublishOptions): () => Promise<void> {
  let atMs = 0;
  let behind: number | null = null;
  return async () => {
    if (performance.now() < atMs) return;
    try {
      behind = await thinCheckpoints(pool, behind ?? 0);
    } catch (error) {
      behind = null;
      onFailure(error);
    }
    if (behind === null) atMs = performance.now() + thinEveryMs;
  };
}
