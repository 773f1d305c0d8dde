import { openCheckpoint, type Checkpoint } from '../../transparency/checkpoint.ts';
import type { CheckpointFile } from './checkpoint-file.ts';
import type { LogKeys } from '../log-keys.ts';
import { equalHashes, type Hash } from '../../transparency/merkle.ts';
import { NoteError, type Verifier } from '../../transparency/note.ts';
import { dropSizeBounds } from '../../transparency/succession.ts';
import { rootFromTiles, type ReadTile } from '../../transparency/tiles.ts';
import { LogFaultError, type PublishedCheckpoint, type TreeState } from '../stored-log.ts';

/** What the log must continue: the last checkpoint that was seen committed, in memory and in a file outside the database. */
export interface Continuity {
  /**
   * Checks the log against the last checkpoint that was seen. A log that lacks entries of that checkpoint was put back to
   * an earlier state. The checkpoint in the database proves nothing by itself, because others can write there: its
   * signature must verify, and the tree must have its root.
   *
   * @throws LogFaultError when one of these does not hold
   */
  check(state: TreeState, read: ReadTile): Promise<void>;
  /** From now on nothing that lacks it is believed, even while the file can't be written. */
  keep(checkpoint: PublishedCheckpoint): void;
  /** Writes what the file does not hold yet. @throws NodeJS.ErrnoException */
  flush(): Promise<void>;
}

/** @param fileOf where the last checkpoint of a key is kept */
export function openContinuity(keys: LogKeys, fileOf: (verifier: Verifier) => CheckpointFile): Continuity {
  const origin = keys.own.name;
  const file = fileOf(keys.own);
  /** Undefined until the file was read. */
  let kept: Checkpoint | null | undefined;
  let unwritten: PublishedCheckpoint | null = null;

  async function check({ entries, last }: TreeState, read: ReadTile): Promise<void> {
    kept ??= readKept();
    const size = last?.size ?? 0;
    if (entries < size)
      throw new LogFaultError(`the log has ${entries} entries, and its last checkpoint is of ${size}`);
    if (kept !== null && size < kept.size)
      throw new LogFaultError(
        `the log has ${entries} entries and a checkpoint of ${size}, and the one kept in ${file.path} is of ${kept.size}`,
      );
    if (last === null) return;
    if (kept?.size === size && equalHashes(kept.root, last.root)) return;
    const note = open(last.note, `the checkpoint of ${size} entries in the database`, keys.all());
    if (note.size !== size || !equalHashes(note.root, last.root))
      throw new LogFaultError(`the checkpoint of ${size} entries was altered: its note says something else`);
    if (kept !== null) await requireRoot(kept, read, `in ${file.path}`);
    await requireRoot(last, read, 'in the database');
  }

  /** The largest of all its keys: of the same log, and not of one that was opened anew. */
  function readKept(): Checkpoint | null {
    const kept = keys
      .all()
      .filter(({ name }) => name === origin)
      .map((key) => fileOf(key))
      .flatMap((kept) => {
        const note = kept.read();
        return note === null ? [] : [open(note, kept.path, dropSizeBounds(keys.all()))];
      });
    return kept.toSorted((a, b) => b.size - a.size)[0] ?? null;
  }

  function keep(checkpoint: PublishedCheckpoint): void {
    if (checkpoint.size <= (kept?.size ?? 0)) return;
    kept = { origin, size: checkpoint.size, root: checkpoint.root };
    unwritten = checkpoint;
  }

  async function flush(): Promise<void> {
    if (unwritten === null) return;
    await file.write(unwritten.note);
    unwritten = null;
  }

  return { check, keep, flush };
}

/** @throws LogFaultError when it is no checkpoint that one of the keys has signed */
function open(note: string, what: string, verifiers: readonly Verifier[]): Checkpoint {
  try {
    return openCheckpoint(note, verifiers);
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    throw new LogFaultError(`${what} is no checkpoint of this log: ${error.message}`);
  }
}

/** @throws LogFaultError when the first entries do not have the root of a checkpoint */
export async function requireRoot(
  checkpoint: { size: number; root: Hash },
  read: ReadTile,
  where: string,
): Promise<void> {
  if (!equalHashes(await rootFromTiles(checkpoint.size, read), checkpoint.root))
    throw new LogFaultError(`the first ${checkpoint.size} entries are not those of the checkpoint ${where}`);
}
