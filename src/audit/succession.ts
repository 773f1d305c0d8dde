import { NoteError, openNote, parseNote, parseVerifierKey, type Verifier } from './note.ts';

/**
 * That one key signs a log after another: its checkpoints go on where the other's end, under the same origin or, where
 * a log was opened anew, under another one. Both keys sign it: whoever trusts one of them can go on to the other.
 */
export interface Succession {
  from: Verifier;
  to: Verifier;
}

const firstLine = 'onevisit-succession/1';

/** What both keys sign. */
export function successionText(from: string, to: string): string {
  return `${firstLine}\n${from}\n${to}\n`;
}

/** Opens a succession. @throws NoteError unless it is written as one, and both keys have signed it */
export function openSuccession(note: string): Succession {
  const [first, from = '', to = '', ...rest] = parseNote(note).text.split('\n');
  if (first !== firstLine || rest.join() !== '') throw new NoteError(`the note is no ${firstLine}`);
  const keys = [parseVerifierKey(from), parseVerifierKey(to)] as const;
  if (keys.some(({ kind }) => kind !== 'log')) throw new NoteError('a witness does not succeed a log');
  const { signers } = openNote(note, keys);
  for (const key of keys)
    if (!signers.includes(key)) throw new NoteError(`${key.line} has not signed the succession`);
  return { from: keys[0], to: keys[1] };
}

/** The keys that are trusted, and all that successions lead to from them. @throws NoteError as `followSuccessions` */
export function trustSuccessions(trusted: readonly Verifier[], notes: readonly string[]): Verifier[] {
  const all = trusted.flatMap((key) => (key.kind === 'log' ? followSuccessions(key, notes) : [key]));
  return [...new Map(all.map((key) => [key.line, key])).values()];
}

/**
 * All keys that a log was, or will be, signed with, the oldest first: those that successions lead to from one that is
 * trusted. Successions of other logs are not looked at.
 *
 * @throws NoteError when a key has two successors, or two predecessors: one of its owners is not who he should be
 */
export function followSuccessions(trusted: Verifier, notes: readonly string[]): Verifier[] {
  const successions = notes.map(openSuccession);
  const chain = [trusted];
  for (let next = step('from', 'to'); next !== null; next = step('from', 'to')) chain.push(next);
  for (let next = step('to', 'from'); next !== null; next = step('to', 'from')) chain.unshift(next);
  return chain;

  /** The key at the end of the chain, one further on. */
  function step(here: 'from' | 'to', there: 'from' | 'to'): Verifier | null {
    const end = here === 'from' ? chain.at(-1)! : chain[0]!;
    const found = [
      ...new Map(
        successions.filter((one) => one[here].line === end.line).map((one) => [one[there].line, one[there]]),
      ).values(),
    ];
    if (found.length > 1)
      throw new NoteError(
        `${end.line} has ${found.length} ${here === 'from' ? 'successors' : 'predecessors'}`,
      );
    const [next] = found;
    if (next === undefined) return null;
    if (chain.some(({ line }) => line === next.line)) throw new NoteError(`${next.line} succeeds itself`);
    return next;
  }
}
