import type { Checkpoint } from './checkpoint.ts';
import { expectCheckpoints, growTree, type Find, type StoredCheckpoint } from './expected-checkpoints.ts';
import { emptyRoot, equalHashes, leafHash, type Hash } from './merkle.ts';
import type { Verifier } from './note.ts';
import { splitHashes, tileRoot, tileWidth, type Tile } from './tiles.ts';

/** Where a log is read from: a database, a gateway's address, files. Nothing that it says is believed. */
export interface LogSource {
  /** How many entries there should be. */
  size(): Promise<number>;
  /** The entries from `first` to before `end`, as many as there are, by their indices. */
  entries(first: number, end: number): Promise<StoredLeaf[]>;
  /** A full tile as it is kept; null where none is. */
  tile(tile: Tile): Promise<{ hashes: Uint8Array; root: Hash | null } | null>;
  /** Every checkpoint that is kept, the smallest first. */
  checkpoints(): AsyncIterable<StoredCheckpoint>;
}

export interface StoredLeaf {
  index: number;
  bytes: Uint8Array;
  /** The hash that is stored beside the bytes, where there is one. */
  leafHash: Hash | null;
}

/** Something that is not as it was written, and where. */
export interface Finding {
  /** The entry; null where it can't be told. */
  index: number | null;
  what: string;
}

export interface Verdict {
  entries: number;
  checkpoints: number;
  /** How many entries at the end no checkpoint covers yet. */
  uncovered: number;
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
export async function verifyLog(source: LogSource, options: VerifyOptions): Promise<Verdict> {
  const { verifiers, outside = [], progress = () => undefined } = options;
  const findings: Finding[] = [];
  let more = false;
  const find: Find = (index, what) => {
    if (findings.length < maxFindings) findings.push({ index, what });
    else more = true;
  };
  const size = await source.size();
  const tree = growTree();
  const levels: Hash[][] = [];
  const expected = expectCheckpoints(source.checkpoints(), { verifiers, outside, find });
  await expected.meet(tree);

  for (let first = 0; first < size; first += tileWidth) {
    const end = Math.min(first + tileWidth, size);
    const leaves = new Map((await source.entries(first, end)).map((leaf) => [leaf.index, leaf]));
    const tile = { level: 0, n: first / tileWidth, width: tileWidth };
    const kept = end - first === tileWidth ? await source.tile(tile) : null;
    const keptHashes = kept === null ? [] : splitHashes(kept.hashes);
    const hashes: Hash[] = [];
    for (let index = first; index < end; index++) {
      const keptHash = keptHashes[index - first] ?? null;
      hashes.push(checkLeaf(leaves.get(index), { index, keptHash, find }));
      tree.push(hashes.at(-1)!);
      await expected.meet(tree);
    }
    if (hashes.length === tileWidth) await checkTile(hashes, tile, kept);
    progress(end, size);
  }
  await expected.finish(await source.size());
  return {
    entries: size,
    checkpoints: expected.checked(),
    uncovered: Math.max(0, size - expected.lastSize()),
    findings,
    more,
  };

  /** A tile against the hashes below it; where it completes one above, that too. */
  async function checkTile(
    hashes: Hash[],
    tile: Tile,
    kept: { hashes: Uint8Array; root: Hash | null } | null,
  ): Promise<void> {
    const root = tileRoot(Buffer.concat(hashes));
    const name = `tile ${tile.level}/${tile.n}`;
    const firstIndex = tile.n * tileWidth ** (tile.level + 1);
    const published = firstIndex + tileWidth ** (tile.level + 1) <= expected.lastSize();
    if (kept === null && published && (await source.tile(tile)) === null)
      find(firstIndex, `${name} is missing`);
    if (kept !== null && !equalHashes(kept.hashes, Buffer.concat(hashes))) {
      const at = splitHashes(kept.hashes).findIndex(
        (hash, i) => hashes[i] === undefined || !equalHashes(hash, hashes[i]),
      );
      find(
        firstIndex + Math.max(0, at) * tileWidth ** tile.level,
        `${name} does not have the hashes of its entries`,
      );
    }
    if (kept?.root != null && !equalHashes(kept.root, root))
      find(firstIndex, `${name} has another root than its hashes`);
    const above = (levels[tile.level] ??= []);
    above.push(root);
    if (above.length < tileWidth) return;
    levels[tile.level] = [];
    const aboveTile = { level: tile.level + 1, n: Math.floor(tile.n / tileWidth), width: tileWidth };
    await checkTile(above, aboveTile, await source.tile(aboveTile));
  }
}

/** One entry against its stored hash and its tile's. @returns the hash to go on with */
function checkLeaf(
  leaf: StoredLeaf | undefined,
  { index, keptHash, find }: { index: number; keptHash: Hash | null; find: Find },
): Hash {
  if (leaf === undefined) {
    find(index, `entry ${index} is missing`);
    // The tile's hash lets what follows be checked all the same.
    return keptHash ?? emptyRoot;
  }
  const hash = leafHash(leaf.bytes);
  if (leaf.leafHash !== null && !equalHashes(hash, leaf.leafHash))
    find(index, `entry ${index} was altered: its bytes do not have the hash that is stored beside them`);
  else if (keptHash !== null && !equalHashes(hash, keptHash))
    find(index, `entry ${index} was altered, inserted or moved, or its tile was: they have different hashes`);
  return keptHash ?? hash;
}
