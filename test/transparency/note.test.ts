import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import {
  formatVerifierKey,
  NoteError,
  openNote,
  parseNote,
  parseVerifierKey,
} from '../../src/transparency/note.ts';
import known from '../fixtures/signed-note.json' with { type: 'json' };
import { signNote, verifierKey, verifierOf } from '../../src/transparency/node/sign.ts';

const key = generateKeyPairSync('ed25519').privateKey;
const verifier = verifierOf('onevisit.test/audit', key);
const neumann = parseVerifierKey(known.verifier_key);
const knownNote = `${known.text}\n${known.signatures}`;

await t.test('opens the known note with the known verifier key', (t) => {
  const publicKey = Buffer.from(known.verifier_key.split('+').slice(2).join('+'), 'base64');
  t.equal(neumann.name, 'PeterNeumann');
  t.equal(neumann.keyId, 0xc74f20a3);
  t.equal(formatVerifierKey('log', neumann.name, publicKey.subarray(1)), known.verifier_key);
  t.same(openNote(knownNote, [neumann]), { text: known.text, signers: [neumann] });
  t.end();
});

await t.test('opens what it signed, whatever the text', (t) => {
  const line = fc.string({ unit: 'grapheme' }).filter((text) => !/\p{Cc}/u.test(text));
  fc.assert(
    fc.property(fc.array(line, { minLength: 1 }), (lines) => {
      const text = `${lines.join('\n')}\n`;
      return openNote(signNote(text, verifier.name, key), [verifier]).text === text;
    }),
  );
  t.end();
});

await t.test('splits a note at its last empty line', (t) => {
  const note = signNote('first\n\nsecond\n\n', verifier.name, key);
  t.equal(parseNote(note).text, 'first\n\nsecond\n\n');
  t.equal(openNote(note, [verifier]).text, 'first\n\nsecond\n\n');
  t.end();
});

await t.test('ignores signatures of keys that it does not know, beside one that it knows', (t) => {
  const [text, line] = signNote('x\n', verifier.name, key).split('\n\n');
  const other = signNote('x\n', 'other', generateKeyPairSync('ed25519').privateKey).split('\n\n')[1]!;
  t.equal(openNote(`${text}\n\n${other}${line}`, [verifier]).text, 'x\n');
  t.throws(() => openNote(`${text}\n\n${other}`, [verifier]), /nobody who is known/);
  t.end();
});

await t.test('takes no other key under the same name', (t) => {
  const note = signNote('x\n', verifier.name, generateKeyPairSync('ed25519').privateKey);
  t.throws(() => openNote(note, [verifier]), /nobody who is known/);
  t.end();
});

await t.test('refuses a note of which any byte was changed', (t) => {
  const note = Buffer.from(signNote('onevisit.test/audit\n5\nroot\n', verifier.name, key));
  fc.assert(
    fc.property(fc.nat(note.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
      const changed = Buffer.from(note);
      changed[at]! ^= mask;
      try {
        openNote(changed.toString(), [verifier]);
        return false;
      } catch (error) {
        return error instanceof NoteError;
      }
    }),
    { numRuns: 2000 },
  );
  t.end();
});

await t.test('refuses a bad signature of a known key, though another is good', (t) => {
  const [text, line] = signNote('x\n', verifier.name, key).split('\n\n');
  const wrong = signNote('y\n', verifier.name, key).split('\n\n')[1]!;
  t.throws(
    () => openNote(`${text}\n\n${line}${wrong}`, [verifier]),
    /signature of onevisit.test\/audit is bad/,
  );
  t.end();
});

for (const [what, note] of Object.entries({
  nothing: '',
  'a text alone': 'x\n',
  'no signature line': 'x\n\n',
  'a hyphen for the dash': knownNote.replace('—', '-'),
  'no last newline': knownNote.slice(0, -1),
  'base64 without its padding': knownNote.replace('AM=\n', 'AM\n'),
  'a control character': `a\u0001\n\n${known.signatures}`,
  'a carriage return': `a\r\n\n${known.signatures}`,
  'a hundred and one signatures': `${known.text}\n${known.signatures.repeat(101)}`,
  'a million characters': `${'x'.repeat(1_000_000)}\n\n${known.signatures}`,
}))
  await t.test(`refuses as a note: ${what}`, (t) => {
    t.throws(() => openNote(note, [neumann]), NoteError);
    t.end();
  });

for (const [what, line] of Object.entries({
  nothing: '',
  'no key': 'PeterNeumann+c74f20a3',
  'another id': known.verifier_key.replace('c74f20a3', 'c74f20a4'),
  'another name': known.verifier_key.replace('Peter', 'Petra'),
  'another kind of key': 'PeterNeumann+c74f20a3+AhpcWQcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
  'a letter lost': known.verifier_key.slice(0, -1),
}))
  await t.test(`refuses as a verifier key: ${what}`, (t) => {
    t.throws(() => parseVerifierKey(line), NoteError);
    t.end();
  });

await t.test('signs no text without its newline, and under no name with a space or a plus sign', (t) => {
  t.throws(() => signNote('x', verifier.name, key), NoteError);
  t.throws(() => signNote('x\t\n', verifier.name, key), NoteError);
  for (const name of ['', 'a b', 'a+b', 'a\nb']) {
    t.throws(() => signNote('x\n', name, key), NoteError);
    t.throws(() => verifierKey(name, key), NoteError);
  }
  t.end();
});
