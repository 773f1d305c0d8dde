import { openCheckpoint, parseCheckpoint } from './checkpoint.ts';
import type { StoredCheckpoint } from './expected-checkpoints.ts';
import { hashBytes } from './merkle.ts';
import { parseNote, type Verifier } from './note.ts';
import { numberPath, tilePath, tileWidth, type Tile } from './tiles.ts';
import type { LogSource, StoredLeaves, StoredTile } from './verify-log.ts';

/**
 * Reads a file of a log as C2SP tlog-tiles lays them out, `checkpoint` or `tile/0/000`; null where there is none.
 * `checkpoints/000` and so on, and `successions`, are this project's own beside them: notes, each as a JSON string a
 * line. The bytes are the verifier's: it writes into them.
 */
export type ReadLogFile = (path: string) => Promise<Uint8Array | null>;

/** A log that can't be read as one. */
export class LogFormatError extends Error {
  override name = 'LogFormatError';
}

/** How many tiles are on their way at once. */
const tilesAhead = 8;

/** A log as its tiles and entry bundles show it: from a gateway's address, or from files. */
export function tilesSource(read: ReadLogFile): LogSource {
  let checkpoint: Promise<string> | undefined;
  const lastNote = (): Promise<string> => (checkpoint ??= readNote(read));
  const size = async (verifiers: readonly Verifier[]): Promise<number> =>
    openCheckpoint(await lastNote(), verifiers).size;

  async function readTile(level: number, n: number, width: number): Promise<StoredTile | null> {
    const hashes = await read(tilePath(level, n, width));
    return hashes === null ? null : { hashes, root: null };
  }

  async function readLeaves(n: number, width: number): Promise<StoredLeaves> {
    const path = tilePath('entries', n, width);
    const [bundle, tile] = await Promise.all([read(path), readTile(0, n, width)]);
    if (tile !== null && tile.hashes.length !== width * hashBytes)
      throw new LogFormatError(
        `${tilePath(0, n, width)} has ${tile.hashes.length} bytes, not ${width * hashBytes}`,
      );
    const leaves: (Uint8Array | null)[] = bundle === null ? [] : splitBundle(path, bundle);
    if (leaves.length > width) throw new LogFormatError(`${path} has more than ${width} entries`);
    while (leaves.length < width) leaves.push(null);
    return { leaves, leafHashes: null, tile };
  }

  return {
    size,
    async *tiles(total, from = 0) {
      const ahead: Promise<StoredLeaves>[] = [];
      const count = Math.ceil(total / tileWidth);
      for (let n = from, asked = from; n < count; n++) {
        for (; asked < Math.min(count, n + tilesAhead); asked++) {
          const leaves = readLeaves(asked, Math.min(tileWidth, total - asked * tileWidth));
          // Its error is thrown when its turn comes.
          leaves.catch(() => undefined);
          ahead.push(leaves);
        }
        yield await ahead.shift()!;
      }
    },
    tile: ({ level, n, width }: Tile) => readTile(level, n, width),
    async successions() {
      const notes = await read(successionsPath);
      return notes === null ? [] : parseNotes(successionsPath, notes);
    },
    async *checkpoints(): AsyncGenerator<StoredCheckpoint> {
      const last = await lastNote();
      const { size: lastSize } = parseCheckpoint(parseNote(last).text);
      /** An export that is being continued has checkpoints that its entries don't reach yet. */
      const isBeyond = (note: string): boolean => parseCheckpoint(parseNote(note).text).size > lastSize;
      for (let n = 0; ; n++) {
        const path = checkpointsPath(n);
        const kept = await read(path);
        if (kept === null) break;
        for (const note of parseNotes(path, kept))
          if (note !== last && !isBeyond(note)) yield { note, beside: null };
      }
      yield { note: last, beside: null };
    },
  };
}

async function readNote(read: ReadLogFile): Promise<string> {
  const bytes = await read('checkpoint');
  if (bytes === null) throw new LogFormatError('there is no checkpoint');
  return new TextDecoder().decode(bytes);
}

/** Where the notes are by which one key of the log succeeds another. */
export const successionsPath = 'successions';

/** The path of the n-th file of kept checkpoints. */
export function checkpointsPath(n: number): string {
  return `checkpoints/${numberPath(n)}`;
}

export function parseNotes(path: string, bytes: Uint8Array): string[] {
  const text = new TextDecoder().decode(bytes);
  if (!text.endsWith('\n')) throw new LogFormatError(`${path} does not end in a newline`);
  const lines = text.slice(0, -1).split('\n');
  return lines.map((line, i) => {
    try {
      const note: unknown = JSON.parse(line);
      if (typeof note === 'string') return note;
    } catch {
      // Said below.
    }
    throw new LogFormatError(`line ${i + 1} of ${path} is no note as a JSON string`);
  });
}

/** An entry bundle: each entry as a 16-bit big-endian length and its bytes (C2SP tlog-tiles). */
export function encodeBundle(entries: readonly Uint8Array[]): Uint8Array {
  const bundle = new Uint8Array(entries.reduce((length, bytes) => length + 2 + bytes.length, 0));
  let at = 0;
  for (const bytes of entries) {
    bundle.set([bytes.length >> 8, bytes.length & 255], at);
    bundle.set(bytes, at + 2);
    at += 2 + bytes.length;
  }
  return bundle;
}

/** The entries, each with the byte before it. @throws LogFormatError when it is not written as `encodeBundle` does */
export function splitBundle(path: string, bundle: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = [];
  for (let at = 0; at < bundle.length;) {
    const end = at + 2 + ((bundle[at]! << 8) | (bundle[at + 1] ?? 0));
    if (at + 2 > bundle.length || end > bundle.length)
      throw new LogFormatError(`${path} ends within an entry`);
    entries.push(bundle.subarray(at + 1, end));
    at = end;
  }
  return entries;
}
