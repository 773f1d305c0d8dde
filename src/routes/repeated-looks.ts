/**
 * Looks that are repeated: a client that looks at the newest entries every few seconds, or reads the log bundle by
 * bundle, would otherwise fill the log with its own looks. One entry stands for all looks of one key within a minute, in
 * this process.
 */
export interface RepeatedLooks {
  /**
   * Enters a look, unless an entry stands for it now; waits for that entry where it is on its way.
   *
   * @param time the time that the entry says
   * @returns whether it was entered now
   * @throws what `enter` throws, to every look that waited for it
   */
  enterOnce(key: string, time: Date, enter: () => Promise<unknown>): Promise<boolean>;
}

/** For how long an entry stands for repetitions, in seconds; the entry says so. */
export const repeatsWithinSeconds = 60;
/** Looks that are remembered; the one that was entered first is forgotten first, and entered again. */
const maxLooks = 10_000;

/** Remembers looks in memory alone. */
export function createRepeatedLooks(): RepeatedLooks {
  const looks = new Map<string, { atMs: number; entered: Promise<unknown> }>();
  return {
    async enterOnce(key, time, enter) {
      const last = looks.get(key);
      const ageMs = last === undefined ? Infinity : time.getTime() - last.atMs;
      if (last !== undefined && ageMs >= 0 && ageMs < repeatsWithinSeconds * 1000) {
        await last.entered;
        return false;
      }
      const look = { atMs: time.getTime(), entered: enter() };
      looks.delete(key);
      looks.set(key, look);
      if (looks.size > maxLooks) looks.delete(looks.keys().next().value!);
      try {
        await look.entered;
        return true;
      } catch (error) {
        if (looks.get(key) === look) looks.delete(key);
        throw error;
      }
    },
  };
}
