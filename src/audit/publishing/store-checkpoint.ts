import type pg from 'pg';
import type { Hash } from '../../transparency/merkle.ts';
import { levelWidth, tileRoot, tileWidth, type ReadTile } from '../../transparency/tiles.ts';
import { LogFaultError, type PublishedCheckpoint, type Queryable } from '../stored-log.ts';

const dataCorrupted = 'XX001';
const thinnedAtOnce = 1000;

/** A full tile with its root. */
export interface FullTile {
  level: number;
  n: number;
  hashes: Buffer;
  root: Hash;
}

/**
 * The tiles of a tree that became full between two sizes, level by level.
 *
 * @param read reads the tree of the new size
 */
export async function readFullTiles(
  { from, size }: { from: number; size: number },
  read: ReadTile,
): Promise<FullTile[]> {
  const tiles: FullTile[] = [];
  for (let level = 0; ; level++) {
    const first = Math.floor(levelWidth(from, level) / tileWidth);
    const end = Math.floor(levelWidth(size, level) / tileWidth);
    if (end <= first) return tiles;
    for (let n = first; n < end; n++) {
      const hashes = Buffer.from(await read({ level, n, width: tileWidth }));
      tiles.push({ level, n, hashes, root: tileRoot(hashes) });
    }
  }
}

/**
 * Keeps a checkpoint with the tiles that became full before it: the compare-and-swap of publishing, because no two
 * may continue the same one.
 *
 * @throws LogFaultError when other hashes stand in a tile's place
 * @param successions how many of the log's keys are known: a key that was succeeded meanwhile signs nothing
 * @throws pg.DatabaseError 23505 when another process was first
 */
export async function storeCheckpoint(
  db: Queryable,
  { size, root, note }: PublishedCheckpoint,
  {
    previousSize,
    successions,
    tiles,
  }: { previousSize: number; successions: number; tiles: readonly FullTile[] },
): Promise<void> {
  const columns = (['level', 'n', 'hashes', 'root'] as const).map((name) => tiles.map((tile) => tile[name]));
  try {
    await db.query({
      text: 'select audit.publish($1, $2, $3, $4, $5, $6, $7, $8, $9)',
      values: [successions, size, previousSize, Buffer.from(root), note, ...columns],
    });
  } catch (error) {
    const { code, message } = error as pg.DatabaseError;
    if (code === dataCorrupted) throw new LogFaultError(message);
    throw error;
  }
}

/**
 * Of the checkpoints of an hour that are a month old, deletes all but the last: a bounded step along them.
 *
 * @param behind the size to begin behind
 * @returns the size to go on behind; null when there is no more to do
 */
export async function thinCheckpoints(db: Queryable, behind: number): Promise<number | null> {
  const { rows } = await db.query<{ next: number | null }>({
    text: `select audit.thin_checkpoints($1, ${thinnedAtOnce}) as next`,
    values: [behind],
  });
  return rows[0]!.next;
}
