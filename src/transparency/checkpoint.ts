import { hashBytes, type Hash } from './merkle.ts';
import { decodeBase64, encodeBase64, NoteError, openNote, type Verifier } from './note.ts';

/** What the log says of itself at one moment (C2SP tlog-checkpoint): its first `size` entries have this root. */
export interface Checkpoint {
  origin: string;
  size: number;
  root: Hash;
}

/**
 * Opens a signed checkpoint of a log whose verifier keys are known: the old ones too, where a key was rotated.
 *
 * @param note comes from whoever shows it
 * @throws NoteError when it is not signed by one of them, is of another log, or is not written as a checkpoint
 */
export function openCheckpoint(note: string, verifiers: readonly Verifier[]): Checkpoint {
  const { text, signers } = openNote(note, verifiers);
  const checkpoint = parseCheckpoint(text);
  const own = signers.filter(({ kind, name }) => kind === 'log' && name === checkpoint.origin);
  if (
    own.length > 0 &&
    !own.some(({ above = -1, upTo = Infinity }) => checkpoint.size > above && checkpoint.size <= upTo)
  )
    throw new NoteError(
      `the key that has signed the checkpoint does not count for ${checkpoint.size} entries`,
    );
  if (own.length === 0) throw new NoteError(`the checkpoint is of another log, ${checkpoint.origin}`);
  return checkpoint;
}

/** What is signed of a checkpoint: origin, size and root, a line each. */
export function checkpointText({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${encodeBase64(root)}\n`;
}

/**
 * Reads a checkpoint's text. Lines after the third are extensions, and are not looked at.
 *
 * @throws NoteError that says what is wrong with it
 */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin, size, root, ...rest] = text.split('\n');
  if (origin === undefined || origin === '' || rest.length === 0)
    throw new NoteError('the checkpoint has not the three lines origin, size and root');
  if (size === undefined || !/^(0|[1-9]\d*)$/.test(size) || !Number.isSafeInteger(Number(size)))
    throw new NoteError('the size of the checkpoint is not a number without leading zeros');
  const hash = decodeBase64(root ?? '');
  if (hash?.length !== hashBytes) throw new NoteError('the root of the checkpoint is not 32 bytes in base64');
  return { origin, size: Number(size), root: hash };
}
