import { hashBytes, inclusionRanges, consistencyRanges, nodeHash, perfectRoot, emptyRoot } from './merkle.ts';
import type { Hash, LeafRange } from './merkle.ts';

/**
 * The tree cut into tiles of 256 hashes (C2SP tlog-tiles): hash i of tile n at level l covers the leaves from
 * (256n + i) · 256^l on, 256^l of them.
 */
export interface Tile {
  level: number;
  n: number;
  /** How many hashes it has: 256, or 1 to 255 of a partial tile. */
  width: number;
}

export const tileWidth = 256;
const tileHeight = 8;
/** 256^7 is larger than any index. */
const maxLevel = 6;

/** Gives the hashes of a tile, `width` times 32 bytes beside each other. */
export type ReadTile = (tile: Tile) => Promise<Uint8Array>;

/** How many hashes a tree of `size` leaves has at a tile level. */
export function levelWidth(size: number, level: number): number {
  return Math.floor(size / tileWidth ** level);
}

/** All tiles of one level that a tree of `size` leaves has, the partial one last; none is empty. */
export function* tilesOfLevel(size: number, level: number): Generator<Tile> {
  const hashes = levelWidth(size, level);
  for (let n = 0; n * tileWidth < hashes; n++)
    yield { level, n, width: Math.min(tileWidth, hashes - n * tileWidth) };
}

/** All tiles of a tree, level by level from the leaves. */
export function* tilesOfTree(size: number): Generator<Tile> {
  for (let level = 0; levelWidth(size, level) > 0; level++) yield* tilesOfLevel(size, level);
}

/** The path of a tile or of an entry bundle below the log's URL: `tile/0/x001/x234/067.p/5`. */
export function tilePath(kind: number | 'entries', n: number, width: number): string {
  const partial = width === tileWidth ? '' : `.p/${width}`;
  return `tile/${kind}/${numberPath(n)}${partial}`;
}

/** The number of a file in a path: 1234067 is x001/x234/067. */
export function numberPath(n: number): string {
  const digits = String(n);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, '0');
  return padded.replaceAll(/\d{3}(?=\d)/g, 'x$&/');
}

/**
 * Reads the path of a tile or bundle, without its `tile/`.
 *
 * @param path comes from whoever asks
 * @returns null unless it is written exactly as `tilePath` would
 */
export function parseTilePath(path: string): { kind: number | 'entries'; n: number; width: number } | null {
  const match = /^(entries|\d)\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(path);
  if (match === null) return null;
  const kind = match[1] === 'entries' ? 'entries' : Number(match[1]);
  const n = Number(match[2]!.replaceAll(/[x/]/g, ''));
  const width = match[3] === undefined ? tileWidth : Number(match[3]);
  if (kind !== 'entries' && kind > maxLevel) return null;
  if (!Number.isSafeInteger(n) || (match[3] !== undefined && width >= tileWidth)) return null;
  return `tile/${path}` === tilePath(kind, n, width) ? { kind, n, width } : null;
}

/** The hash over a full tile: what stands for it one level above. */
export function tileRoot(hashes: Uint8Array): Hash {
  return perfectRoot(hashes);
}

/** The hashes of a tile, one by one. */
export function splitHashes(bytes: Uint8Array): Hash[] {
  const hashes: Hash[] = [];
  for (let at = 0; at < bytes.length; at += hashBytes) hashes.push(bytes.subarray(at, at + hashBytes));
  return hashes;
}

/** Hashes beside each other: a tile of them. */
export function joinHashes(hashes: readonly Hash[]): Uint8Array {
  const bytes = new Uint8Array(hashes.length * hashBytes);
  for (const [i, hash] of hashes.entries()) bytes.set(hash, i * hashBytes);
  return bytes;
}

/** The root of the tree of `size` leaves, from one tile a level. @throws Error as the reader does */
export async function rootFromTiles(size: number, read: ReadTile): Promise<Hash> {
  return size === 0 ? emptyRoot : hashOfRange({ start: 0, end: size }, size, memoize(read));
}

/** RFC 9162, 2.1.3.1, by at most two tiles a level. @throws RangeError as `inclusionRanges`; Error as the reader */
export function proveInclusion(index: number, size: number, read: ReadTile): Promise<Hash[]> {
  return hashesOf(inclusionRanges(index, size), size, read);
}

/** RFC 9162, 2.1.4.1, by at most three tiles a level. @throws RangeError as `consistencyRanges`; Error as the reader */
export function proveConsistency(olderSize: number, size: number, read: ReadTile): Promise<Hash[]> {
  return hashesOf(consistencyRanges(olderSize, size), size, read);
}

function hashesOf(ranges: LeafRange[], size: number, read: ReadTile): Promise<Hash[]> {
  const readOnce = memoize(read);
  return Promise.all(ranges.map((range) => hashOfRange(range, size, readOnce)));
}

/**
 * Proves one leaf after the other of the tree of `size` leaves, as `proveInclusion`. Neighbours share most of their
 * hashes: those of the last proof are kept, and the tiles that were just needed. One proof at a time.
 *
 * @param encode makes of each hash what a proof has in its place; neighbours share that too
 */
export function inclusionProver<T>(
  size: number,
  read: ReadTile,
  encode: (hash: Hash) => T,
): (index: number) => Promise<T[]> {
  const readOnce = memoize(read, keptTiles);
  let last: (LeafRange & { encoded: T })[] = [];
  return async (index) => {
    const parts: typeof last = [];
    for (const [i, range] of inclusionRanges(index, size).entries()) {
      const known = last[i];
      if (known?.start === range.start && known.end === range.end) parts.push(known);
      else parts.push({ ...range, encoded: encode(await hashOfRange(range, size, readOnce)) });
    }
    last = parts;
    return parts.map(({ encoded }) => encoded);
  };
}

const keptTiles = 16;

/** A reader that reads one tile at a time, as one connection to a database has to. */
export function readInTurn(read: ReadTile): ReadTile {
  let last: Promise<unknown> = Promise.resolve();
  return (tile) => {
    const next = last.then(() => read(tile));
    last = next.catch(() => undefined);
    return next;
  };
}

/** Remembers the tiles that were asked for last. */
function memoize(read: ReadTile, most = Infinity): ReadTile {
  const known = new Map<string, Promise<Uint8Array>>();
  return (tile) => {
    const key = `${tile.level}/${tile.n}`;
    const hashes = known.get(key) ?? read(tile);
    known.delete(key);
    known.set(key, hashes);
    if (known.size > most) known.delete(known.keys().next().value!);
    return hashes;
  };
}

/** The hash over leaves as a proof has them: perfect trees from the left, each smaller than the one before. */
async function hashOfRange({ start, end }: LeafRange, size: number, read: ReadTile): Promise<Hash> {
  const perfect: Promise<Hash>[] = [];
  for (let at = start; at < end;) {
    let [leaves, height] = [1, 0];
    while (at % (leaves * 2) === 0 && at + leaves * 2 <= end) [leaves, height] = [leaves * 2, height + 1];
    perfect.push(perfectHash(at / leaves, height, size, read));
    at += leaves;
  }
  const hashes = await Promise.all(perfect);
  return hashes.reduceRight((right, left) => nodeHash(left, right));
}

/** The root of the perfect tree number `n` of its height, from the tile that has it or the hashes below it. */
async function perfectHash(n: number, height: number, size: number, read: ReadTile): Promise<Hash> {
  const level = Math.floor(height / tileHeight);
  const count = 2 ** (height % tileHeight);
  const first = n * count;
  const tile = Math.floor(first / tileWidth);
  const width = Math.min(tileWidth, levelWidth(size, level) - tile * tileWidth);
  const bytes = await read({ level, n: tile, width });
  if (bytes.length !== width * hashBytes)
    throw new Error(`${tilePath(level, tile, width)} has ${bytes.length} bytes, not ${width * hashBytes}`);
  const from = (first % tileWidth) * hashBytes;
  return perfectRoot(bytes.subarray(from, from + count * hashBytes));
}
