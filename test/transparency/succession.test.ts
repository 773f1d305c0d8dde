import { generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import { openCheckpoint, parseCheckpoint } from '../../src/transparency/checkpoint.ts';
import { NoteError, parseNote, type Verifier } from '../../src/transparency/note.ts';
import {
  signCheckpoint,
  signNote,
  signSuccession,
  verifierKey,
  verifierOf,
  type Signer,
} from '../../src/transparency/node/sign.ts';
import {
  followSuccessions,
  openSuccession,
  successionText,
  trustSuccessions,
} from '../../src/transparency/succession.ts';

const signer = (name: string): Signer => ({ name, key: generateKeyPairSync('ed25519').privateKey });
const [first, second, third] = [signer('log/a'), signer('log/a'), signer('log/b')];
const [one, two, three] = [first, second, third].map(({ name, key }) => verifierOf(name, key));
const notes = [signSuccession(second, third, 20), signSuccession(first, second, 10)];

await t.test('leads from any of the keys to all of them, the oldest first', (t) => {
  for (const key of [one!, two!, three!])
    t.strictSame(
      followSuccessions(key, notes).map(({ line }) => line),
      [one, two, three].map((verifier) => verifier!.line),
    );
  const other = verifierOf('log/c', signer('log/c').key);
  t.strictSame(
    followSuccessions(other, [...notes, 'x', 'no\n\nnote\n']),
    [other],
    'what is of others, or none, is not looked at',
  );
  t.strictSame(
    trustSuccessions([three!, other], notes).map(({ line }) => line),
    [one!, two!, three!, other].map(({ line }) => line),
  );
  t.end();
});

await t.test('counts when both keys have signed it', (t) => {
  const text = successionText(one!.line, two!.line, 10);
  for (const { name, key } of [first, second])
    t.throws(() => openSuccession(signNote(text, name, key)), { message: /has not signed the succession/ });
  const stranger = signer('log/a');
  t.throws(() => openSuccession(signNote(text, stranger.name, stranger.key)), NoteError);
  const altered = notes[1]!.replace(two!.line, verifierKey(stranger.name, stranger.key));
  t.throws(() => openSuccession(altered), NoteError);
  t.end();
});

await t.test('refuses to choose between two successors, or two predecessors', (t) => {
  const thief = signer('log/a');
  t.throws(() => followSuccessions(one!, [...notes, signSuccession(first, thief, 10)]), {
    message: /has 2 successors/,
  });
  t.throws(() => followSuccessions(three!, [...notes, signSuccession(thief, third, 20)]), {
    message: /has 2 predecessors/,
  });
  t.throws(() => followSuccessions(one!, [...notes, signSuccession(third, first, 30)]), {
    message: /succeeds itself/,
  });
  t.strictSame(followSuccessions(one!, [...notes, ...notes]).length, 3, 'the same twice is one');
  t.end();
});

await t.test('is no checkpoint, and no checkpoint is one', (t) => {
  t.throws(() => parseCheckpoint(parseNote(notes[0]!).text), NoteError);
  const root = Buffer.alloc(32).toString('base64');
  t.throws(() => openSuccession(signNote(`log/a\n1\n${root}\n`, first.name, first.key)), NoteError);
  const witness = verifierKey('w', first.key, 'witness');
  t.throws(() => openSuccession(signNote(successionText(witness, one!.line, 10), 'log/a', first.key)), {
    message: /a witness does not succeed a log/,
  });
  t.end();
});

await t.test('each key counts for the sizes between its successions', (t) => {
  const counts = (trusted: Verifier, by: Signer, size: number): boolean => {
    const note = signCheckpoint({ origin: by.name, size, root: Buffer.alloc(32) }, by.key);
    try {
      return openCheckpoint(note, followSuccessions(trusted, notes)).size === size;
    } catch (error) {
      if (error instanceof NoteError) return false;
      throw error;
    }
  };
  for (const trusted of [one!, two!, three!]) {
    t.strictSame(
      [10, 11].map((size) => [counts(trusted, first, size), counts(trusted, second, size)]),
      [
        [true, false],
        [false, true],
      ],
    );
    t.strictSame(
      [20, 21].map((size) => [counts(trusted, second, size), counts(trusted, third, size)]),
      [
        [true, false],
        [false, true],
      ],
    );
  }
  t.end();
});
