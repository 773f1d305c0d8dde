import { RepeatedProblemError } from '../base/errors.ts';

/**
 * Bounds the exchanges that are in work in this process, so that what is answered is answered in time: requests
 * beyond the bound are refused at once instead of making all wait.
 */
export interface Shedder {
  /**
   * Asks whether there is a place, before anybody reads a body.
   *
   * @param connection who asks
   * @throws ProblemError overloaded
   */
  check(connection: object): void;
  /** Like `check`, but returns the answer and does not throw. `false` counts as a refusal. */
  hasPlace(connection: object): boolean;
  /**
   * Runs an exchange in a place.
   *
   * @throws ProblemError overloaded when there is none
   */
  run<T>(work: () => Promise<T>): Promise<T>;
}

/** Places in calm: five times what keeps the gateway busy, so that bursts pass. */
const maxInWork = 320;
/** Enough to keep main thread and database busy; more adds to the wait and next to nothing to the rate. */
const minInWork = 64;
/** How many times the exchanges that fit into the fastest one's time are let in while the gateway sheds. */
const headroom = 4;
const rateWindowMs = 500;
/** How many are let in in one round of the event loop, while the gateway sheds. */
const maxInRound = 4;
/** For how long the gateway sheds after the last refusal; so often it looks whether refusals are few. */
const calmMs = 1000;
/** What share of refusals is few. */
const calmShare = 0.05;
/** How many connections that were refused are few: all of them have a place in calm. */
const calmCrowd = maxInWork - minInWork;

/**
 * Makes a shedder. Bursts have many places. Once those are used up, the load is more than the gateway can carry, and
 * a long queue would only make every answer late, so it sheds:
 *
 * - It has as many places as it needs to keep up its rate (Little's law: rate times the time that an exchange takes
 *   when nobody waits), with some room. On a database that commits slowly that is more than on a fast one.
 * - It lets a few in in each round of the event loop. Refusing takes time as well, and an exchange needs three rounds,
 *   each as long as everything that was found on the sockets. The longer they get, the fewer are let in.
 *
 * It stops when a second has passed without a refusal, or one with few: by share, or by how many connections they came
 * from. Otherwise a few clients that ask again at once, without waiting, would keep it shedding a load that it can carry.
 */
export function createShedder(nowMs: () => number = () => performance.now()): Shedder {
  const overloaded = new RepeatedProblemError('overloaded');
  let shedding = false;
  let inWork = 0;
  let inRound = 0;
  let fastestMs = Infinity;
  let ended = 0;
  let perMs = 0;
  let rateFromMs = nowMs();
  let refusedAtMs = -Infinity;
  let countedFromMs = -Infinity;
  let letIn = 0;
  let refused = 0;
  let crowd = 0;
  let inCrowd = new WeakSet<object>();

  function places(): number {
    if (!shedding) return maxInWork;
    const needed = fastestMs === Infinity ? 0 : headroom * perMs * fastestMs;
    return Math.min(maxInWork, Math.max(minInWork, Math.ceil(needed)));
  }

  function lookForCalm(now: number): void {
    if (now - refusedAtMs >= calmMs) shedding = false;
    else if (now - countedFromMs >= calmMs) {
      shedding = refused > (letIn + refused) * calmShare && crowd > calmCrowd;
      countAnew(now);
    }
  }

  function countAnew(now: number): void {
    countedFromMs = now;
    letIn = 0;
    refused = 0;
    crowd = 0;
    inCrowd = new WeakSet();
  }

  function countRefusal(now: number): void {
    if (!shedding) countAnew(now);
    shedding = true;
    refusedAtMs = now;
    refused++;
  }

  function hasPlace(connection: object): boolean {
    const now = nowMs();
    if (shedding) lookForCalm(now);
    if (inWork < places() && !(shedding && inRound >= maxInRound)) return true;
    countRefusal(now);
    if (!inCrowd.has(connection)) {
      inCrowd.add(connection);
      crowd++;
    }
    return false;
  }

  function countStart(): void {
    inWork++;
    letIn++;
    if (inRound++ === 0) setImmediate(() => (inRound = 0));
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
    check(connection) {
      if (!hasPlace(connection)) throw overloaded;
    },
    hasPlace,
    async run(work) {
      const startMs = nowMs();
      if (inWork >= places()) {
        countRefusal(startMs);
        throw overloaded;
      }
      countStart();
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
