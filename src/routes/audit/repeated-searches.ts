/**
 * Queries that are repeated: whoever looks at the newest entries every few seconds would else fill the log with the
 * looks alone. One entry stands for the same query of the same official by the same client within a minute, in this
 * process.
 */
export interface Polls {
  /** Whether an entry stands for this query now. */
  isCovered(query: string): boolean;
  /** Call it once the query's entry is durable, with the time that it says. */
  cover(query: string, entered: Date): void;
}

/** For how long an entry stands for repetitions; the entry says so. */
export const repeatsWithinSeconds = 60;
/** Queries that are remembered; the one that was entered first is forgotten first, and entered anew. */
const maxQueries = 10_000;

/** Remembers queries in memory alone. */
export function createPolls(now: () => Date): Polls {
  const entered = new Map<string, number>();
  return {
    isCovered(query) {
      const at = entered.get(query);
      const ageMs = at === undefined ? Infinity : now().getTime() - at;
      return ageMs >= 0 && ageMs < repeatsWithinSeconds * 1000;
    },
    cover(query, time) {
      entered.delete(query);
      entered.set(query, time.getTime());
      if (entered.size > maxQueries) entered.delete(entered.keys().next().value!);
    },
  };
}
