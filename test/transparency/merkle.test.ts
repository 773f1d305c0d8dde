import { createHash } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import {
  consistencyRanges,
  emptyRoot,
  inclusionRanges,
  leafHash,
  rootOf,
  verifyConsistency,
  verifyInclusion,
  type Hash,
  type LeafRange,
} from '../../src/transparency/merkle.ts';
import { proveConsistency, proveInclusion, rootFromTiles } from '../../src/transparency/tiles.ts';
import known from '../fixtures/rfc6962.json' with { type: 'json' };
import { tilesOf } from '../helpers/tree.ts';

/** RFC 6962, 2.1, written anew. */
function referenceRoot(hashes: readonly Hash[]): Buffer {
  if (hashes.length === 1) return Buffer.from(hashes[0]!);
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  const sides = [referenceRoot(hashes.slice(0, split)), referenceRoot(hashes.slice(split))];
  return createHash('sha256')
    .update(Buffer.concat([Buffer.of(1), ...sides]))
    .digest();
}

const hex = (hash: Hash): string => Buffer.from(hash).toString('hex');
const bytesOf = (text: string): Buffer => Buffer.from(text, 'hex');

const maxLeaves = 600;
const leaves = Array.from({ length: maxLeaves }, (_, i) => leafHash(Buffer.from(`leaf ${i}`)));
const read = tilesOf(leaves);
const roots = leaves.map((_, i) => rootOf(leaves.slice(0, i + 1)));
const treeOf = (size: number): { size: number; root: Hash } => ({ size, root: roots[size - 1]! });

await t.test('hashes leaves and trees as RFC 6962 has it', async (t) => {
  t.equal(hex(emptyRoot), known.empty_root);
  t.equal(hex(leafHash(Buffer.alloc(0))), known.leaf_of_empty);
  const hashes = known.leaves.map((leaf) => leafHash(bytesOf(leaf)));
  t.equal(hex(rootOf(hashes)), known.root, 'the eight leaves have the known root');
  t.equal(hex(await rootFromTiles(8, tilesOf(hashes))), known.root, 'and from tiles');
  t.equal(hex(await rootFromTiles(0, tilesOf([]))), known.empty_root);
});

await t.test('gives the known proofs of the known tree', async (t) => {
  const hashes = known.leaves.map((leaf) => leafHash(bytesOf(leaf)));
  const tiles = tilesOf(hashes);
  for (const { index, size, proof } of known.inclusion) {
    t.strictSame((await proveInclusion(index, size, tiles)).map(hex), proof, `leaf ${index} of ${size}`);
    const tree = { size, root: referenceRoot(hashes.slice(0, size)) };
    t.ok(verifyInclusion(proof.map(bytesOf), { index, hash: hashes[index]! }, tree));
  }
  for (const { older, size, proof } of known.consistency) {
    t.strictSame((await proveConsistency(older, size, tiles)).map(hex), proof, `${older} to ${size}`);
    const trees = [older, size].map((n) => ({ size: n, root: referenceRoot(hashes.slice(0, n)) }));
    t.ok(verifyConsistency(proof.map(bytesOf), trees[0]!, trees[1]!));
  }
});

/** The hash over a range of the leaves, by the definition, each worked out once. */
const rangeHashes = new Map<number, Hash>();
function rangeHash({ start, end }: LeafRange): Hash {
  const key = start * 1000 + end;
  const found = rangeHashes.get(key) ?? rootOf(leaves.slice(start, end));
  rangeHashes.set(key, found);
  return found;
}

await t.test('every leaf of every tree of 1 to 600 leaves is proved', (t) => {
  let proofs = 0;
  for (let size = 1; size <= maxLeaves; size++)
    for (let index = 0; index < size; index++) {
      const proof = inclusionRanges(index, size).map(rangeHash);
      if (verifyInclusion(proof, { index, hash: leaves[index]! }, treeOf(size))) proofs++;
    }
  t.equal(proofs, (maxLeaves * (maxLeaves + 1)) / 2);
  t.end();
});

await t.test('every tree of 1 to 600 leaves is shown to continue every smaller one', (t) => {
  let proofs = 0;
  for (let size = 1; size <= maxLeaves; size++)
    for (let older = 1; older <= size; older++) {
      const proof = consistencyRanges(older, size).map(rangeHash);
      if (verifyConsistency(proof, treeOf(older), treeOf(size))) proofs++;
    }
  t.equal(proofs, (maxLeaves * (maxLeaves + 1)) / 2);
  t.end();
});

await t.test('tiles give the same roots and proofs', async (t) => {
  for (let size = 1; size <= maxLeaves; size++) {
    t.strictSame(Buffer.from(await rootFromTiles(size, read)), referenceRoot(leaves.slice(0, size)));
    for (const nth of [1, 1 + Math.floor(size / 3), size]) {
      const inclusion = await proveInclusion(nth - 1, size, read);
      t.strictSame(inclusion, inclusionRanges(nth - 1, size).map(rangeHash));
      const consistency = await proveConsistency(nth, size, read);
      t.strictSame(consistency, consistencyRanges(nth, size).map(rangeHash));
    }
  }
});

function flipped(hash: Hash, bit: number): Hash {
  const copy = Buffer.from(hash);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

/** What may become of a proof on its way: always something else than it was. */
function tampered(proof: readonly Hash[], how: { at: number; bit: number; kind: number }): Hash[] {
  const at = how.at % Math.max(1, proof.length);
  if (proof.length === 0) return [Buffer.alloc(32, how.bit)];
  if (how.kind === 0) return proof.with(at, flipped(proof[at]!, how.bit));
  if (how.kind === 1) return proof.toSpliced(at, 1);
  if (how.kind === 2) return [...proof, Buffer.alloc(32, how.bit)];
  if (how.kind === 3 && proof.length > 1) {
    const other = (at + 1) % proof.length;
    return proof.with(at, proof[other]!).with(other, proof[at]!);
  }
  return proof.toSpliced(at, 0, proof[at]!);
}

const tampering = fc.record({ at: fc.nat(20), bit: fc.nat(255), kind: fc.nat(4) });
const pair = fc
  .integer({ min: 1, max: maxLeaves })
  .chain((size) => fc.tuple(fc.integer({ min: 1, max: size }), fc.constant(size)));

await t.test('an inclusion proof with a flipped bit, or a hash less, more or exchanged, fails', async () => {
  await fc.assert(
    fc.asyncProperty(pair, tampering, async ([nth, size], how) => {
      const index = nth - 1;
      const leaf = { index, hash: leaves[index]! };
      const proof = tampered(await proveInclusion(index, size, read), how);
      return !verifyInclusion(proof, leaf, treeOf(size));
    }),
    { numRuns: 3000 },
  );
});

await t.test('a consistency proof with a flipped bit, or a hash less, more or exchanged, fails', async () => {
  await fc.assert(
    fc.asyncProperty(pair, tampering, async ([older, size], how) => {
      const proof = tampered(await proveConsistency(older, size, read), how);
      return !verifyConsistency(proof, treeOf(older), treeOf(size));
    }),
    { numRuns: 3000 },
  );
});

await t.test('a good proof fits no other leaf, index or root', async () => {
  await fc.assert(
    fc.asyncProperty(pair, fc.nat(255), fc.nat(2), async ([nth, size], bit, what) => {
      const proof = await proveInclusion(nth - 1, size, read);
      const leaf: { index: number; hash: Hash } = { index: nth - 1, hash: leaves[nth - 1]! };
      const tree = treeOf(size);
      if (what === 0) leaf.hash = flipped(leaf.hash, bit);
      else if (what === 1) tree.root = flipped(tree.root, bit);
      else leaf.index = size === 1 ? 1 : nth % size;
      return !verifyInclusion(proof, leaf, tree);
    }),
    { numRuns: 2000 },
  );
});

await t.test('refuses indices and sizes that there can not be', (t) => {
  for (const [index, size] of [
    [0, 0],
    [5, 5],
    [-1, 5],
    [0.5, 5],
    [0, NaN],
    [2 ** 53, 2 ** 54],
  ] as const) {
    t.throws(() => inclusionRanges(index, size), RangeError);
    t.notOk(verifyInclusion([], { index, hash: leaves[0]! }, { size, root: leaves[0]! }));
  }
  for (const [older, size] of [
    [0, 5],
    [6, 5],
    [-1, 5],
    [1.5, 5],
  ] as const)
    t.throws(() => consistencyRanges(older, size), RangeError);
  t.notOk(verifyConsistency([], treeOf(6), treeOf(5)));
  t.ok(verifyConsistency([], { size: 0, root: emptyRoot }, treeOf(5)), 'every tree continues the empty one');
  t.notOk(verifyConsistency([], { size: 0, root: leaves[0]! }, treeOf(5)));
  t.notOk(verifyConsistency([leaves[0]!], treeOf(5), treeOf(5)));
  t.notOk(verifyInclusion([leaves[0]!.subarray(1)], { index: 0, hash: leaves[0]! }, treeOf(2)));
  t.end();
});

await t.test('proves leaves whose indices need more than 32 bits', (t) => {
  const size = 2 ** 41 + 3;
  const ranges = inclusionRanges(2 ** 41 + 1, size);
  t.strictSame(ranges, [
    { start: 2 ** 41, end: 2 ** 41 + 1 },
    { start: 2 ** 41 + 2, end: size },
    { start: 0, end: 2 ** 41 },
  ]);
  t.strictSame(consistencyRanges(2 ** 41, size), [{ start: 2 ** 41, end: size }]);
  t.end();
});
