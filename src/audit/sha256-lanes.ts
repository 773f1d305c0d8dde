/**
 * SHA-256's compression function (FIPS 180-4, 6.2.2) of four blocks at a time, one in each lane of 128-bit vectors: as
 * WebAssembly, because neither JavaScript nor Node's crypto reaches those. For many short texts, where a call for each
 * would cost more than its hash.
 */
export interface Lanes {
  /** The words of the module's memory. A block or digest has its words in a row, each once for every lane. */
  words: Uint32Array;
  /**
   * Takes one block into four states.
   *
   * @param state where eight words stand that all lanes begin with, in bytes
   * @param block where the sixteen words of each lane's block stand, in bytes
   * @param digest where to put the eight words of each lane's next state, in bytes
   */
  compress: (state: number, block: number, digest: number) => void;
}

export const laneCount = 4;

/** What is used of the engine's own object, which has no types without a browser's. */
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => {
    exports: { memory: { buffer: ArrayBuffer }; compress: Lanes['compress'] };
  };
};

/** Makes the lanes; null on a processor without vectors. */
export function createLanes(): Lanes | null {
  const bytes = assemble();
  if (!WebAssembly.validate(bytes)) return null;
  const { memory, compress } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
  return { words: new Uint32Array(memory.buffer), compress };
}

/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2). */
const roundConstants = fractions(64, Math.cbrt);
/** The same of the square roots of the first eight: what every hash begins with (5.3.3). */
export const initialState = fractions(8, Math.sqrt);

function fractions(count: number, root: (prime: number) => number): number[] {
  const primes: number[] = [];
  for (let n = 2; primes.length < count; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  return primes.map((prime) => Math.floor((root(prime) % 1) * 2 ** 32));
}

type Code = readonly number[];

const vectorBytes = 16;
const i32 = 0x7f;
const v128 = 0x7b;

const get = (local: number): Code => [0x20, local];
const set = (local: number): Code => [0x21, local];
const constant = (value: number): Code => [0x41, ...signed(value)];
const vector = (operation: number, ...rest: number[]): Code => [0xfd, ...unsigned(operation), ...rest];
const load = (address: number, offset: number): Code => [
  ...get(address),
  ...vector(0x00, 2, ...unsigned(offset)),
];
const loadIntoAllLanes = (address: number, offset: number): Code => [
  ...get(address),
  ...vector(0x09, 2, ...unsigned(offset)),
];
const store = (offset: number): Code => vector(0x0b, 2, ...unsigned(offset));
const inAllLanes = (value: number): Code => [...constant(value), ...vector(0x11)];
const xor = vector(0x51);
const or = vector(0x50);
/** Takes the bits of the first where the third has ones, else those of the second. */
const choose = vector(0x52);
const shiftLeft = (local: number, by: number): Code => [...get(local), ...constant(by), ...vector(0xab)];
const shiftRight = (local: number, by: number): Code => [...get(local), ...constant(by), ...vector(0xad)];
const add = vector(0xae);
const rotate = (local: number, by: number): Code => [
  ...shiftRight(local, by),
  ...shiftLeft(local, 32 - by),
  ...or,
];
const xorOf = (first: Code, second: Code, third: Code): Code => [
  ...first,
  ...second,
  ...xor,
  ...third,
  ...xor,
];

/** The function `compress`: all of its rounds one after the other. Parameters are locals 0 to 2. */
function compressBody(): Code {
  const [state, block, digest] = [0, 1, 2];
  const variable = (i: number): number => 3 + (i & 7);
  const schedule = (i: number): number => 11 + (i & 15);
  const sum = 27;
  const code: number[] = [1, 25, v128];
  for (let i = 0; i < 8; i++) code.push(...loadIntoAllLanes(state, 4 * i), ...set(variable(i)));
  for (let i = 0; i < 16; i++) code.push(...load(block, vectorBytes * i), ...set(schedule(i)));
  for (let round = 0; round < 64; round++) {
    // The variables change their places each round, so that nothing need be moved.
    const [a, b, c, d] = [variable(-round), variable(1 - round), variable(2 - round), variable(3 - round)];
    const [e, f, g, h] = [variable(4 - round), variable(5 - round), variable(6 - round), variable(7 - round)];
    const word = schedule(round);
    if (round >= 16) {
      const [early, late] = [schedule(round + 1), schedule(round + 14)];
      const small0 = xorOf(rotate(early, 7), rotate(early, 18), shiftRight(early, 3));
      const small1 = xorOf(rotate(late, 17), rotate(late, 19), shiftRight(late, 10));
      code.push(...get(word), ...small0, ...add, ...get(schedule(round + 9)), ...add, ...small1, ...add);
      code.push(...set(word));
    }
    code.push(...get(h), ...xorOf(rotate(e, 6), rotate(e, 11), rotate(e, 25)), ...add);
    code.push(...get(f), ...get(g), ...get(e), ...choose, ...add);
    code.push(...inAllLanes(roundConstants[round]!), ...add, ...get(word), ...add, ...set(sum));
    code.push(...get(d), ...get(sum), ...add, ...set(d));
    code.push(...get(sum), ...xorOf(rotate(a, 2), rotate(a, 13), rotate(a, 22)), ...add);
    const majority = [...get(c), ...get(b), ...get(a), ...get(b), ...xor, ...choose];
    code.push(...majority, ...add, ...set(h));
  }
  for (let i = 0; i < 8; i++)
    code.push(
      ...get(digest),
      ...get(variable(i)),
      ...loadIntoAllLanes(state, 4 * i),
      ...add,
      ...store(vectorBytes * i),
    );
  return [...code, 0x0b];
}

/** "\0asm", version 1. */
const magic = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** The module: one type, one function, a page of memory, and both exported. */
function assemble(): Uint8Array {
  const body = compressBody();
  const exported = (name: string, kind: number): Code => [
    ...unsigned(name.length),
    ...Buffer.from(name),
    kind,
    0,
  ];
  const section = (id: number, content: Code): Code => [id, ...unsigned(content.length), ...content];
  return Uint8Array.from([
    ...magic,
    ...section(1, [1, 0x60, 3, i32, i32, i32, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, 1]),
    ...section(7, [2, ...exported('memory', 2), ...exported('compress', 0)]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ]);
}

/** LEB128. */
function unsigned(value: number): Code {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): Code {
  const low = value & 0x7f;
  const rest = (value | 0) >> 7;
  if ((rest === 0 && low < 0x40) || (rest === -1 && low >= 0x40)) return [low];
  return [low | 0x80, ...signed(rest)];
}
