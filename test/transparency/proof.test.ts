import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { leafHash } from '../../src/transparency/merkle.ts';
import { NoteError } from '../../src/transparency/note.ts';
import { formatProof, parseProof, verifyProof } from '../../src/transparency/proof.ts';
import { proveInclusion, rootFromTiles } from '../../src/transparency/tiles.ts';
import { tilesOf } from '../helpers/tree.ts';
import { signCheckpoint, verifierOf } from '../../src/transparency/node/sign.ts';

const origin = 'onevisit.test/audit';
const key = generateKeyPairSync('ed25519').privateKey;
const verifiers = [verifierOf(origin, key)];
const entries = Array.from({ length: 300 }, (_, i) => Buffer.from(`entry ${i}`));
const read = tilesOf(entries.map(leafHash));

async function prove(index: number, size: number): Promise<string> {
  const checkpoint = signCheckpoint({ origin, size, root: await rootFromTiles(size, read) }, key);
  return formatProof({ index, hashes: await proveInclusion(index, size, read), checkpoint });
}

const text = await prove(5, 7);

await t.test('writes the lines of a tlog-proof', (t) => {
  const lines = text.split('\n');
  t.equal(lines[0], 'c2sp.org/tlog-proof@v1');
  t.equal(lines[1], 'index 5');
  t.equal(lines[5], '', 'three hashes');
  t.equal(lines[6], origin);
  t.equal(lines[7], '7');
  t.ok(text.endsWith('\n'));
  t.end();
});

await t.test('every entry is proved by its proof, and no other entry is', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(299), fc.integer({ min: 1, max: 300 }), fc.nat(299), async (nth, size, other) => {
      const index = nth % size;
      const proof = await prove(index, size);
      if (verifyProof(proof, entries[index]!, verifiers).index !== index) return false;
      try {
        verifyProof(proof, entries[other]!, verifiers);
        return other === index;
      } catch (error) {
        return other !== index && error instanceof NoteError;
      }
    }),
  );
});

await t.test('refuses a proof of which any byte was changed', async (t) => {
  const bytes = Buffer.from(await prove(200, 300));
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
      const changed = Buffer.from(bytes);
      changed[at]! ^= mask;
      try {
        verifyProof(changed.toString(), entries[200]!, verifiers);
        return false;
      } catch (error) {
        return error instanceof NoteError;
      }
    }),
    { numRuns: 2000 },
  );
  t.end();
});

await t.test('takes a line extra', (t) => {
  t.equal(verifyProof(text.replace('index', 'extra AAAA\nindex'), entries[5]!, verifiers).index, 5);
  t.end();
});

for (const [what, wrong] of Object.entries({
  nothing: '',
  'another version': text.replace('@v1', '@v2'),
  'no index': text.replace('index 5\n', ''),
  'a leading zero': text.replace('index 5', 'index 05'),
  'an index beyond exact numbers': text.replace('index 5', 'index 9007199254740993'),
  'a hash without padding': text.replace('=\n', '\n'),
  'no checkpoint': text.slice(0, text.indexOf('\n\n')),
  'sixty-four hashes': text.replace('index 5\n', `index 5\n${`${'A'.repeat(43)}=\n`.repeat(64)}`),
}))
  await t.test(`refuses as a proof: ${what}`, (t) => {
    t.throws(() => parseProof(wrong), NoteError);
    t.end();
  });
