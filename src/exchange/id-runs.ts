/**
 * Notices clients that ask for neighbouring ids one after the other, which suggests that they try out numbers. The audit
 * log has hashes of ids, which do not show their order. So each entry of such a run holds the length of the run.
 */
export interface IdRuns {
  /**
   * Takes the ids that a client asks for: in the order asked, and, where they are many at once, in their own.
   *
   * @param checkCharacters how many at the end of an id are computed from the others
   * @returns the length of the longest run of neighbours that they end or hold; null when it is too short to tell
   */
  note(client: string, ids: readonly string[], checkCharacters: number): number | null;
}

/** The least number of neighbours of which entries hold a run. */
export const minRun = 5;
/** The characters before those computed in which neighbours differ: a number, whose letters count on after the digits. */
const numberLength = 3;
/** A register may number by twos: odd for men, even for women. */
const maxStep = 2;
/** How many clients are remembered; the one that came first is forgotten first. */
const maxClients = 1000;

/** Keeps the last id of each client in memory alone, for a process that may forget it. */
export function createIdRuns(): IdRuns {
  const last = new Map<string, Run>();

  return {
    note(client, ids, checkCharacters) {
      const inOrder = follow(last.get(client) ?? { id: '', run: 0 }, ids, checkCharacters);
      const crowded = findCrowded(ids, checkCharacters);
      const shuffled = follow({ id: '', run: 0 }, crowded.toSorted(), checkCharacters);
      const longest = Math.max(inOrder.longest, shuffled.longest);
      if (ids.length > 0) {
        last.delete(client);
        last.set(client, inOrder.last);
        if (last.size > maxClients) last.delete(last.keys().next().value!);
      }
      return longest < minRun ? null : longest;
    },
  };
}

/** The last id of a run, and how long that is. */
interface Run {
  id: string;
  run: number;
}

function follow(known: Run, ids: readonly string[], checkCharacters: number): { last: Run; longest: number } {
  let { id: before, run } = known;
  let longest = 0;
  for (const id of ids) {
    // An exchange that is decided again asks for the same id: no new one.
    if (id !== before) run = areNeighbours(before, id, checkCharacters) ? run + 1 : 1;
    if (run > longest) longest = run;
    before = id;
  }
  return { last: { id: before, run }, longest };
}

/** Those of the ids that begin as enough others do for a run: most batches have none, and need no sorting. */
function findCrowded(ids: readonly string[], checkCharacters: number): string[] {
  if (ids.length < minRun) return [];
  const beginnings = ids.map((id) => id.slice(0, Math.max(0, id.length - checkCharacters - numberLength)));
  const counts = new Map<string, number>();
  for (const beginning of beginnings) counts.set(beginning, (counts.get(beginning) ?? 0) + 1);
  return ids.filter((_, i) => counts.get(beginnings[i]!)! >= minRun);
}

function areNeighbours(one: string, other: string, checkCharacters: number): boolean {
  const end = one.length - checkCharacters;
  const start = end - numberLength;
  if (one.length !== other.length || start <= 0) return false;
  // Most differ here: a batch compares two thousand of them, so that no text is cut for it.
  for (let i = 0; i < start; i++) if (one.charCodeAt(i) !== other.charCodeAt(i)) return false;
  const numbers = [one, other].map((id) => id.slice(start, end));
  const base = numbers.every((number) => /^\d+$/.test(number)) ? 10 : 36;
  const [from, to] = numbers.map((number) => parseInt(number, base)) as [number, number];
  const step = Math.abs(from - to);
  return step >= 1 && step <= maxStep;
}
