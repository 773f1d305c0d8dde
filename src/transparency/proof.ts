import { openCheckpoint, type Checkpoint } from './checkpoint.ts';
import { hashBytes, leafHash, verifyInclusion, type Hash } from './merkle.ts';
import { decodeBase64, encodeBase64, NoteError, type Verifier } from './note.ts';

/** That the log holds an entry, for whoever has the log's verifier key and nothing else (C2SP tlog-proof). */
export interface Proof {
  index: number;
  hashes: readonly Hash[];
  /** The signed checkpoint under which the hashes prove it. */
  checkpoint: string;
}

const firstLine = 'c2sp.org/tlog-proof@v1';
/** A tree of 2^53 leaves has proofs of 53 hashes. */
const maxHashes = 63;

export function formatProof({ index, hashes, checkpoint }: Proof): string {
  const lines = hashes.map(encodeBase64);
  return [firstLine, `index ${index}`, ...lines, '', checkpoint].join('\n');
}

/**
 * Reads a proof; a line `extra` is not looked at.
 *
 * @param text comes from whoever shows it
 * @throws NoteError that says what is wrong with it
 */
export function parseProof(text: string): Proof {
  const split = text.indexOf('\n\n');
  if (split < 0) throw new NoteError('the proof has no empty line before its checkpoint');
  const [version, ...rest] = text.slice(0, split).split('\n');
  if (version !== firstLine) throw new NoteError(`the proof does not begin with ${firstLine}`);
  const [indexLine, ...hashLines] = /^extra \S*$/.test(rest[0] ?? '') ? rest.slice(1) : rest;
  const index = Number(/^index (0|[1-9]\d*)$/.exec(indexLine ?? '')?.[1]);
  if (!Number.isSafeInteger(index)) throw new NoteError('the proof has no line "index" with a number');
  if (hashLines.length > maxHashes) throw new NoteError('the proof has too many hashes');
  const hashes = hashLines.map((line) => {
    const hash = decodeBase64(line);
    if (hash?.length !== hashBytes) throw new NoteError('the proof has a line that is no hash in base64');
    return hash;
  });
  return { index, hashes, checkpoint: text.slice(split + 2) };
}

/**
 * Checks that a log holds an entry.
 *
 * @param text a proof as `formatProof` writes it, from whoever shows it
 * @param verifiers the keys of the log
 * @returns where the entry stands, and the checkpoint that covers it
 * @throws NoteError when it is not so
 */
export function verifyProof(
  text: string,
  entry: Uint8Array,
  verifiers: readonly Verifier[],
): { index: number; checkpoint: Checkpoint } {
  const { index, hashes, checkpoint: note } = parseProof(text);
  const checkpoint = openCheckpoint(note, verifiers);
  if (!verifyInclusion(hashes, { index, hash: leafHash(entry) }, checkpoint))
    throw new NoteError(
      `the checkpoint of ${checkpoint.size} entries does not hold this entry at index ${index}`,
    );
  return { index, checkpoint };
}
