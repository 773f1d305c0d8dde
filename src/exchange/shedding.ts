import { RepeatedProblem } from '../errors.ts';

/**
 * Bounds the exchanges that are in work in this process, so that what is answered is answered in time: requests
 * beyond the bound are refused at once instead of making all wait.
 */
export interface Shedder {
  /**
   * Asks whether there is a place, before anybody reads a body.
   *
   * @throws Problem overloaded
   */
  check(): void;
  /** The same as an answer, for whoever refuses by other means; a no counts as a refusal. */
  hasPlace(): boolean;
  /**
   * Runs an exchange in a place.
   *
   * @throws Problem overloaded when there is none
   */
  run<T>(work: () => Promise<T>): Promise<T>;
}

/** Places while nobody was refused: five times what keeps the gateway busy, so that bursts pass. */
const maxInWork = 320;
/** Enough to keep main thread and database busy; more adds to the wait and next to nothing to the rate. */
const minInWork = 64;
/** How long after a refusal the gateway goes on working with few places. */
const shedMs = 1000;
/** How many times the exchanges that fit into the fastest one's time are let in meanwhile. */
const headroom = 4;
const rateWindowMs = 500;

/**
 * Makes a shedder. Bursts have many places. Once those are used up, the load is more than the gateway can
 * carry, and a long queue would serve nobody: until a second has passed without a refusal, it has as many places as
 * it needs to keep up its rate (Little's law: rate times the time that an exchange takes when nobody waits), with
 * some room. On a database that commits slowly that is more than on a fast one.
 */
export function createShedder(nowMs: () => number = () => performance.now()): Shedder {
  const overloaded = new RepeatedProblem('overloaded');
  let inWork = 0;
  let shedUntilMs = -Infinity;
  let fastestMs = Infinity;
  let ended = 0;
  let perMs = 0;
  let rateFromMs = nowMs();

  function places(now: number): number {
    if (now >= shedUntilMs) return maxInWork;
    const needed = fastestMs === Infinity ? 0 : headroom * perMs * fastestMs;
    return Math.min(maxInWork, Math.max(minInWork, Math.ceil(needed)));
  }

  function hasPlaceAt(now: number): boolean {
    if (inWork < places(now)) return true;
    shedUntilMs = now + shedMs;
    return false;
  }

  function checkAt(now: number): void {
    if (!hasPlaceAt(now)) throw overloaded;
  }

  function countEnd(now: number): void {
    inWork--;
    ended++;
    if (now - rateFromMs < rateWindowMs) return;
    perMs = ended / (now - rateFromMs);
    ended = 0;
    rateFromMs = now;
  }

  return {
    check() {
      checkAt(nowMs());
    },
    hasPlace: () => hasPlaceAt(nowMs()),
    async run(work) {
      const startMs = nowMs();
      checkAt(startMs);
      inWork++;
      try {
        const result = await work();
        fastestMs = Math.min(fastestMs, nowMs() - startMs);
        return result;
      } finally {
        countEnd(nowMs());
      }
    },
  };
}
