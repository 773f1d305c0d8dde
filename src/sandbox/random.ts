/** A source of numbers in [0, 1). */
export type Random = () => number;

/**
 * The random numbers that belong to one thing of a seeded world: the same seed, stream and index always
 * give the same numbers, and no other thing has to be generated first (sfc32).
 * The seed is a safe integer of at least 0; the index is below 2^32.
 */
export function randomOf(seed: number, stream: number, index: number): Random {
  let a = seed | 0;
  let b = index | 0;
  let c = (Math.imul(Math.floor(seed / 2 ** 32), 0x9e3779b9) + stream) | 0;
  let counter = 1;

  function next(): number {
    const result = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + result;
    return (result >>> 0) / 2 ** 32;
  }

  // Neighbouring indices need these rounds to lose their likeness.
  for (let round = 0; round < 12; round++) next();
  return next;
}

/** A whole number from min to max, both included. */
export function int(random: Random, min: number, max: number): number {
  return min + Math.floor(random() * (max - min + 1));
}

/** True with the given probability. */
export function chance(random: Random, probability: number): boolean {
  return random() < probability;
}

/** One element of a list that is not empty. */
export function pick<T>(random: Random, list: readonly T[]): T {
  return list[Math.floor(random() * list.length)]!;
}

/** A list with every value as many times as its weight says, so that `pick` honours the weights. */
export function weighted<T extends string>(weights: Record<T, number>): T[] {
  return Object.entries<number>(weights).flatMap(([value, weight]) =>
    Array.from({ length: weight }, () => value as T),
  );
}

/** A bijection of the whole numbers below `size` onto themselves. */
export interface Permutation {
  size: number;
  multiplier: number;
  offset: number;
}

/** Keeps the product of a multiplier and an index below 2^30 exact. */
const maxMultiplier = 2 ** 23;

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** A random affine permutation of the numbers below `size`, which is at most 2^30. */
export function permutationOf(random: Random, size: number): Permutation {
  let multiplier = int(random, 1, Math.min(size, maxMultiplier) - 1);
  while (greatestCommonDivisor(multiplier, size) !== 1) multiplier--;
  return { size, multiplier, offset: int(random, 0, size - 1) };
}

/** The number that the permutation puts in the place of `index`, which is a whole number below its size. */
export function permute(permutation: Permutation, index: number): number {
  return (permutation.multiplier * index + permutation.offset) % permutation.size;
}
