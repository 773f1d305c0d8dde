import { formatAddCheckpoint, sizeType } from '../../transparency/add-checkpoint.ts';
import {
  formatSignature,
  NoteError,
  openNote,
  parseSignatures,
  parseVerifierKey,
  type Verifier,
} from '../../transparency/note.ts';
import { readCapped } from '../../transparency/read-capped.ts';
import { proveConsistency } from '../../transparency/tiles.ts';
import { tileReader, type PublishedCheckpoint, type Queryable } from '../stored-log.ts';

/** A witness that checkpoints are shown to (C2SP tlog-witness). */
export interface WitnessAddress {
  verifier: Verifier;
  /** Below which `add-checkpoint` is. */
  url: string;
}

/** A witness that can't be reached, or does not cosign. Its message names no more than the witness. */
export class WitnessError extends Error {
  override name = 'WitnessError';
}

/** A witness says that it has seen what this log lacks. */
export class WitnessObjectionError extends Error {
  override name = 'WitnessObjectionError';
}

/** Reads who a witness is. @throws NoteError that says what is wrong with its key */
export function parseWitness({ key, url }: { key: string; url: string }): WitnessAddress {
  const verifier = parseVerifierKey(key);
  if (verifier.kind !== 'witness') throw new NoteError(`the key of ${verifier.name} is not one of a witness`);
  return { verifier, url };
}

/** What a log and one of its witnesses have said to each other. */
export interface WitnessLink {
  verifier: Verifier;
  /**
   * Shows it a checkpoint, which it cosigns.
   *
   * @returns what it has cosigned: a later checkpoint where others have shown it one meanwhile
   * @throws WitnessObjectionError when it has seen what this log lacks, WitnessError when it can't be reached or does not cosign
   */
  show(checkpoint: PublishedCheckpoint): Promise<Cosigned>;
}

export interface Cosigned {
  note: string;
  /** The line of the witness's signature. */
  line: string;
}

/** What an operator can do about an answer. */
const hints: Record<number, string> = {
  403: ': it does not know the key that signs now',
  404: ': it does not follow this log, or its address is another',
};

interface WitnessAnswer {
  status: number;
  type: string;
  text: string;
}

const timeoutMs = 3000;
/** Others show it checkpoints at the same time. */
const maxAttempts = 5;
const maxAnswerBytes = 10_000;

/** @param findLast the last checkpoint of this log: others are shown to nobody */
export function linkWitness(
  db: Queryable,
  { verifier, url }: WitnessAddress,
  findLast: () => Promise<PublishedCheckpoint | null>,
): WitnessLink {
  const { name } = verifier;
  /** The size that it has seen, as far as is known. */
  let seen = 0;

  async function show(checkpoint: PublishedCheckpoint): Promise<Cosigned> {
    let current = checkpoint;
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const answer = await ask(current);
      if (answer.status === 200) {
        seen = current.size;
        return { note: current.note, line: readCosignature({ verifier, note: current.note }, answer.text) };
      }
      if (answer.status === 422 && Math.min(seen, current.size) > 0)
        throw new WitnessObjectionError(
          `the witness ${name} has seen a log of ${seen} entries, which the checkpoint of ${current.size} does not continue`,
        );
      if (answer.status !== 409)
        throw new WitnessError(`it answers ${answer.status}${hints[answer.status] ?? ''}`);
      const size = readSize(answer);
      if (size === current.size && seen === size)
        throw new WitnessObjectionError(`the witness ${name} has seen another checkpoint of ${size} entries`);
      seen = size;
      if (size > current.size) current = await findLater(current, size);
    }
    throw new WitnessError('it is shown other checkpoints all the time');
  }

  async function ask({ size, note }: PublishedCheckpoint): Promise<WitnessAnswer> {
    const oldSize = Math.min(seen, size);
    const proof =
      oldSize === 0 || oldSize === size ? [] : await proveConsistency(oldSize, size, tileReader(db, size));
    return post(url, formatAddCheckpoint({ oldSize, proof, note }));
  }

  /** A later checkpoint may have been published and shown meanwhile; if none was, the log lost its end. */
  async function findLater(current: PublishedCheckpoint, size: number): Promise<PublishedCheckpoint> {
    const last = await findLast();
    if (last !== null && last.size >= size) return last;
    throw new WitnessObjectionError(
      `the log's last checkpoint is of ${current.size} entries, and the witness ${name} has seen one of ${size}`,
    );
  }

  return { verifier, show };
}

async function post(url: string, body: string): Promise<WitnessAnswer> {
  try {
    const response = await fetch(`${url}/add-checkpoint`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain; charset=utf-8', 'accept-encoding': 'identity' },
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    });
    const bytes = await readCapped(response, maxAnswerBytes);
    if (bytes === null) throw new WitnessError('it answers more than a witness has to say');
    const text = Buffer.from(bytes).toString();
    return { status: response.status, type: response.headers.get('content-type') ?? '', text };
  } catch (error) {
    if (error instanceof WitnessError) throw error;
    const { code } = (error as { cause?: { code?: unknown } }).cause ?? {};
    throw new WitnessError(
      `it can't be reached (${typeof code === 'string' ? code : (error as Error).name})`,
    );
  }
}

function readSize({ type, text }: WitnessAnswer): number {
  const size = Number(/^(0|[1-9]\d*)\n?$/.exec(text)?.[1]);
  if (!type.startsWith(sizeType) || !Number.isSafeInteger(size))
    throw new WitnessError('it answers 409 without its size');
  return size;
}

/** Of what it answers, the signature that its key has made. @throws WitnessError when there is none that holds */
function readCosignature({ verifier, note }: { verifier: Verifier; note: string }, lines: string): string {
  try {
    const own = parseSignatures(lines).filter(
      (one) => one.name === verifier.name && one.keyId === verifier.keyId,
    );
    const line = own.map(formatSignature).join('');
    if (openNote(note + line, [verifier]).signers.includes(verifier)) return line;
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    throw new WitnessError(`what it answers is no signature of its key: ${error.message}`);
  }
  throw new WitnessError('it has not signed');
}
