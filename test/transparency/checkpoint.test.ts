import { generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import { openCheckpoint, parseCheckpoint } from '../../src/transparency/checkpoint.ts';
import { emptyRoot, leafHash } from '../../src/transparency/merkle.ts';
import { encodeBase64, NoteError } from '../../src/transparency/note.ts';
import { signCheckpoint, signNote, verifierOf } from '../../src/transparency/node/sign.ts';

const origin = 'onevisit.test/audit';
const key = generateKeyPairSync('ed25519').privateKey;
const verifier = verifierOf(origin, key);
const root = leafHash(Buffer.from('x'));
const base64 = encodeBase64(root);

await t.test('writes origin, size and root, a line each, and signs them under the origin', (t) => {
  const note = signCheckpoint({ origin, size: 2 ** 40, root }, key);
  t.ok(note.startsWith(`${origin}\n1099511627776\n${base64}\n\n— ${origin} `));
  t.strictSame(openCheckpoint(note, [verifier]), { origin, size: 2 ** 40, root });
  t.strictSame(parseCheckpoint(`${origin}\n0\n${encodeBase64(emptyRoot)}\n`).size, 0);
  t.end();
});

await t.test('opens a checkpoint of a key that was rotated, where it is known', (t) => {
  const newer = generateKeyPairSync('ed25519').privateKey;
  const verifiers = [verifier, verifierOf(origin, newer)];
  for (const signer of [key, newer])
    t.equal(openCheckpoint(signCheckpoint({ origin, size: 7, root }, signer), verifiers).size, 7);
  t.throws(() => openCheckpoint(signCheckpoint({ origin, size: 7, root }, newer), [verifier]), NoteError);
  t.end();
});

await t.test('refuses the checkpoint of another log, though its signer is known', (t) => {
  const note = signNote(`other.test/audit\n7\n${base64}\n`, origin, key);
  t.throws(() => openCheckpoint(note, [verifier]), /of another log, other.test\/audit/);
  const other = verifierOf('other.test/audit', key);
  t.throws(
    () => openCheckpoint(note, [verifier, other]),
    /of another log/,
    'though the other is known as well',
  );
  t.end();
});

for (const [what, text] of Object.entries({
  'no root': `${origin}\n7\n`,
  'no origin': `\n7\n${base64}\n`,
  'a leading zero': `${origin}\n07\n${base64}\n`,
  'a sign': `${origin}\n+7\n${base64}\n`,
  'a size that is no exact number': `${origin}\n9007199254740993\n${base64}\n`,
  'a short root': `${origin}\n7\n${encodeBase64(root.subarray(1))}\n`,
  'a root without padding': `${origin}\n7\n${base64.slice(0, -1)}\n`,
}))
  await t.test(`refuses as a checkpoint: ${what}`, (t) => {
    t.throws(() => openCheckpoint(signNote(text, origin, key), [verifier]), NoteError);
    t.end();
  });

await t.test('takes extension lines', (t) => {
  const note = signNote(`${origin}\n7\n${base64}\nmore\n`, origin, key);
  t.equal(openCheckpoint(note, [verifier]).size, 7);
  t.end();
});
