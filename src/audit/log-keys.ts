import { NoteError, type Verifier } from '../transparency/note.ts';
import { followSuccessions } from '../transparency/succession.ts';
import { LogFaultError, type Queryable } from './stored-log.ts';

/** The keys that a log's checkpoints may be signed with, as a gateway knows them from its own. */
export interface LogKeys {
  /** The gateway's own key. */
  own: Verifier;
  /** The oldest first. */
  all(): readonly Verifier[];
  /** Reads the successions again. @returns how many there are @throws LogFaultError when they contradict each other; Error as the database does */
  refresh(db: Queryable): Promise<number>;
}

export function openLogKeys(own: Verifier): LogKeys {
  let all: readonly Verifier[] = [own];
  return {
    own,
    all: () => all,
    async refresh(db) {
      const notes = await readSuccessions(db);
      try {
        all = followSuccessions(own, notes);
      } catch (error) {
        if (!(error instanceof NoteError)) throw error;
        throw new LogFaultError(`the successions of the log's keys do not hold: ${error.message}`);
      }
      return notes.length;
    },
  };
}

/** The notes of all successions. */
export async function readSuccessions(db: Queryable): Promise<string[]> {
  const { rows } = await db.query<{ note: string }>({ text: 'select note from audit.succession order by n' });
  return rows.map(({ note }) => note);
}
