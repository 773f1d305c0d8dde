import type pg from 'pg';
import { hashBytes, type Hash } from './merkle.ts';
import { tileRoot, tileWidth, type ReadTile, type Tile } from './tiles.ts';

/** What runs a statement: a pool, or a connection within a transaction. */
export type Queryable = Pick<pg.Pool, 'query'>;

/** The log is not what it was, or not whole: nothing may be signed over it. Its message names no personal data. */
export class LogFault extends Error {
  override name = 'LogFault';
}

/** How far the log's stages have come. */
export interface TreeState {
  /** How many entries there are. */
  entries: number;
  /** How many full tiles of level 0 are kept. */
  tiles: number;
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
    tiles: number;
    size: number | null;
    root: Buffer;
    note: string;
  }>({
    name: 'tree-state',
    text: `
      select coalesce((select index from audit.entry order by index desc limit 1) + 1, 0) as entries,
        coalesce((select n from audit.tile where level = 0 order by n desc limit 1) + 1, 0) as tiles,
        c.size, c.root, c.note
      from (select) one
      left join (select size, root, note from audit.checkpoint order by size desc limit 1) c on true`,
  });
  const { entries, tiles, size, root, note } = rows[0]!;
  return { entries, tiles, last: size === null ? null : { size, root, note } };
}

/** The newest checkpoint; null before the first. */
export async function findLastCheckpoint(db: Queryable): Promise<PublishedCheckpoint | null> {
  const { rows } = await db.query<PublishedCheckpoint>({
    name: 'last-checkpoint',
    text: 'select size, root, note from audit.checkpoint order by size desc limit 1',
  });
  return rows[0] ?? null;
}

/** The index of the newest entry; null in an empty log. */
export async function findLastEntry(db: Queryable): Promise<number | null> {
  const { rows } = await db.query<{ index: number }>({
    name: 'last-entry',
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
 * @throws LogFault when a hash is not that of its entry's bytes, or an entry is missing: its index is named
 */
export async function readLeafTiles(db: Queryable, first: number, end: number): Promise<LeafTile[]> {
  const { rows } = await db.query<LeafTile & { wrong: number | null; lowest: number; highest: number }>({
    name: 'leaf-tiles',
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
    if (lowest !== at) throw new LogFault(`entry ${at} is missing`);
    if (highest + 1 !== due || width !== due - at)
      throw new LogFault(`an entry from ${at} to ${due - 1} is missing`);
    if (wrong !== null) throw new LogFault(`entry ${wrong} was altered: its bytes have another leaf hash`);
    if (hashes.length !== width * hashBytes) throw new LogFault(`a leaf hash from ${at} on has not 32 bytes`);
    at = due;
  }
  if (at < end) throw new LogFault(`entry ${at} is missing`);
  return rows;
}

/** Keeps full tiles, with the tiles above them that become full by it. One statement a level. */
export async function keepFullTiles(db: Queryable, leaves: readonly LeafTile[]): Promise<void> {
  let full = leaves.filter(({ width }) => width === tileWidth);
  for (let level = 0; full.length > 0; level++) {
    await db.query({
      name: 'keep-tiles',
      text: `
        insert into audit.tile (level, n, hashes, root)
        select $1::smallint, * from unnest($2::bigint[], $3::bytea[], $4::bytea[])`,
      values: [
        level,
        full.map(({ n }) => n),
        full.map(({ hashes }) => hashes),
        full.map(({ hashes }) => tileRoot(hashes)),
      ],
    });
    const completed = full.filter(({ n }) => n % tileWidth === tileWidth - 1);
    const read = tileReader(db);
    full = [];
    for (const { n } of completed) {
      const above = { level: level + 1, n: Math.floor(n / tileWidth), width: tileWidth };
      full.push({ ...above, hashes: Buffer.from(await read(above)) });
    }
  }
}

/**
 * Reads tiles: full ones as they are kept, partial ones from a full one, from entries, or from the roots of the
 * tiles below. Where a tile below was taken away, its root is worked out from what is below it.
 *
 * @returns a reader that throws LogFault where there are fewer entries than the tile tells of
 */
export function tileReader(db: Queryable): ReadTile {
  async function read({ level, n, width }: Tile): Promise<Uint8Array> {
    const length = width * hashBytes;
    const first = n * tileWidth;
    const hashes = await findHashes(db, { level, n, width });
    if (hashes !== null && hashes.length >= length) return hashes.subarray(0, length);
    if (level === 0) throw new LogFault(`an entry from ${first} to ${first + width - 1} is missing`);
    const roots: Hash[] = [];
    for (let i = 0; i < width; i++)
      roots.push(tileRoot(await read({ level: level - 1, n: first + i, width: tileWidth })));
    return Buffer.concat(roots);
  }
  return read;
}

async function findHashes(db: Queryable, { level, n, width }: Tile): Promise<Buffer | null> {
  const below =
    level === 0
      ? `select string_agg(leaf_hash, ''::bytea order by index) from audit.entry where index >= $3 and index < $4`
      : `select string_agg(root, ''::bytea order by n) from audit.tile where level = $1 - 1 and n >= $3 and n < $4`;
  const { rows } = await db.query<{ hashes: Buffer | null }>({
    name: level === 0 ? 'tile-of-leaves' : 'tile-of-roots',
    text: `select coalesce((select hashes from audit.tile where level = $1 and n = $2), (${below})) as hashes`,
    values: [level, n, n * tileWidth, n * tileWidth + width],
  });
  return rows[0]!.hashes;
}

/**
 * Keeps a checkpoint: the compare-and-swap of publishing, because no two may continue the same one.
 *
 * @throws pg.DatabaseError 23505 when another process was first
 */
export async function insertCheckpoint(
  db: Queryable,
  { size, root, note }: PublishedCheckpoint,
  previousSize: number,
  at: Date,
): Promise<void> {
  await db.query({
    name: 'keep-checkpoint',
    text: `insert into audit.checkpoint (size, previous_size, root, note, at) values ($1, $2, $3, $4, $5)`,
    values: [size, previousSize, root, note, at],
  });
}

/** The entries of a bundle, in order. */
export async function readEntries(db: Queryable, first: number, end: number): Promise<Buffer[]> {
  const { rows } = await db.query<{ bytes: Buffer }>({
    name: 'entry-bytes',
    text: 'select bytes from audit.entry where index >= $1 and index < $2 order by index',
    values: [first, end],
  });
  if (rows.length !== end - first) throw new LogFault(`an entry from ${first} to ${end - 1} is missing`);
  return rows.map(({ bytes }) => bytes);
}
