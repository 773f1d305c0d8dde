import type { KeyObject } from 'node:crypto';
import { parseAddCheckpoint, sizeType } from '../transparency/add-checkpoint.ts';
import { openCheckpoint, parseCheckpoint, type Checkpoint } from '../transparency/checkpoint.ts';
import { emptyRoot, equalHashes, verifyConsistency, type Hash } from '../transparency/merkle.ts';
import { formatNote, NoteError, parseNote, type Verifier } from '../transparency/note.ts';
import { cosign } from '../transparency/node/sign.ts';
import type { WitnessState } from './state.ts';

/** Sees the checkpoints of logs, and cosigns each that continues the one before (C2SP tlog-witness). */
export interface Witness {
  /** Answers add-checkpoint. What it cosigns is kept durably before it answers. @throws Error as the state does */
  addCheckpoint(body: string): Promise<WitnessAnswer>;
}

export interface WitnessAnswer {
  status: 200 | 400 | 403 | 404 | 409 | 422;
  type: string;
  body: string;
}

export interface WitnessOptions {
  /** What its cosignatures are made under: a URL without its scheme, say. */
  name: string;
  /** Signs them: Ed25519, and used for nothing else. */
  key: KeyObject;
  /** The logs that it follows; several keys of one origin where a log's key was changed. */
  logs: readonly Verifier[];
  state: WitnessState;
  now: () => Date;
  /** Hears of two different checkpoints of one size, both signed by the log: proof that it lied to somebody. */
  onSplitView: (seen: string, other: string) => void;
}

const maxTold = 1000;

export function createWitness(options: WitnessOptions): Witness {
  const { name, key, logs, state, now, onSplitView } = options;
  /** The other checkpoints of split views that were told of. */
  const told = new Set<string>();

  async function addCheckpoint(body: string): Promise<WitnessAnswer> {
    const read = readRequest(body, logs);
    return 'status' in read ? read : advance(read.request, read.checkpoint);
  }

  /** Holds the checkpoint against the last one, and takes its place; where another was first, once more. */
  async function advance(
    { oldSize, proof, note }: CheckpointRequest,
    checkpoint: Checkpoint,
  ): Promise<WitnessAnswer> {
    for (;;) {
      const last = await state.read(checkpoint.origin);
      const seen = last === null ? null : parseCheckpoint(parseNote(last.note).text);
      const seenSize = seen?.size ?? 0;
      const same = seen !== null && seenSize === checkpoint.size;
      if (same && !equalHashes(seen.root, checkpoint.root)) {
        tellOnce(last!.note, note);
        return conflict(seenSize);
      }
      if (oldSize !== seenSize) return conflict(seenSize);
      const continues = oldSize === 0 ? proof.length === 0 : verifyConsistency(proof, seen!, checkpoint);
      if (!continues)
        return refuse(422, 'the proof does not show that the checkpoint continues the last one');
      const line = cosign(note, name, key, now());
      // What it has cosigned already is cosigned again, and nothing else changes: anybody may show it that.
      if (same) await state.settle();
      if (same || (await state.replace(checkpoint.origin, last?.version ?? 0, note + line)))
        return { status: 200, type: 'text/plain; charset=utf-8', body: line };
    }
  }

  /** A split view may be shown again and again. */
  function tellOnce(seen: string, other: string): void {
    if (told.has(other)) return;
    if (told.size < maxTold) told.add(other);
    onSplitView(seen, other);
  }

  return { addCheckpoint };
}

interface CheckpointRequest {
  oldSize: number;
  proof: readonly Hash[];
  /** With the signatures of the log's keys alone. */
  note: string;
}

/** Reads add-checkpoint. Takes attacker-controlled input. @returns the answer that refuses it, where one does */
function readRequest(
  body: string,
  logs: readonly Verifier[],
): WitnessAnswer | { request: CheckpointRequest; checkpoint: Checkpoint } {
  let request: ReturnType<typeof parseAddCheckpoint>;
  let origin: string;
  try {
    request = parseAddCheckpoint(body);
    origin = parseCheckpoint(parseNote(request.note).text).origin;
  } catch (error) {
    return refuseNote(400, error);
  }
  const keys = logs.filter((log) => log.name === origin);
  if (keys.length === 0) return refuse(404, 'this witness does not follow that log');
  let checkpoint: Checkpoint;
  try {
    checkpoint = openCheckpoint(request.note, keys);
  } catch (error) {
    return refuseNote(403, error);
  }
  if (checkpoint.size === 0 && !equalHashes(checkpoint.root, emptyRoot))
    return refuse(400, 'a log without entries has another root');
  if (request.oldSize > checkpoint.size)
    return refuse(400, 'the old size is larger than that of the checkpoint');
  return { request: { ...request, note: withoutOthers(request.note, keys) }, checkpoint };
}

/** The note with one signature of each of the log's keys, which were checked: others are anybody's, as many as fit. */
function withoutOthers(note: string, keys: readonly Verifier[]): string {
  const { text, signatures } = parseNote(note);
  const own = keys.flatMap((key) =>
    signatures.filter(({ name, keyId }) => name === key.name && keyId === key.keyId).slice(0, 1),
  );
  return formatNote({ text, signatures: own });
}

function conflict(size: number): WitnessAnswer {
  return { status: 409, type: sizeType, body: `${size}\n` };
}

function refuse(status: 400 | 403 | 404 | 422, reason: string): WitnessAnswer {
  return { status, type: 'text/plain; charset=utf-8', body: `${reason}\n` };
}

/** @throws whatever is not a NoteError */
function refuseNote(status: 400 | 403, error: unknown): WitnessAnswer {
  if (!(error instanceof NoteError)) throw error;
  return refuse(status, error.message);
}
