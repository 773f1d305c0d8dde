import fc from 'fast-check';
import t from 'tap';
import { leafHash, verifyConsistency, verifyInclusion } from '../../src/transparency/merkle.ts';
import {
  inclusionProver,
  parseTilePath,
  proveConsistency,
  proveInclusion,
  rootFromTiles,
  tilePath,
  tilesOfTree,
} from '../../src/transparency/tiles.ts';
import { tilesOf } from '../helpers/tree.ts';

await t.test('writes the path of a tile as C2SP has it', (t) => {
  t.equal(tilePath(0, 1_234_067, 256), 'tile/0/x001/x234/067');
  t.equal(tilePath(0, 0, 1), 'tile/0/000.p/1');
  t.equal(tilePath(2, 1000, 255), 'tile/2/x001/000.p/255');
  t.equal(tilePath('entries', 273, 112), 'tile/entries/273.p/112');
  t.end();
});

await t.test('reads every path that it writes', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(fc.integer({ min: 0, max: 6 }), fc.constant('entries' as const)),
      fc.integer({ min: 0, max: 2 ** 45 }),
      fc.integer({ min: 1, max: 256 }),
      (kind, n, width) => {
        const read = parseTilePath(tilePath(kind, n, width).slice('tile/'.length));
        return read?.kind === kind && read.n === n && read.width === width;
      },
    ),
  );
  t.end();
});

await t.test('refuses every other way to write a path', (t) => {
  for (const path of [
    '',
    '0',
    '0/0',
    '0/00',
    '0/0000',
    '0/1000',
    '0/x000/001',
    '0/001/002',
    '0/x001',
    '0/x001/',
    '00/001',
    '7/001',
    '-1/001',
    '0/001.p',
    '0/001.p/',
    '0/001.p/0',
    '0/001.p/01',
    '0/001.p/256',
    '0/001.p/-1',
    '0/001/../002',
    '0/001?',
    '0/001\n',
    'Entries/001',
    '0/x999/x999/x999/x999/x999/999',
  ])
    t.equal(parseTilePath(path), null, path);
  t.end();
});

await t.test('cuts a tree of 70,000 leaves into the tiles that the format tells of', (t) => {
  const widths = new Map<number, number[]>();
  for (const { level, width } of tilesOfTree(70_000))
    widths.set(level, [...(widths.get(level) ?? []), width]);
  t.strictSame([...widths.keys()], [0, 1, 2]);
  t.equal(widths.get(0)!.filter((width) => width === 256).length, 273);
  t.equal(widths.get(0)!.at(-1), 112);
  t.strictSame(widths.get(1), [256, 17]);
  t.strictSame(widths.get(2), [1]);
  t.strictSame([...tilesOfTree(0)], []);
  t.strictSame(
    [...tilesOfTree(256)],
    [
      { level: 0, n: 0, width: 256 },
      { level: 1, n: 0, width: 1 },
    ],
  );
  t.end();
});

await t.test(
  'proves leaves of a large tree by a few tiles a level, at the edges of tiles as anywhere',
  async (t) => {
    const leaves = Array.from({ length: 66_000 }, (_, i) => leafHash(Buffer.from(String(i))));
    const read = tilesOf(leaves);
    const edges = [1, 2, 255, 256, 257, 511, 512, 513, 65_279, 65_280, 65_535, 65_536, 65_537, 66_000];
    const trees = new Map<number, { size: number; root: Uint8Array }>();
    for (const size of edges) trees.set(size, { size, root: await rootFromTiles(size, read) });
    for (const size of edges)
      for (const older of edges.filter((edge) => edge <= size)) {
        const index = older - 1;
        read.reads = 0;
        const inclusion = await proveInclusion(index, size, read);
        t.ok(read.reads <= 6, `${read.reads} tiles read for leaf ${index} of ${size}`);
        t.ok(verifyInclusion(inclusion, { index, hash: leaves[index]! }, trees.get(size)!));
        read.reads = 0;
        const consistency = await proveConsistency(older, size, read);
        t.ok(read.reads <= 9, `${read.reads} tiles read for ${older} to ${size}`);
        t.ok(verifyConsistency(consistency, trees.get(older)!, trees.get(size)!));
      }
  },
);

await t.test('proves one leaf after the other by few tiles, as each by itself', async (t) => {
  const size = 66_000;
  const leaves = Array.from({ length: size }, (_, i) => leafHash(Buffer.from(String(i))));
  const read = tilesOf(leaves);
  const root = await rootFromTiles(size, read);
  const prove = inclusionProver(size, read, (hash) => hash);
  read.reads = 0;
  const wrong: number[] = [];
  for (let index = size - 1; index > size - 1500; index--)
    if (!verifyInclusion(await prove(index), { index, hash: leaves[index]! }, { size, root }))
      wrong.push(index);
  t.same(wrong, []);
  t.ok(read.reads < 20, `${read.reads} tiles read`);
  for (const index of [0, 65_535, 65_536, 300, 65_999, 40_000])
    t.same(await prove(index), await proveInclusion(index, size, read), 'in any order');
});

await t.test('says which tile has another size than it should', async (t) => {
  const short = (): Promise<Uint8Array> => Promise.resolve(Buffer.alloc(31));
  await t.rejects(proveInclusion(300, 600, short), {
    message: /^tile\/\d\/00\d(\.p\/\d+)? has 31 bytes, not \d+$/,
  });
});
