import type pg from 'pg';
import { asStoreUnavailable, ProblemError } from '../base/errors.ts';
import { hashBytes, type Hash } from '../transparency/merkle.ts';
import { nextIndex } from './next-index.ts';
import { levelWidth, tileRoot, tileWidth, type ReadTile, type Tile } from '../transparency/tiles.ts';

// No statement here has a name: the plan of a named one is made when the log is small, and stays when it has grown.

/** What runs a statement: a pool, or a connection within a transaction. */
export type Queryable = Pick<pg.Pool, 'query'>;

/** The log is not what it was, or not whole: nothing may be signed over it. Its message names no personal data. */
export class LogFaultError extends Error {
  override name = 'LogFaultError';
}

/**
 * What is not whole, or can't be reached, is not handed out.
 *
 * @throws ProblemError audit-unavailable, store-unavailable; any other error as it is
 */
export function rethrowAsAuditUnavailable(error: unknown): never {
  if (error instanceof LogFaultError) throw new ProblemError('audit-unavailable', {}, { cause: error });
  throw asStoreUnavailable(error);
}

/** How far the log's stages have come. */
export interface TreeState {
  /** How many entries there are. */
  entries: number;
  last: PublishedCheckpoint | null;
}

/** A checkpoint as it is kept. */
export interface PublishedCheckpoint {
  size: number;
  root: Hash;
  note: string;
}

export async function readTreeState(db: Queryable): Promise<TreeState> {
  const { rows } = await db.query<{
    entries: number;
    size: number | null;
    root: Buffer;
    note: string;
  }>({
    text: `
      select ${nextIndex} as entries,
        c.size, c.root, c.note
      from (select) one
      left join (select size, root, note from audit.checkpoint order by size desc limit 1) c on true`,
  });
  const { entries, size, root, note } = rows[0]!;
  return { entries, last: size === null ? null : { size, root, note } };
}

/** The newest checkpoint; null before the first. */
export async function findLastCheckpoint(db: Queryable): Promise<PublishedCheckpoint | null> {
  const { rows } = await db.query<PublishedCheckpoint>({
    text: 'select size, root, note from audit.checkpoint order by size desc limit 1',
  });
  return rows[0] ?? null;
}

/** The index of the newest entry; null in an empty log. */
export async function findLastEntry(db: Queryable): Promise<number | null> {
  const { rows } = await db.query<{ index: number }>({
    text: 'select index from audit.entry order by index desc limit 1',
  });
  return rows[0]?.index ?? null;
}

/** The leaf hashes of one tile of level 0, or of as much of it as there is. */
export interface LeafTile {
  n: number;
  width: number;
  hashes: Buffer;
}

/**
 * Reads the leaf hashes of entries, tile by tile, each recomputed from the stored bytes.
 *
 * @param first a multiple of 256
 * @throws LogFaultError when a hash is not that of its entry's bytes, or an entry is missing: its index is named
 */
export async function readLeafTiles(db: Queryable, first: number, end: number): Promise<LeafTile[]> {
  const { rows } = await db.query<LeafTile & { wrong: number | null; lowest: number; highest: number }>({
    text: `
      select index / ${tileWidth} as n, count(*)::int as width, string_agg(leaf_hash, ''::bytea order by index) as hashes,
        min(index) filter (where pg_catalog.sha256('\\x00'::bytea || bytes) is distinct from leaf_hash) as wrong,
        min(index) as lowest, max(index) as highest
      from audit.entry where index >= $1 and index < $2 group by 1 order by 1`,
    values: [first, end],
  });
  let at = first;
  for (const { n, width, hashes, wrong, lowest, highest } of rows) {
    const due = Math.min(end, (n + 1) * tileWidth);
    if (lowest !== at) throw new LogFaultError(`entry ${at} is missing`);
    if (highest + 1 !== due || width !== due - at)
      throw new LogFaultError(`an entry from ${at} to ${due - 1} is missing`);
    if (wrong !== null)
      throw new LogFaultError(`entry ${wrong} was altered: its bytes have another leaf hash`);
    if (hashes.length !== width * hashBytes)
      throw new LogFaultError(`a leaf hash from ${at} on has not 32 bytes`);
    at = due;
  }
  if (at < end) throw new LogFaultError(`entry ${at} is missing`);
  return rows;
}

/**
 * Reads tiles of the tree of `size` entries. Of what is kept, only tiles that were full by then count: others may be
 * anybody's who can write there. What is not kept is read from the entries, or worked out from the tiles below; what
 * was just checked comes from memory. Each is read once, so that all roots of one reader are of the same hashes.
 *
 * @param checked leaf tiles that were read with `readLeafTiles`
 * @returns a reader that throws LogFaultError where there are fewer entries than the tile tells of
 */
export function tileReader(db: Queryable, size: number, checked: readonly LeafTile[] = []): ReadTile {
  const leaves = new Map(checked.map((tile) => [tile.n, tile.hashes]));
  const kept = new Map<string, Promise<Hash[]>>();

  async function read({ level, n, width }: Tile): Promise<Uint8Array> {
    if (level === 0) return readLeaves(n, width);
    const roots = (await keptRoots(level, n)).slice(0, width);
    for (let i = roots.length; i < width; i++)
      roots.push(tileRoot(await read({ level: level - 1, n: n * tileWidth + i, width: tileWidth })));
    return Buffer.concat(roots);
  }

  async function readLeaves(n: number, width: number): Promise<Uint8Array> {
    const length = width * hashBytes;
    const inMemory = leaves.get(n);
    if (inMemory !== undefined && inMemory.length >= length) return inMemory.subarray(0, length);
    const hashes = await findLeafHashes(db, n, width);
    if (hashes?.length === length) return hashes;
    const kept = hashes === null ? await findArchivedTile(db, n) : null;
    if (kept !== null) return kept.subarray(0, length);
    throw new LogFaultError(`an entry from ${n * tileWidth} to ${n * tileWidth + width - 1} is missing`);
  }

  /** The roots of the tiles below that are kept and were full, up to the first that is not. */
  function keptRoots(level: number, n: number): Promise<Hash[]> {
    const key = `${level}/${n}`;
    const fullBelow = Math.floor(levelWidth(size, level - 1) / tileWidth);
    const roots =
      kept.get(key) ?? findTileRoots(db, level - 1, n * tileWidth, Math.min((n + 1) * tileWidth, fullBelow));
    kept.set(key, roots);
    return roots;
  }

  return read;
}

async function findLeafHashes(db: Queryable, n: number, width: number): Promise<Buffer | null> {
  const { rows } = await db.query<{ hashes: Buffer | null }>({
    text: `select string_agg(leaf_hash, ''::bytea order by index) as hashes from audit.entry
      where index >= $1 and index < $2`,
    values: [n * tileWidth, n * tileWidth + width],
  });
  return rows[0]!.hashes;
}

/** The leaf hashes of a tile whose entries were archived: it was full, and is kept. */
async function findArchivedTile(db: Queryable, n: number): Promise<Buffer | null> {
  const { rows } = await db.query<{ hashes: Buffer }>({
    text: `select t.hashes from audit.tile t where t.level = 0 and t.n = $1
      and exists (select from audit.archive a where a.first <= $2 and a.next > $2)`,
    values: [n, n * tileWidth],
  });
  return rows[0]?.hashes ?? null;
}

async function findTileRoots(db: Queryable, level: number, first: number, end: number): Promise<Hash[]> {
  if (end <= first) return [];
  const { rows } = await db.query<{ n: number; root: Buffer }>({
    text: 'select n, root from audit.tile where level = $1 and n >= $2 and n < $3 order by n',
    values: [level, first, end],
  });
  const gap = rows.findIndex(({ n }, i) => n !== first + i);
  return rows.slice(0, gap < 0 ? rows.length : gap).map(({ root }) => root);
}

/** An entry as it is stored. */
export interface StoredEntry {
  index: number;
  bytes: Buffer;
  leafHash: Buffer;
}

/** The entry at an index; null beyond the end. */
export async function findEntry(db: Queryable, index: number): Promise<StoredEntry | null> {
  const { rows } = await db.query<{ bytes: Buffer; leaf_hash: Buffer }>({
    text: 'select bytes, leaf_hash from audit.entry where index = $1',
    values: [index],
  });
  return rows[0] === undefined ? null : { index, bytes: rows[0].bytes, leafHash: rows[0].leaf_hash };
}

/** The entries of a bundle, in order. */
export async function readEntries(db: Queryable, first: number, end: number): Promise<Buffer[]> {
  const { rows } = await db.query<{ bytes: Buffer }>({
    text: 'select bytes from audit.entry where index >= $1 and index < $2 order by index',
    values: [first, end],
  });
  if (rows.length !== end - first) throw new LogFaultError(`an entry from ${first} to ${end - 1} is missing`);
  return rows.map(({ bytes }) => bytes);
}
