/**
 * Notices clients that ask for ids one after the other, as whoever tries out numbers does. The audit log has hashes of
 * ids, in which their order can't be seen: so the length of such a run is told by each entry of it.
 */
export interface Sequences {
  /**
   * Takes the ids that a client asks for, in the order asked.
   *
   * @returns the length of the longest run of neighbours that they end or hold; null when it is too short to tell
   */
  note(client: string, ids: readonly string[]): number | null;
}

/** From how many neighbours on a run is told. */
export const minRun = 5;
/**
 * The last characters of an id in which neighbours differ: the number in a register, where letters count on after the
 * digits, and the check character.
 */
const tailLength = 4;
/** A register may number by twos: odd for men, even for women. */
const maxStep = 2;
/** Clients that are remembered; whoever came first is forgotten first. */
const maxClients = 1000;

/** Keeps the last id of each client in memory alone, for a process that may forget it. */
export function createSequences(): Sequences {
  const last = new Map<string, { id: string; run: number }>();

  return {
    note(client, ids) {
      const known = last.get(client);
      let run = known?.run ?? 0;
      let before = known?.id ?? '';
      let longest = 0;
      for (const id of ids) {
        // An exchange that is decided again asks for the same id: no new one.
        if (id !== before) run = areNeighbours(before, id) ? run + 1 : 1;
        if (run > longest) longest = run;
        before = id;
      }
      if (ids.length > 0) {
        last.delete(client);
        last.set(client, { id: before, run });
        if (last.size > maxClients) last.delete(last.keys().next().value!);
      }
      return longest < minRun ? null : longest;
    },
  };
}

function areNeighbours(one: string, other: string): boolean {
  if (one.length !== other.length || one.length <= tailLength) return false;
  if (one.slice(0, -tailLength) !== other.slice(0, -tailLength)) return false;
  const numbers = [one, other].map((id) => id.slice(-tailLength, -1));
  const base = numbers.every((number) => /^\d+$/.test(number)) ? 10 : 36;
  const [from, to] = numbers.map((number) => parseInt(number, base)) as [number, number];
  const step = Math.abs(from - to);
  return step >= 1 && step <= maxStep;
}
