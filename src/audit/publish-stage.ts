import type { KeyObject } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { openCheckpoint, signCheckpoint, type Checkpoint } from './checkpoint.ts';
import type { CheckpointFile } from './kept-checkpoint.ts';
import { equalHashes, hashBytes } from './merkle.ts';
import { NoteError, parseVerifierKey, verifierKey } from './note.ts';
import { rootFromTiles, tileWidth, type ReadTile } from './tiles.ts';
import {
  insertCheckpoint,
  keepFullTiles,
  LogFault,
  readLeafTiles,
  readTreeState,
  tileReader,
  type PublishedCheckpoint,
  type TreeState,
} from './tree.ts';

/** The background stage that takes entries into the tree, and signs what the tree has become. */
export interface PublishStage {
  /** Why nothing is signed any more; null while all is well. */
  fault: () => string | null;
  stop(): Promise<void>;
}

export interface PublishOptions {
  pool: pg.Pool;
  origin: string;
  /** Signs the checkpoints: Ed25519. */
  key: KeyObject;
  file: CheckpointFile;
  now: () => Date;
  /** Hears once why the stage has stopped for good. */
  onFault: (fault: string) => void;
  /** Hears of each step that failed, and is tried again. */
  onFailure: (error: unknown) => void;
}

const pauseMs = 400;
const maxStepTiles = 64;
/** Whoever holds the advisory lock for longer does not work, but keeps others from it. */
const maxLockWaitMs = 3000;

/**
 * Starts the stage. Any number of processes may run it: what makes them one is that no two checkpoints may continue
 * the same one. It recomputes each leaf hash before anything is signed, and signs nothing that does not continue
 * the last checkpoint, the one in the database and the one kept outside; where it can't, it stops for good.
 */
export function startPublishStage(options: PublishOptions): PublishStage {
  const { pool, origin, key, file, now, onFault, onFailure } = options;
  const verifier = parseVerifierKey(verifierKey(origin, key));
  let stopped = false;
  let fault: string | null = null;
  /** What the file holds; undefined until it was read. */
  let kept: Checkpoint | null | undefined;
  let blockedSinceMs: number | null = null;
  let stepTiles = maxStepTiles;

  async function run(): Promise<void> {
    while (!stopped && fault === null) {
      const more = await step().catch((error: unknown) => {
        if (error instanceof LogFault) stopForGood(error.message);
        else if (!isLostRace(error)) {
          // Large entries may take longer than a statement may: the next step is smaller.
          stepTiles = Math.max(1, stepTiles >> 1);
          onFailure(error);
        }
        return false;
      });
      if (!more && !stopped && fault === null) await sleep(pauseMs);
    }
  }

  function stopForGood(reason: string): void {
    fault = reason;
    onFault(reason);
  }

  /** @returns whether there is more to do at once */
  async function step(): Promise<boolean> {
    const state = await readTreeState(pool);
    const read = tileReader(pool);
    await compareWithKept(state, read);
    if (state.last !== null && state.last.size > (kept?.size ?? 0)) {
      await checkPublished(state.last, read);
      keep(state.last);
    }
    return state.entries > (state.last?.size ?? 0) && (await publishNext());
  }

  /**
   * One transaction: tiles and checkpoint, or neither. A crash before its commit leaves the log as it was; a crash
   * after it leaves a checkpoint that the file does not hold yet, which the next step puts there.
   */
  async function publishNext(): Promise<boolean> {
    const client = await pool.connect();
    let notices = 0;
    const countNotice = (): number => notices++;
    client.on('notice', countNotice);
    let failure: Error | null = null;
    try {
      await client.query('begin');
      const done = (await mayGoOn(client)) ? await extendTree(client) : null;
      const { command } = await client.query(done === null ? 'rollback' : 'commit');
      if (done === null) return false;
      if (command !== 'COMMIT' || notices > 0)
        throw new Error('whether the checkpoint is durable is not known');
      stepTiles = Math.min(maxStepTiles, stepTiles * 2);
      keep(done.checkpoint);
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
    const { entries, tiles, last } = await readTreeState(client);
    if (entries === (last?.size ?? 0)) return null;
    const size = Math.min(entries, (tiles + stepTiles) * tileWidth);
    if (last !== null && size < last.size)
      throw new LogFault(
        `tiles are missing: ${tiles} are kept, and the last checkpoint is of ${last.size} entries`,
      );
    const leaves = await readLeafTiles(client, tiles * tileWidth, size);
    await keepFullTiles(client, leaves);
    const read = withLeaves(leaves.at(-1), tileReader(client));
    if (last !== null && !equalHashes(await rootFromTiles(last.size, read), last.root))
      throw new LogFault(`the first ${last.size} entries are not those of the checkpoint of that size`);
    const root = await rootFromTiles(size, read);
    const checkpoint = { size, root, note: signCheckpoint({ origin, size, root }, key) };
    await insertCheckpoint(client, checkpoint, last?.size ?? 0, now());
    return { checkpoint, more: size < entries };
  }

  /** A log that lacks what the kept checkpoint tells of was put back to an earlier state. */
  async function compareWithKept({ entries, last }: TreeState, read: ReadTile): Promise<void> {
    if (last !== null && entries < last.size)
      throw new LogFault(`the log has ${entries} entries, and its last checkpoint is of ${last.size}`);
    kept ??= readKept();
    if (kept === null || kept.size === last?.size) {
      if (kept !== null && !equalHashes(kept.root, last!.root))
        throw new LogFault(`${file.path} has another checkpoint of ${kept.size} entries than the database`);
      return;
    }
    if (kept.size > entries)
      throw new LogFault(
        `the log has ${entries} entries, and the checkpoint in ${file.path} is of ${kept.size}`,
      );
    if (!equalHashes(await rootFromTiles(kept.size, read), kept.root))
      throw new LogFault(`the first ${kept.size} entries are not those of the checkpoint in ${file.path}`);
  }

  /** A checkpoint in the database is whoever's who could write there: it counts when it is signed, and true. */
  async function checkPublished({ size, root, note }: PublishedCheckpoint, read: ReadTile): Promise<void> {
    const signed = open(note, `the checkpoint of ${size} entries in the database`);
    if (signed.size !== size || !equalHashes(signed.root, root))
      throw new LogFault(`the checkpoint of ${size} entries was altered: its note says something else`);
    if (!equalHashes(await rootFromTiles(size, read), root))
      throw new LogFault(`the first ${size} entries are not those of the checkpoint of that size`);
  }

  function readKept(): Checkpoint | null {
    const note = file.read();
    return note === null ? null : open(note, file.path);
  }

  function open(note: string, what: string): Checkpoint {
    try {
      return openCheckpoint(note, [verifier]);
    } catch (error) {
      if (!(error instanceof NoteError)) throw error;
      throw new LogFault(`${what} is no checkpoint of this log: ${error.message}`);
    }
  }

  function keep(checkpoint: PublishedCheckpoint): void {
    file.write(checkpoint.note);
    kept = { origin, size: checkpoint.size, root: checkpoint.root };
  }

  const running = run();
  return {
    fault: () => fault,
    async stop() {
      stopped = true;
      await running;
    },
  };
}

/** The last leaves as they were just checked, before whatever the database says of them next. */
function withLeaves(tail: { n: number; hashes: Buffer } | undefined, read: ReadTile): ReadTile {
  return (tile) => {
    const length = tile.width * hashBytes;
    return tile.level === 0 && tile.n === tail?.n && tail.hashes.length >= length
      ? Promise.resolve(tail.hashes.subarray(0, length))
      : read(tile);
  };
}

/** Another process has published in the meantime: its checkpoint stands. */
function isLostRace(error: unknown): boolean {
  return (error as { code?: unknown }).code === '23505';
}
