import type { KeyObject } from 'node:crypto';
import type pg from 'pg';
import type { Checkpoint } from '../../transparency/checkpoint.ts';
import { signCheckpoint } from '../../transparency/node/sign.ts';
import { readInTurn, rootFromTiles, tileWidth } from '../../transparency/tiles.ts';
import type { LogKeys } from '../log-keys.ts';
import { readLeafTiles, readTreeState, tileReader, type PublishedCheckpoint } from '../stored-log.ts';
import { requireRoot, type Continuity } from './continuity.ts';
import { storeCheckpoint, readFullTiles } from './store-checkpoint.ts';

/** Publishes one checkpoint after the other. */
export interface Publisher {
  /**
   * Publishes the next checkpoint: tiles and checkpoint in one transaction, or neither. A crash before its commit leaves
   * the log as it was; a crash after it leaves a checkpoint that the file does not hold yet, which the next step puts
   * there.
   *
   * @returns whether there is more to do at once; null when it waits for another process
   * @throws LogFaultError when the log is not what it was
   */
  publishNext(): Promise<boolean | null>;
  /** Another process has published: nothing blocks this one. */
  unblock(): void;
  /** Large entries may take longer than a statement may: the next step is smaller. */
  takeSmallerSteps(): void;
}

export interface PublisherOptions {
  pool: pg.Pool;
  /** Signs the checkpoints: Ed25519. */
  key: KeyObject;
  /** Which of its keys may have signed the log so far. */
  keys: LogKeys;
  /** Why nothing may be signed for the time being: somebody outside has seen what the log lacks. */
  objection?: () => string | null;
}

const maxStepTiles = 64;
/** A process that holds the advisory lock for longer does not work, but keeps others from it. */
const maxLockWaitMs = 3000;

/** A transaction whose commit means what it says, whatever the server, the role or the URL say. */
const beginDurably = `
  begin;
  set local client_min_messages = warning;
  select set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') in ('off', 'local')`;

/** @param isSucceeded whether another key signs now */
export function createPublisher(
  { pool, key, keys, objection = () => null }: PublisherOptions,
  continuity: Continuity,
  isSucceeded: () => boolean,
): Publisher {
  const origin = keys.own.name;
  /** What was signed last: its transaction may have failed, and its signature may have been seen all the same. */
  let signed: Checkpoint | null = null;
  let blockedSinceMs: number | null = null;
  let stepTiles = maxStepTiles;

  async function mayGoOn(client: pg.PoolClient): Promise<boolean> {
    blockedSinceMs = (await tryLock(client)) ? null : (blockedSinceMs ?? performance.now());
    return blockedSinceMs === null || performance.now() - blockedSinceMs > maxLockWaitMs;
  }

  async function extendTree(client: pg.PoolClient): Promise<Extended | null> {
    if (!(await mayGoOn(client))) return null;
    const state = await readTreeState(client);
    const successions = await keys.refresh(client);
    if (isSucceeded()) return null;
    const { entries, last } = state;
    const from = last?.size ?? 0;
    if (entries === from) return null;
    // The tile that the last checkpoint left partial is read again, and with it every entry that is not in a full one.
    const first = Math.floor(from / tileWidth) * tileWidth;
    const size = Math.max(from, Math.min(entries, first + stepTiles * tileWidth));
    const read = readInTurn(tileReader(client, from, await readLeafTiles(client, first, size)));
    await continuity.check(state, read);
    if (last !== null) await requireRoot(last, read, 'in the database');
    if (signed !== null && signed.size > from && signed.size <= size)
      await requireRoot(signed, read, 'signed before');
    const root = await rootFromTiles(size, read);
    if (objection() !== null) return null;
    signed = { origin, size, root };
    const checkpoint = { size, root, note: signCheckpoint(signed, key) };
    await storeCheckpoint(client, checkpoint, {
      previousSize: from,
      successions,
      tiles: await readFullTiles({ from, size }, read),
    });
    return { checkpoint, more: size < entries };
  }

  return {
    async publishNext() {
      const done = await commitDurably(pool, extendTree);
      if (done === null) return null;
      continuity.keep(done.checkpoint);
      stepTiles = Math.min(maxStepTiles, stepTiles * 2);
      return done.more;
    },
    unblock() {
      blockedSinceMs = null;
    },
    takeSmallerSteps() {
      stepTiles = Math.max(1, stepTiles >> 1);
    },
  };
}

/** Spares processes the same work. The lock is a courtesy, which everybody who may log in can abuse. */
async function tryLock(client: pg.PoolClient): Promise<boolean> {
  const text = 'select pg_try_advisory_xact_lock(7103, 4) as locked';
  return (await client.query<{ locked: boolean }>(text)).rows[0]!.locked;
}

interface Extended {
  checkpoint: PublishedCheckpoint;
  /** Whether the log has more entries than the checkpoint covers. */
  more: boolean;
}

/** Runs work in a transaction. @returns what it gives, once that is durable; null, with nothing done, when it gives null */
async function commitDurably<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T | null>,
): Promise<T | null> {
  const client = await pool.connect();
  let notices = 0;
  const countNotice = (): number => notices++;
  client.on('notice', countNotice);
  let failure: Error | null = null;
  try {
    await client.query(beginDurably);
    const done = await work(client);
    const { command } = await client.query(done === null ? 'rollback' : 'commit');
    if (done !== null && (command !== 'COMMIT' || notices > 0))
      throw new Error('whether the checkpoint is durable is not known');
    return done;
  } catch (error) {
    failure = error as Error;
    throw error;
  } finally {
    client.off('notice', countNotice);
    // A connection whose transaction failed is closed: the server undoes what was begun.
    client.release(failure ?? undefined);
  }
}
