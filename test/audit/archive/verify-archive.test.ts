import { createHash } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { rootOf } from '../../../src/transparency/merkle.ts';
import { coversRange } from '../../../src/audit/archive/verify-archive.ts';
import { proveRange } from '../../../src/audit/archive/write-archive.ts';
import { tilesOf } from '../../helpers/tree.ts';

const leaves = Array.from({ length: 3000 }, (_, i) => createHash('sha256').update(String(i)).digest());

await t.test('whole ranges of a log of any size are covered by its root, and others are not', async () => {
  const cases = fc
    .record({ size: fc.integer({ min: 256, max: leaves.length }), power: fc.integer({ min: 8, max: 11 }) })
    .filter(({ size, power }) => size >= 2 ** power)
    .chain(({ size, power }) =>
      fc.record({
        size: fc.constant(size),
        span: fc.constant(2 ** power),
        n: fc.nat({ max: Math.floor(size / 2 ** power) - 1 }),
        other: fc.nat({ max: 2 ** power - 1 }),
      }),
    );
  await fc.assert(
    fc.asyncProperty(cases, async ({ size, span, n, other }) => {
      const range = { first: n * span, next: (n + 1) * span };
      const within = leaves.slice(range.first, range.next);
      const checkpoint = { size, root: rootOf(leaves.slice(0, size)) };
      const proof = await proveRange(range, size, tilesOf(leaves.slice(0, size)));
      const altered = within.with(other, Buffer.alloc(32));
      const moved = { first: range.first + span, next: range.next + span };
      return (
        coversRange(checkpoint, { ...range, root: rootOf(within) }, proof) &&
        !coversRange(checkpoint, { ...range, root: rootOf(altered) }, proof) &&
        !coversRange(checkpoint, { ...moved, root: rootOf(within) }, proof) &&
        !coversRange({ ...checkpoint, root: leaves[0]! }, { ...range, root: rootOf(within) }, proof)
      );
    }),
    { numRuns: 60 },
  );
});
