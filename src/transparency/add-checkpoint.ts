import { hashBytes, type Hash } from './merkle.ts';
import { decodeBase64, encodeBase64, NoteError } from './note.ts';

/** What a log shows a witness (C2SP tlog-witness, add-checkpoint). */
export interface AddCheckpoint {
  /** The size of the last checkpoint that the witness has cosigned, as far as the log knows. */
  oldSize: number;
  /** That the checkpoint continues the one of that size. */
  proof: readonly Hash[];
  /** The signed checkpoint. */
  note: string;
}

/** A consistency proof of trees below 2^63 leaves has no more. */
const maxProofLines = 63;

export function formatAddCheckpoint({ oldSize, proof, note }: AddCheckpoint): string {
  return [`old ${oldSize}`, ...proof.map(encodeBase64), '', note].join('\n');
}

/** Reads what a log shows. @throws NoteError that says what is wrong with it */
export function parseAddCheckpoint(body: string): AddCheckpoint {
  const split = body.indexOf('\n\n');
  if (split < 0) throw new NoteError('there is no empty line before the checkpoint');
  const [first = '', ...lines] = body.slice(0, split).split('\n');
  const oldSize = Number(/^old (0|[1-9]\d*)$/.exec(first)?.[1]);
  if (!Number.isSafeInteger(oldSize)) throw new NoteError('the first line is not "old" and a size');
  if (lines.length > maxProofLines) throw new NoteError(`the proof has more than ${maxProofLines} hashes`);
  const proof = lines.map((line) => {
    const hash = decodeBase64(line);
    if (hash?.length !== hashBytes) throw new NoteError('the proof has a line that is no hash in base64');
    return hash;
  });
  return { oldSize, proof, note: body.slice(split + 2) };
}

/** How a witness says which size it has: a number and a newline. */
export const sizeType = 'text/x.tlog.size';
