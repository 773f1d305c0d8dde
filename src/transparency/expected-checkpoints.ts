import { openCheckpoint, type Checkpoint } from './checkpoint.ts';
import { emptyRoot, equalHashes, nodeHash, type Hash } from './merkle.ts';
import { NoteError, type Verifier } from './note.ts';

/** A month, of whatever length, and some hours: it is the one before it that was a month old. */
const thinnedAfterMs = 27 * 86_400_000;

export interface StoredCheckpoint {
  note: string;
  /** What is stored beside the note, where there is something. */
  beside: { size: number; previousSize: number; root: Hash; at: Date } | null;
}

/** A tree that grows at its end, in memory that grows with its height alone. */
export interface GrowingTree {
  /** Adds a leaf; or the root of a perfect tree of so many leaves, where as many fit. */
  push(hash: Hash, leaves?: number): void;
  size(): number;
  root(): Hash;
  /** The same tree once more, to grow by itself. */
  copy(): GrowingTree;
}

export function growTree(perfect: { leaves: number; hash: Hash }[] = []): GrowingTree {
  let size = perfect.reduce((sum, { leaves }) => sum + leaves, 0);
  return {
    push(hash, leaves = 1) {
      size += leaves;
      let added = { leaves, hash };
      while (perfect.at(-1)?.leaves === added.leaves) {
        const left = perfect.pop()!;
        added = { leaves: added.leaves * 2, hash: nodeHash(left.hash, added.hash) };
      }
      perfect.push(added);
    },
    size: () => size,
    root: () =>
      perfect.length === 0
        ? emptyRoot
        : perfect.map(({ hash }) => hash).reduceRight((right, left) => nodeHash(left, right)),
    copy: () => growTree([...perfect]),
  };
}

/** Takes what is not as it was written, and the entry where that is; null where it can't be told. */
export type ReportFault = (index: number | null, what: string) => void;

export interface Expectations {
  /** The size of the next checkpoint; infinite when there is none. */
  nextSize(): number;
  /** Compares the tree with every checkpoint of its size. */
  meet(tree: GrowingTree): Promise<void>;
  /**
   * Whatever was not met: stored checkpoints may cover what there is by now, because a log goes on while it is read;
   * those kept outside were there before.
   */
  finish(log: { size: number; now: () => Promise<number> }): Promise<void>;
  checked(): number;
  /** The size of the last stored checkpoint that was read. */
  lastSize(): number;
}

/** The checkpoints that the growing tree must meet, in the order of their sizes. */
export async function expectCheckpoints(
  source: AsyncIterable<StoredCheckpoint>,
  {
    verifiers,
    outside,
    find,
  }: { verifiers: readonly Verifier[]; outside: readonly Checkpoint[]; find: ReportFault },
): Promise<Expectations> {
  const stored = source[Symbol.asyncIterator]();
  const kept = outside.toSorted((a, b) => a.size - b.size);
  let checked = 0;
  let lastSize = 0;
  /** The size of the last good checkpoint: what differs stands between it and the first bad one. */
  let goodSize = 0;
  let differs = false;
  let next = await read();

  /** The next stored checkpoint that is good by itself; null at the end. */
  async function read(): Promise<Checkpoint | null> {
    for (;;) {
      const { value, done } = await stored.next();
      if (done === true) return null;
      checked++;
      const checkpoint = open(value);
      if (checkpoint !== null) return checkpoint;
    }
  }

  function open({ note, beside }: StoredCheckpoint): Checkpoint | null {
    const name = beside === null ? 'a checkpoint' : `the checkpoint of ${beside.size} entries`;
    if (beside !== null && beside.previousSize !== lastSize && !isThinned(beside))
      find(
        lastSize,
        `${name} continues one of ${beside.previousSize}, and the one before it is of ${lastSize}`,
      );
    lastSize = beside?.size ?? lastSize;
    try {
      const checkpoint = openCheckpoint(note, verifiers);
      if (beside === null) lastSize = checkpoint.size;
      else if (beside.size !== checkpoint.size || !equalHashes(beside.root, checkpoint.root))
        find(beside.size, `${name} was altered: its signed note says something else`);
      return checkpoint;
    } catch (error) {
      if (!(error instanceof NoteError)) throw error;
      find(beside?.size ?? null, `${name} does not hold: ${error.message}`);
      return null;
    }
  }

  /** Of old ones, one an hour is kept. */
  function isThinned({ previousSize, at }: { previousSize: number; at: Date }): boolean {
    return previousSize > lastSize && Date.now() - at.getTime() > thinnedAfterMs;
  }

  function compare(checkpoint: Checkpoint, tree: GrowingTree, what: string): void {
    if (checkpoint.size === tree.size() && equalHashes(checkpoint.root, tree.root())) {
      goodSize = checkpoint.size;
      return;
    }
    // All that follow differ as well, and tell no more.
    if (differs) return;
    differs = true;
    find(
      goodSize,
      `${what} of ${checkpoint.size} entries has another root: from entry ${goodSize} on something was altered, or ` +
        'the checkpoint itself',
    );
  }

  return {
    nextSize: () => Math.min(next?.size ?? Infinity, kept[0]?.size ?? Infinity),
    async meet(tree) {
      while (kept[0] !== undefined && kept[0].size <= tree.size())
        compare(kept.shift()!, tree, 'the checkpoint kept outside');
      while (next !== null && next.size <= tree.size()) {
        compare(next, tree, 'the checkpoint');
        next = await read();
      }
    },
    async finish({ size, now }) {
      let largest = 0;
      for (; next !== null; next = await read()) {
        largest = Math.max(largest, next.size);
        if (next.size <= size) find(size, `the checkpoint of ${next.size} entries was not met`);
      }
      // After the last of them: it may be of this moment.
      const entries = await now();
      if (largest > entries)
        find(size, `the checkpoint of ${largest} entries covers more than the ${entries} that there are`);
      for (const checkpoint of kept)
        find(
          size,
          `the end was removed: there are ${size} entries, and the checkpoint kept outside is of ${checkpoint.size}`,
        );
    },
    checked: () => checked,
    lastSize: () => lastSize,
  };
}
