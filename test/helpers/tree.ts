/** For tests of Merkle trees: the tiles of one that is in memory. */
import { rootOf, type Hash } from '../../src/transparency/merkle.ts';
import type { ReadTile } from '../../src/transparency/tiles.ts';

/** The tiles of a tree in memory, from its leaf hashes; those read are counted. */
export function tilesOf(leaves: readonly Hash[]): ReadTile & { reads: number } {
  const levels: Hash[][] = [[...leaves]];
  while (levels.at(-1)!.length >= 256) {
    const below = levels.at(-1)!;
    const full = Math.floor(below.length / 256);
    levels.push(Array.from({ length: full }, (_, n) => rootOf(below.slice(n * 256, (n + 1) * 256))));
  }
  const read = ({ level, n, width }: Parameters<ReadTile>[0]): Promise<Uint8Array> => {
    counted.reads++;
    return Promise.resolve(Buffer.concat(levels[level]!.slice(n * 256, n * 256 + width)));
  };
  const counted = Object.assign(read, { reads: 0 });
  return counted;
}
