import type pg from 'pg';
import { copyRows } from '../db/copy-rows.ts';
import type { StoredCheckpoint } from '../transparency/expected-checkpoints.ts';
import { readSuccessions } from './log-keys.ts';
import { hashBytes } from '../transparency/merkle.ts';
import { splitBundle, type ReadLogFile } from '../transparency/tiles-source.ts';
import { tilePath, tileWidth } from '../transparency/tiles.ts';
import { findLastEntry } from './stored-log.ts';
import type { LogSource, StoredLeaves, StoredTile } from '../transparency/verify-log.ts';

const checkpointsAtOnce = 1000;
const maxTilesAtOnce = 16;
/** A page that was larger is followed by a smaller one: memory stays flat. */
const wantedPageBytes = 4_000_000;

/**
 * The log in a database, read in short pages: no long transaction holds back its vacuum.
 *
 * @param archives where the bundles of archived entries are read, where they are at hand
 */
export function databaseSource(client: pg.ClientBase, archives: ReadLogFile | null = null): LogSource {
  let last: Promise<unknown> = Promise.resolve();
  /** A page is on its way while something else is asked for: a connection takes one statement at a time. */
  function runInTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = last.then(work);
    last = done.catch(() => undefined);
    return done;
  }

  return {
    size: () => runInTurn(async () => ((await findLastEntry(client)) ?? -1) + 1),
    async *tiles(size, from = 0): AsyncGenerator<StoredLeaves> {
      let first = from * tileWidth;
      let [tilesAtOnce, n] = [1, from];
      const readNext = (): Promise<EntryPage> | null => {
        if (first >= size) return null;
        const [start, end] = [first, Math.min(size, first + tilesAtOnce * tileWidth)];
        const page = runInTurn(() => readPage(client, start, end));
        // Its error is thrown when its turn comes.
        page.catch(() => undefined);
        first = end;
        return page;
      };
      for (let next = readNext(); next !== null;) {
        const page = await next;
        tilesAtOnce =
          page.bytes > wantedPageBytes
            ? Math.max(1, tilesAtOnce >> 1)
            : Math.min(maxTilesAtOnce, tilesAtOnce * 2);
        // It is on its way while this page is worked on.
        next = readNext();
        for (const tile of page.tiles) {
          if (tile.archived === true && archives !== null) await readArchived(archives, n, tile);
          yield tile;
          n++;
        }
      }
    },
    async tile({ level, n, width }) {
      if (width < tileWidth) return null;
      return (await runInTurn(() => findTiles(client, level, n, n + 1))).get(n) ?? null;
    },
    successions: () => runInTurn(() => readSuccessions(client)),
    async *checkpoints(): AsyncGenerator<StoredCheckpoint> {
      for (let after = 0; ;) {
        const start = after;
        const rows = await runInTurn(() => readCheckpoints(client, start));
        for (const { size, previous_size: previousSize, root, note, at } of rows)
          yield { note, beside: { size, previousSize, root, at } };
        if (rows.length < checkpointsAtOnce) return;
        after = rows.at(-1)!.size;
      }
    },
  };
}

interface CheckpointRow {
  size: number;
  previous_size: number;
  root: Buffer;
  note: string;
  at: Date;
}

async function readCheckpoints(client: pg.ClientBase, after: number): Promise<CheckpointRow[]> {
  const { rows } = await client.query<CheckpointRow>({
    text: `select size, previous_size, root, note, at from audit.checkpoint where size > $1 order by size
      limit ${checkpointsAtOnce}`,
    values: [after],
  });
  return rows;
}

interface EntryPage {
  tiles: StoredLeaves[];
  /** What its entries have. */
  bytes: number;
}

async function readPage(client: pg.ClientBase, first: number, end: number): Promise<EntryPage> {
  const rows = await copyRows(
    client,
    `select index, bytes, leaf_hash from audit.entry where index >= ${first} and index < ${end} order by index`,
  );
  const kept = await findTiles(client, 0, first / tileWidth, Math.floor(end / tileWidth));
  const tiles: StoredLeaves[] = [];
  for (let start = first; start < end; start += tileWidth) {
    const width = Math.min(tileWidth, end - start);
    const leaves = Array.from<Uint8Array | null>({ length: width }).fill(null);
    const leafHashes = new Uint8Array(width * hashBytes);
    tiles.push({ leaves, leafHashes, tile: kept.get(start / tileWidth) ?? null });
  }
  const archived = rows.length < end - first ? await listArchived(client, first, end) : [];
  let bytes = 0;
  for (const [index, entry, leafHash] of rows) {
    const at = Number(index!.readBigInt64BE()) - first;
    const tile = tiles[Math.floor(at / tileWidth)]!;
    if (entry == null || leafHash == null) continue;
    tile.leaves[at % tileWidth] = withByteBefore(entry);
    tile.leafHashes!.set(leafHash.subarray(0, hashBytes), (at % tileWidth) * hashBytes);
    bytes += entry.length;
  }
  for (const [i, tile] of tiles.entries()) {
    const at = first + i * tileWidth;
    const moved = archived.some((range) => range.first <= at && at < range.next);
    if (!moved || tile.leaves.some((leaf) => leaf !== null)) continue;
    tile.archived = true;
    tile.leafHashes = null;
  }
  return { tiles, bytes };
}

/** The entries of a tile from the archive that has them; they are missing where it does not. */
async function readArchived(archives: ReadLogFile, n: number, leaves: StoredLeaves): Promise<void> {
  const path = tilePath('entries', n, tileWidth);
  const bundle = await archives(path);
  const entries: (Uint8Array | null)[] = bundle === null ? [] : splitBundle(path, bundle);
  leaves.leaves = Array.from({ length: tileWidth }, (_, i) => entries[i] ?? null);
  leaves.archived = false;
}

async function listArchived(
  client: pg.ClientBase,
  first: number,
  end: number,
): Promise<{ first: number; next: number }[]> {
  const { rows } = await client.query<{ first: number; next: number }>({
    text: 'select first, next from audit.archive where first < $2 and next > $1',
    values: [first, end],
  });
  return rows;
}

/** COPY sends a field's length before the field: there is a byte to spare. */
function withByteBefore({ buffer, byteOffset, length }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset - 1, length + 1);
}

async function findTiles(
  client: pg.ClientBase,
  level: number,
  first: number,
  end: number,
): Promise<Map<number, StoredTile>> {
  const { rows } = await client.query<{ n: number; hashes: Buffer; root: Buffer }>({
    text: 'select n, hashes, root from audit.tile where level = $1 and n >= $2 and n < $3',
    values: [level, first, end],
  });
  return new Map(rows.map(({ n, hashes, root }) => [n, { hashes, root }]));
}
