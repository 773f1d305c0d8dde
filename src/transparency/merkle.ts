import { sha256Into } from '#crypto';

/**
 * The Merkle tree of the audit log: hashes, proofs and their checks as in RFC 6962 and RFC 9162. Hashes are 32
 * bytes; indices and sizes are integers up to 2^53 − 1.
 */
export type Hash = Uint8Array;

export const hashBytes = 32;

// What is hashed is put together here: millions of small arrays would cost more than the hashing.
let leaf = new Uint8Array(1 + 65_535);
const node = Uint8Array.of(1, ...new Uint8Array(2 * hashBytes));

/** The root of a tree without leaves: SHA-256 of nothing. RFC 9162, 2.1.1. */
export const emptyRoot: Hash = new Uint8Array(hashBytes);
sha256Into(new Uint8Array(0), emptyRoot, 0);

/** The hash of a leaf: SHA-256(00 ‖ bytes). RFC 9162, 2.1.1. */
export function leafHash(bytes: Uint8Array): Hash {
  const hash = new Uint8Array(hashBytes);
  if (bytes.length >= leaf.length) leaf = new Uint8Array(1 + bytes.length);
  leaf.set(bytes, 1);
  hashLeafInPlace(leaf.subarray(0, 1 + bytes.length), hash, 0);
  return hash;
}

/** Writes the hash of a leaf into `to` at `at`. @param prefixed any byte, which becomes 00, and the leaf's own */
export function hashLeafInPlace(prefixed: Uint8Array, to: Uint8Array, at: number): void {
  prefixed[0] = 0;
  sha256Into(prefixed, to, at);
}

/** The hash of a node: SHA-256(01 ‖ left ‖ right). RFC 9162, 2.1.1. */
export function nodeHash(left: Hash, right: Hash): Hash {
  const hash = new Uint8Array(hashBytes);
  node.set(left, 1);
  node.set(right, 1 + hashBytes);
  sha256Into(node, hash, 0);
  return hash;
}

/** The root over hashes that stand beside each other in `bytes`, a power of two of them. */
export function perfectRoot(bytes: Uint8Array): Hash {
  // A place before the first, so that each pair can be hashed where it stands: its prefix takes the place of the last
  // byte of the pair before, which is done, as is what its hash takes the place of.
  const hashes = new Uint8Array(1 + bytes.length);
  hashes.set(bytes, 1);
  for (let length = bytes.length; length > hashBytes; length /= 2)
    for (let at = 0; at < length; at += 2 * hashBytes) {
      hashes[at] = 1;
      sha256Into(hashes.subarray(at, at + 1 + 2 * hashBytes), hashes, 1 + at / 2);
    }
  return hashes.slice(1, 1 + hashBytes);
}

/** The hash over hashes that stand beside each other, leaves or roots of perfect trees of one height. */
export function rootOf(hashes: readonly Hash[]): Hash {
  if (hashes.length === 0) return emptyRoot;
  if (hashes.length === 1) return hashes[0]!;
  const middle = largestPowerBelow(hashes.length);
  return nodeHash(rootOf(hashes.slice(0, middle)), rootOf(hashes.slice(middle)));
}

/** Leaves from `start` up to and without `end`. */
export interface LeafRange {
  start: number;
  end: number;
}

/**
 * The leaves that each hash of an inclusion proof covers, in the proof's order. RFC 9162, 2.1.3.1.
 *
 * @throws RangeError when a tree of this size has no such leaf
 */
export function inclusionRanges(index: number, size: number): LeafRange[] {
  if (!isIndex(index) || !isIndex(size) || index >= size)
    throw new RangeError(`a tree of ${size} leaves has no leaf ${index}`);
  const ranges: LeafRange[] = [];
  let [start, end] = [0, size];
  while (end - start > 1) {
    const middle = start + largestPowerBelow(end - start);
    if (index < middle) {
      ranges.push({ start: middle, end });
      end = middle;
    } else {
      ranges.push({ start, end: middle });
      start = middle;
    }
  }
  return ranges.toReversed();
}

/**
 * The leaves that each hash of a consistency proof covers, in the proof's order. RFC 9162, 2.1.4.1.
 *
 * @throws RangeError when the older tree is empty or larger than the newer
 */
export function consistencyRanges(olderSize: number, size: number): LeafRange[] {
  if (!isIndex(olderSize) || !isIndex(size) || olderSize === 0 || olderSize > size)
    throw new RangeError(`a tree of ${size} leaves does not continue one of ${olderSize}`);
  const ranges: LeafRange[] = [];
  let [start, end] = [0, size];
  while (end !== olderSize) {
    const middle = start + largestPowerBelow(end - start);
    if (olderSize <= middle) {
      ranges.push({ start: middle, end });
      end = middle;
    } else {
      ranges.push({ start, end: middle });
      start = middle;
    }
  }
  // The verifier has the older root itself where that is what remains.
  if (start > 0) ranges.push({ start, end });
  return ranges.toReversed();
}

/** Whether the proof shows that the tree under `root` has this leaf at this index. RFC 9162, 2.1.3.2. */
export function verifyInclusion(
  proof: readonly Hash[],
  leaf: { index: number; hash: Hash },
  tree: { size: number; root: Hash },
): boolean {
  if (!isIndex(leaf.index) || !isIndex(tree.size) || leaf.index >= tree.size) return false;
  let [fn, sn, root] = [leaf.index, tree.size - 1, leaf.hash];
  for (const sibling of proof) {
    if (sn === 0 || !isHash(sibling)) return false;
    if (isOdd(fn) || fn === sn) {
      root = nodeHash(sibling, root);
      while (!isOdd(fn) && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else root = nodeHash(root, sibling);
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 && equalHashes(root, tree.root);
}

/** Whether the proof shows that the newer tree begins with all leaves of the older. RFC 9162, 2.1.4.2. */
export function verifyConsistency(
  proof: readonly Hash[],
  older: { size: number; root: Hash },
  newer: { size: number; root: Hash },
): boolean {
  if (!isIndex(older.size) || !isIndex(newer.size) || older.size > newer.size) return false;
  if (!isHash(older.root) || !isHash(newer.root)) return false;
  if (older.size === newer.size) return proof.length === 0 && equalHashes(older.root, newer.root);
  if (older.size === 0) return proof.length === 0 && equalHashes(older.root, emptyRoot);
  const path = isPowerOfTwo(older.size) ? [older.root, ...proof] : proof;
  const [first, ...rest] = path;
  if (first === undefined || !isHash(first)) return false;
  let [fn, sn] = [older.size - 1, newer.size - 1];
  while (isOdd(fn)) [fn, sn] = [half(fn), half(sn)];
  let [olderRoot, newerRoot] = [first, first];
  for (const sibling of rest) {
    if (sn === 0 || !isHash(sibling)) return false;
    if (isOdd(fn) || fn === sn) {
      olderRoot = nodeHash(sibling, olderRoot);
      newerRoot = nodeHash(sibling, newerRoot);
      while (!isOdd(fn) && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else newerRoot = nodeHash(newerRoot, sibling);
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 && equalHashes(olderRoot, older.root) && equalHashes(newerRoot, newer.root);
}

/** Whether two hashes, or as many beside each other, are the same. */
export function equalHashes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

// Sizes may need more than 32 bits: no shifts.

/** The largest power of two below n, for n of 2 or more. */
function largestPowerBelow(n: number): number {
  let power = 1;
  while (power * 2 < n) power *= 2;
  return power;
}

function isPowerOfTwo(n: number): boolean {
  return n > 0 && (n === 1 || largestPowerBelow(n) * 2 === n);
}

function isOdd(n: number): boolean {
  return n % 2 === 1;
}

function half(n: number): number {
  return Math.floor(n / 2);
}

/** Whether a value can be an index of a log, or a number of entries. */
export function isIndex(n: unknown): n is number {
  return Number.isSafeInteger(n) && (n as number) >= 0;
}

function isHash(bytes: Uint8Array): boolean {
  return bytes.length === hashBytes;
}
