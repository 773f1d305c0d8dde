import { NoteError, openNote, parseNote, parseVerifierKey, type Verifier } from './note.ts';

/**
 * That one key signs a log after another: its checkpoints go on where the other's end, under the same origin or, where
 * a log was opened anew, under another one. Both keys sign it: whoever trusts one of them can go on to the other.
 */
export interface Succession {
  from: Verifier;
  to: Verifier;
  /** The old key counts for checkpoints up to this size, the new one for larger ones. */
  size: number;
}

const firstLine = 'onevisit-succession/1';

/** What both keys sign. */
export function successionText(from: string, to: string, size: number): string {
  return `${firstLine}\n${from}\n${to}\n${size}\n`;
}

/** Opens a succession. @throws NoteError unless it is written as one, and both keys have signed it */
export function openSuccession(note: string): Succession {
  const [first, from = '', to = '', size = '', ...rest] = parseNote(note).text.split('\n');
  if (first !== firstLine || !/^(0|[1-9]\d{0,15})$/.test(size) || rest.join() !== '')
    throw new NoteError(`the note is no ${firstLine}`);
  const keys = [parseVerifierKey(from), parseVerifierKey(to)] as const;
  if (keys.some(({ kind }) => kind !== 'log')) throw new NoteError('a witness does not succeed a log');
  const { signers } = openNote(note, keys);
  for (const key of keys)
    if (!signers.includes(key)) throw new NoteError(`${key.line} has not signed the succession`);
  return { from: keys[0], to: keys[1], size: Number(size) };
}

/** The keys that are trusted, and all that successions lead to from them. @throws NoteError as `followSuccessions` */
export function trustSuccessions(trusted: readonly Verifier[], notes: readonly string[]): Verifier[] {
  const all = trusted.flatMap((key) => (key.kind === 'log' ? followSuccessions(key, notes) : [key]));
  return [...new Map(all.map((key) => [key.line, key])).values()];
}

/**
 * All keys that a log was, or will be, signed with, the oldest first, each for its sizes: those that successions lead to
 * from one that is trusted. What is no succession, or one of another log, is not looked at.
 *
 * @throws NoteError when a key has two successors, or two predecessors: one of its owners is not who he should be
 */
export function followSuccessions(trusted: Verifier, notes: readonly string[]): Verifier[] {
  const successions = notes.flatMap(openIfGood);
  const chain: Verifier[] = [{ ...trusted }];
  for (let next = step('from', 'to'); next !== null; next = step('from', 'to')) {
    chain.at(-1)!.upTo = next.size;
    chain.push({ ...next.key, above: next.size });
  }
  for (let next = step('to', 'from'); next !== null; next = step('to', 'from')) {
    chain[0]!.above = next.size;
    chain.unshift({ ...next.key, upTo: next.size });
  }
  return chain;

  /** The key beyond the end of the chain, and the size at which one succeeds the other. */
  function step(here: 'from' | 'to', there: 'from' | 'to'): { key: Verifier; size: number } | null {
    const end = here === 'from' ? chain.at(-1)! : chain[0]!;
    const found = new Map(
      successions.filter((one) => one[here].line === end.line).map((one) => [one[there].line, one]),
    );
    const [next] = found.values();
    if (next === undefined) return null;
    if (found.size > 1)
      throw new NoteError(`${end.line} has ${found.size} ${here === 'from' ? 'successors' : 'predecessors'}`);
    const key = next[there];
    if (chain.some(({ line }) => line === key.line)) throw new NoteError(`${key.line} succeeds itself`);
    return { key, size: next.size };
  }
}

/** The same keys for any size: of what somebody kept, it may be what was lost. */
export function dropSizeBounds(keys: readonly Verifier[]): Verifier[] {
  return keys.map(({ above: _above, upTo: _upTo, ...key }) => key);
}

function openIfGood(note: string): Succession[] {
  try {
    return [openSuccession(note)];
  } catch (error) {
    if (error instanceof NoteError) return [];
    throw error;
  }
}
