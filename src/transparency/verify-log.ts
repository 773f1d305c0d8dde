import type { Checkpoint } from './checkpoint.ts';
import {
  expectCheckpoints,
  growTree,
  type Expectations,
  type ReportFault,
  type GrowingTree,
  type StoredCheckpoint,
} from './expected-checkpoints.ts';
import { equalHashes, hashBytes, hashLeafInPlace, type Hash } from './merkle.ts';
import type { Verifier } from './note.ts';
import { joinHashes, splitHashes, tilePath, tileRoot, tileWidth, type Tile } from './tiles.ts';

/** Where a log is read from: a database, a gateway's address, files. Nothing that it says is believed. */
export interface LogSource {
  /**
   * How many entries there should be.
   *
   * @throws NoteError when it is told by a checkpoint that none of the verifiers has signed
   */
  size(verifiers: readonly Verifier[]): Promise<number>;
  /** The leaves of the tree of so many entries, tile by tile from tile `from` (0) on, the last one maybe partial. */
  tiles(size: number, from?: number): AsyncIterable<StoredLeaves>;
  /** A tile above the leaves as it is kept, partial ones too; null where none is. */
  tile(tile: Tile): Promise<StoredTile | null>;
  /** Every checkpoint that is kept, the smallest first. */
  checkpoints(): AsyncIterable<StoredCheckpoint>;
  /** The notes by which one key of the log succeeds another. */
  successions(): Promise<string[]>;
}

/** What is stored of the entries of one tile of level 0. */
export interface StoredLeaves {
  /**
   * The bytes of each entry, with one more in front of them that is the verifier's: so they are hashed as leaves where
   * they stand, without being copied. Null where the entry is missing.
   */
  leaves: (Uint8Array | null)[];
  /** The hashes that are stored beside the bytes, all of them, where there are such. */
  leafHashes: Uint8Array | null;
  /** The tile; null where none is kept. */
  tile: StoredTile | null;
  /** Whether the entries were moved to an archive that is not at hand: the tile's hashes stand for them. */
  archived?: boolean;
}

export interface StoredTile {
  hashes: Uint8Array;
  /** What is stored beside the hashes as their root, where there is such. */
  root: Hash | null;
}

/** Something that is not as it was written, and where. */
export interface Finding {
  /** The entry; null where it can't be told. */
  index: number | null;
  what: string;
}

export interface LogVerdict {
  entries: number;
  checkpoints: number;
  /** How many entries at the end no checkpoint covers yet. */
  uncovered: number;
  /** How many entries were not looked at, because they stand in an archive that is not at hand. */
  archived: number;
  findings: Finding[];
  /** Whether there was more to find than is told. */
  more: boolean;
}

export interface VerifyOptions {
  verifiers: readonly Verifier[];
  /** Checkpoints that someone else kept: what a log that lost its end, or was written anew, is noticed by. */
  outside?: readonly Checkpoint[];
  /** Hears how many entries are done. */
  progress?: (done: number, total: number) => void;
}

const maxFindings = 100;

/**
 * Checks a whole log: every entry against its stored hash, every tile against the entries, every checkpoint's
 * signature, and its root against the entries that it covers, which shows each to continue the one before.
 *
 * @throws Error as the source does
 */
export async function verifyLog(source: LogSource, options: VerifyOptions): Promise<LogVerdict> {
  const { verifiers, outside = [], progress = () => undefined } = options;
  const findings: Finding[] = [];
  let more = false;
  const find: ReportFault = (index, what) => {
    if (findings.length < maxFindings) findings.push({ index, what });
    else more = true;
  };
  const size = await source.size(verifiers);
  const tree = growTree();
  const levels: Hash[][] = [];
  const expected = await expectCheckpoints(source.checkpoints(), { verifiers, outside, find });
  await expected.meet(tree);

  let n = 0;
  let archived = 0;
  for await (const leaves of source.tiles(size)) {
    const stands = leaves.archived === true && leaves.tile?.hashes.length === tileWidth * hashBytes;
    if (stands) archived += tileWidth;
    const hashes = stands ? leaves.tile!.hashes : checkLeaves(leaves, n * tileWidth, find);
    const full = hashes.length === tileWidth * hashBytes;
    const root = full ? tileRoot(hashes) : null;
    await growByTile(tree, { hashes, root }, expected);
    if (root !== null) await checkTile({ hashes, root }, { level: 0, n }, leaves.tile);
    progress(tree.size(), size);
    n++;
  }
  await checkPartialTiles();
  if (tree.size() !== size) find(tree.size(), `there are ${tree.size()} entries, and ${size} were told of`);
  await expected.finish({ size, now: () => source.size(verifiers) });
  return {
    entries: size,
    checkpoints: expected.checked(),
    uncovered: Math.max(0, size - expected.lastSize()),
    archived,
    findings,
    more,
  };

  /** What an export has of the tiles above the leaves that are not full yet. */
  async function checkPartialTiles(): Promise<void> {
    for (const [below, hashes] of levels.entries()) {
      const [level, width] = [below + 1, hashes.length];
      if (width === 0) continue;
      const n = Math.floor(size / tileWidth ** (level + 1));
      const kept = await source.tile({ level, n, width });
      if (kept !== null && !equalHashes(kept.hashes, joinHashes(hashes)))
        find(
          n * tileWidth ** (level + 1),
          `${tilePath(level, n, width)} does not have the hashes of its entries`,
        );
    }
  }

  /** A full tile against the hashes below it; where it completes one above, that too. */
  async function checkTile(
    { hashes, root }: { hashes: Uint8Array; root: Hash },
    { level, n }: { level: number; n: number },
    kept: StoredTile | null,
  ): Promise<void> {
    const tile = { level, n, width: tileWidth };
    const firstIndex = n * tileWidth ** (level + 1);
    const published = firstIndex + tileWidth ** (level + 1) <= expected.lastSize();
    // It may have been kept only after its entries were read.
    if (kept === null && published && (await source.tile(tile)) === null)
      find(firstIndex, `tile ${level}/${n} is missing`);
    if (kept !== null && !equalHashes(kept.hashes, hashes)) {
      const [stored, due] = [splitHashes(kept.hashes), splitHashes(hashes)];
      const at = due.findIndex((hash, i) => stored[i] === undefined || !equalHashes(hash, stored[i]));
      find(
        firstIndex + Math.max(0, at) * tileWidth ** level,
        `tile ${level}/${n} does not have the hashes of its entries`,
      );
    }
    if (kept?.root != null && !equalHashes(kept.root, root))
      find(firstIndex, `tile ${level}/${n} has another root than its hashes`);
    const above = (levels[level] ??= []);
    above.push(root);
    if (above.length < tileWidth) return;
    levels[level] = [];
    const aboveTile = { level: level + 1, n: Math.floor(n / tileWidth), width: tileWidth };
    const joined = joinHashes(above);
    await checkTile({ hashes: joined, root: tileRoot(joined) }, aboveTile, await source.tile(aboveTile));
  }
}

/** Adds a tile's leaves: one by one where a checkpoint is due among them, otherwise their root. */
async function growByTile(
  tree: GrowingTree,
  { hashes, root }: { hashes: Uint8Array; root: Hash | null },
  expected: Expectations,
): Promise<void> {
  if (root !== null && expected.nextSize() >= tree.size() + tileWidth) tree.push(root, tileWidth);
  else
    for (const hash of splitHashes(hashes)) {
      tree.push(hash);
      if (expected.nextSize() <= tree.size()) await expected.meet(tree);
    }
  if (expected.nextSize() <= tree.size()) await expected.meet(tree);
}

/** The entries of one tile against their stored hashes and the tile's. @returns the hashes to go on with */
function checkLeaves(
  { leaves, leafHashes, tile }: StoredLeaves,
  first: number,
  find: ReportFault,
): Uint8Array {
  const hashes = new Uint8Array(leaves.length * hashBytes);
  let whole = true;
  for (let i = 0; i < leaves.length; i++) {
    const leaf = leaves[i]!;
    if (leaf === null) whole = false;
    else hashLeafInPlace(leaf, hashes, i * hashBytes);
  }
  const kept = tile?.hashes ?? null;
  if (leafHashes !== null && !equalHashes(hashes, leafHashes)) whole = false;
  if (kept !== null && !equalHashes(hashes, kept)) whole = false;
  if (whole) return hashes;

  const at = (all: Uint8Array | null, i: number): Hash | null => {
    const hash = all?.subarray(i * hashBytes, (i + 1) * hashBytes);
    return hash?.length === hashBytes ? hash : null;
  };
  for (let i = 0; i < leaves.length; i++) {
    const [index, hash, stored, keptHash] = [first + i, at(hashes, i)!, at(leafHashes, i), at(kept, i)];
    if (leaves[i] === null) find(index, `entry ${index} is missing`);
    else if (stored !== null && !equalHashes(hash, stored))
      find(index, `entry ${index} was altered: its bytes do not have the hash that is stored beside them`);
    else if (keptHash !== null && !equalHashes(hash, keptHash))
      find(
        index,
        `entry ${index} was altered, inserted or moved, or its tile was: they have different hashes`,
      );
    // The tile's hash lets what follows be checked all the same.
    if (keptHash !== null) hashes.set(keptHash, i * hashBytes);
  }
  return hashes;
}
