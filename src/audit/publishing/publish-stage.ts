import type { KeyObject } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Checkpoint } from '../../transparency/checkpoint.ts';
import { openContinuity, requireRoot } from './continuity.ts';
import { keepCheckpoint, readFullTiles, thinCheckpoints } from './store-checkpoint.ts';
import type { CheckpointFile } from './checkpoint-file.ts';
import type { LogKeys } from '../log-keys.ts';
import type { Verifier } from '../../transparency/note.ts';
import { signCheckpoint } from '../../transparency/node/sign.ts';
import { inTurn, rootFromTiles, tileWidth } from '../../transparency/tiles.ts';
import {
  LogFaultError,
  readLeafTiles,
  readTreeState,
  tileReader,
  type PublishedCheckpoint,
} from '../stored-log.ts';

/** The background stage that takes entries into the tree, and signs what the tree has become. */
export interface PublishStage {
  /** Why nothing is signed, for good or for the time being; null while all is well. */
  fault: () => string | null;
  /** How long entries have been waiting for a checkpoint, or the file for the last one; 0 when none wait. */
  behindMs: () => number;
  stop(): Promise<void>;
}

export interface PublishOptions {
  pool: pg.Pool;
  /** Signs the checkpoints: Ed25519. */
  key: KeyObject;
  /** Which of its keys may have signed the log so far. */
  keys: LogKeys;
  /** Where the last checkpoint of a key is kept outside the database. */
  fileOf: (verifier: Verifier) => CheckpointFile;
  /** Nothing is signed before it resolves. */
  after?: Promise<void>;
  /** Why nothing may be signed for the time being: somebody outside has seen what the log lacks. */
  objection?: () => string | null;
  /** Hears once that another key signs now: this process only looks on. */
  onSucceeded?: (by: Verifier) => void;
  /** Hears once why the stage has stopped for good. */
  onFault: (fault: string) => void;
  /** Hears of each step that failed, and is tried again. */
  onFailure: (error: unknown) => void;
}

/** With the step itself less than a second. */
const pauseMs = 800;
const maxStepTiles = 64;
const thinEveryMs = 3_600_000;
/** Whoever holds the advisory lock for longer does not work, but keeps others from it. */
const maxLockWaitMs = 3000;

/** A transaction whose commit means what it says, whatever the server, the role or the URL say. */
const beginDurably = `
  begin;
  set local client_min_messages = warning;
  select set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') in ('off', 'local')`;

/**
 * Starts the stage. Any number of processes may run it: what makes them one is that no two checkpoints may continue
 * the same one. It recomputes each leaf hash before anything is signed, and signs nothing that does not continue
 * the last checkpoint in the database, the one kept outside, and the last that it has signed itself; where it can't,
 * it stops for good.
 */
export function startPublishStage(options: PublishOptions): PublishStage {
  const { pool, key, keys, fileOf, after, objection = () => null, onSucceeded, onFault, onFailure } = options;
  const origin = keys.own.name;
  const continuity = openContinuity(keys, fileOf);
  const ended = new AbortController();
  let succeeded = false;
  let fault: string | null = null;
  let behindSinceMs: number | null = null;
  /** What was signed last: its transaction may have failed, and its signature may have been seen all the same. */
  let signed: Checkpoint | null = null;
  let lastSize = 0;
  let lostAtSize: number | null = null;
  let blockedSinceMs: number | null = null;
  let thinAtMs = 0;
  let thinBehind: number | null = null;
  let stepTiles = maxStepTiles;

  async function run(): Promise<void> {
    await after;
    while (!ended.signal.aborted && fault === null) {
      const more = await step().catch((error: unknown) => {
        takeFailure(error);
        return null;
      });
      behindSinceMs = more === false ? null : (behindSinceMs ?? performance.now());
      if (more !== true && fault === null)
        await sleep(pauseMs, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  }

  function takeFailure(error: unknown): void {
    if (error instanceof LogFaultError) {
      fault = error.message;
      onFault(fault);
      return;
    }
    // Another process was first, unless nobody was: its checkpoint would be there by the next step.
    const lost = (error as { code?: unknown }).code === '23505' && lostAtSize !== lastSize;
    lostAtSize = lost ? lastSize : null;
    if (lost) return;
    // Large entries may take longer than a statement may: the next step is smaller.
    stepTiles = Math.max(1, stepTiles >> 1);
    onFailure(error);
  }

  /** @returns whether there is more to do at once; null when it waits for another process */
  async function step(): Promise<boolean | null> {
    const state = await readTreeState(pool);
    // After it: whoever has signed what it found is known by then.
    await keys.refresh(pool);
    if (state.last !== null && state.last.size > lastSize) [blockedSinceMs, behindSinceMs] = [null, null];
    lastSize = state.last?.size ?? 0;
    await continuity.check(state, tileReader(pool, lastSize));
    if (state.last !== null) continuity.keep(state.last);
    const waiting = state.entries > lastSize && !isSucceeded();
    const more = waiting ? (objection() === null ? await publishNext() : null) : false;
    await continuity.flush();
    if (more === false) await thin();
    return more;
  }

  /** Once an hour, when there is nothing else to do. */
  async function thin(): Promise<void> {
    if (performance.now() < thinAtMs) return;
    try {
      thinBehind = await thinCheckpoints(pool, thinBehind ?? 0);
    } catch (error) {
      // The log is as good with too many of them.
      thinBehind = null;
      onFailure(error);
    }
    if (thinBehind === null) thinAtMs = performance.now() + thinEveryMs;
  }

  /** Whether another key signs now. The log is whole: those who have that key go on. */
  function isSucceeded(): boolean {
    const last = keys.all().at(-1)!;
    if (last.line === keys.own.line) return false;
    if (!succeeded) onSucceeded?.(last);
    succeeded = true;
    return true;
  }

  /**
   * One transaction: tiles and checkpoint, or neither. A crash before its commit leaves the log as it was; a crash
   * after it leaves a checkpoint that the file does not hold yet, which the next step puts there.
   */
  async function publishNext(): Promise<boolean | null> {
    const client = await pool.connect();
    let notices = 0;
    const countNotice = (): number => notices++;
    client.on('notice', countNotice);
    let failure: Error | null = null;
    try {
      await client.query(beginDurably);
      const done = (await mayGoOn(client)) ? await extendTree(client) : null;
      const { command } = await client.query(done === null ? 'rollback' : 'commit');
      if (done === null) return null;
      if (command !== 'COMMIT' || notices > 0)
        throw new Error('whether the checkpoint is durable is not known');
      continuity.keep(done.checkpoint);
      stepTiles = Math.min(maxStepTiles, stepTiles * 2);
      return done.more;
    } catch (error) {
      failure = error as Error;
      throw error;
    } finally {
      client.off('notice', countNotice);
      // A connection whose transaction failed is closed: the server undoes what was begun.
      client.release(failure ?? undefined);
    }
  }

  /** Spares processes the same work. The lock is a courtesy, which anybody who may log in can abuse. */
  async function mayGoOn(client: pg.PoolClient): Promise<boolean> {
    const { rows } = await client.query<{ locked: boolean }>(
      'select pg_try_advisory_xact_lock(7103, 4) as locked',
    );
    blockedSinceMs = rows[0]!.locked ? null : (blockedSinceMs ?? performance.now());
    return blockedSinceMs === null || performance.now() - blockedSinceMs > maxLockWaitMs;
  }

  async function extendTree(
    client: pg.PoolClient,
  ): Promise<{ checkpoint: PublishedCheckpoint; more: boolean } | null> {
    const state = await readTreeState(client);
    const successions = await keys.refresh(client);
    if (isSucceeded()) return null;
    const { entries, last } = state;
    const from = last?.size ?? 0;
    if (entries === from) return null;
    // The tile that the last checkpoint left partial is read again, and with it every entry that is not in a full one.
    const first = Math.floor(from / tileWidth) * tileWidth;
    const size = Math.max(from, Math.min(entries, first + stepTiles * tileWidth));
    const read = inTurn(tileReader(client, from, await readLeafTiles(client, first, size)));
    await continuity.check(state, read);
    if (last !== null) await requireRoot(last, read, 'in the database');
    if (signed !== null && signed.size > from && signed.size <= size)
      await requireRoot(signed, read, 'signed before');
    const root = await rootFromTiles(size, read);
    if (objection() !== null) return null;
    signed = { origin, size, root };
    const checkpoint = { size, root, note: signCheckpoint(signed, key) };
    await keepCheckpoint(client, checkpoint, {
      previousSize: from,
      successions,
      tiles: await readFullTiles({ from, size }, read),
    });
    return { checkpoint, more: size < entries };
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
