import { UserError } from '../base/errors.ts';
import { NoteError } from '../transparency/note.ts';

/** What must hold for the command to go on. @throws UserError instead of a NoteError */
export function expectValid<T>(what: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof NoteError) throw new UserError(`${what} does not hold: ${error.message}`);
    throw error;
  }
}
