import type { StoredCheckpoint } from './expected-checkpoints.ts';
import { hashBytes } from './merkle.ts';
import { tileWidth } from './tiles.ts';
import { findLastEntry, type Queryable } from './tree.ts';
import type { LogSource, StoredLeaves, StoredTile } from './verify.ts';

const checkpointsAtOnce = 1000;
const maxTilesAtOnce = 16;
/** A page that was larger is followed by a smaller one: memory stays flat. */
const wantedPageBytes = 4_000_000;

interface TileRow {
  n: number;
  lengths: number[];
  bytes: Buffer;
  leaf_hashes: Buffer;
  indices: number[];
  hashes: Buffer | null;
  root: Buffer | null;
}

/** The log in a database, read in short pages: no long transaction holds back its vacuum. */
export function databaseSource(db: Queryable): LogSource {
  return {
    size: async () => ((await findLastEntry(db)) ?? -1) + 1,
    async *tiles(size, from = 0): AsyncGenerator<StoredLeaves> {
      const tiles = Math.ceil(size / tileWidth);
      let atOnce = 1;
      let page = readTiles(db, from * tileWidth, Math.min(size, (from + 1) * tileWidth));
      for (let n = from; n < tiles;) {
        const rows = await page;
        const following = n + atOnce;
        const bytes = rows.reduce((sum, row) => sum + row.bytes.length, 0);
        const nextAtOnce =
          bytes > wantedPageBytes ? Math.max(1, atOnce >> 1) : Math.min(maxTilesAtOnce, atOnce * 2);
        // The next page is on its way while this one is worked on.
        const end = Math.min(size, (following + nextAtOnce) * tileWidth);
        page = following < tiles ? readTiles(db, following * tileWidth, end) : Promise.resolve([]);
        page.catch(() => undefined);
        const byNumber = new Map(rows.map((row) => [row.n, row]));
        for (; n < Math.min(tiles, following); n++) {
          const width = Math.min(tileWidth, size - n * tileWidth);
          const row = byNumber.get(n);
          yield row === undefined ? await noEntries(db, n, width) : takeApart(row, width);
        }
        atOnce = nextAtOnce;
      }
    },
    tile: ({ level, n, width }) => (width === tileWidth ? findTile(db, level, n) : Promise.resolve(null)),
    async *checkpoints(): AsyncGenerator<StoredCheckpoint> {
      for (let after = 0; ;) {
        const { rows } = await db.query<{ size: number; previous_size: number; root: Buffer; note: string }>({
          text: `select size, previous_size, root, note from audit.checkpoint where size > $1 order by size
            limit ${checkpointsAtOnce}`,
          values: [after],
        });
        for (const { size, previous_size: previousSize, root, note } of rows)
          yield { note, beside: { size, previousSize, root } };
        if (rows.length < checkpointsAtOnce) return;
        after = rows.at(-1)!.size;
      }
    },
  };
}

/** A row a tile: a row an entry would take longer to read than to hash. */
async function readTiles(db: Queryable, first: number, end: number): Promise<TileRow[]> {
  const { rows } = await db.query<TileRow>({
    text: `
      select e.*, t.hashes, t.root from (
        select index / ${tileWidth} as n, array_agg(octet_length(bytes) order by index) as lengths,
          string_agg(bytes, ''::bytea order by index) as bytes,
          string_agg(leaf_hash, ''::bytea order by index) as leaf_hashes,
          case when count(*) = max(index) - min(index) + 1 and min(index) % ${tileWidth} = 0 then array[]::bigint[]
            else array_agg(index order by index) end as indices
        from audit.entry where index >= $1 and index < $2 group by 1
      ) e left join audit.tile t on t.level = 0 and t.n = e.n order by e.n`,
    values: [first, end],
  });
  return rows;
}

function takeApart({ n, lengths, bytes, ...row }: TileRow, width: number): StoredLeaves {
  const entries = Array.from({ length: width }, (): Uint8Array | null => null);
  const leafHashes = new Uint8Array(width * hashBytes);
  let at = 0;
  for (const [i, length] of lengths.entries()) {
    const place = row.indices.length === 0 ? i : Number(row.indices[i]) - n * tileWidth;
    entries[place] = bytes.subarray(at, at + length);
    leafHashes.set(row.leaf_hashes.subarray(i * hashBytes, (i + 1) * hashBytes), place * hashBytes);
    at += length;
  }
  const { hashes, root } = row;
  return { entries, leafHashes, tile: hashes === null ? null : { hashes, root } };
}

async function noEntries(db: Queryable, n: number, width: number): Promise<StoredLeaves> {
  const entries = Array.from({ length: width }, () => null);
  return { entries, leafHashes: null, tile: width === tileWidth ? await findTile(db, 0, n) : null };
}

async function findTile(db: Queryable, level: number, n: number): Promise<StoredTile | null> {
  const { rows } = await db.query<{ hashes: Buffer; root: Buffer }>({
    text: 'select hashes, root from audit.tile where level = $1 and n = $2',
    values: [level, n],
  });
  return rows[0] ?? null;
}
