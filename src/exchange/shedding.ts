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

/** Places in calm: five times what keeps the gateway busy, so that bursts pass. */
const maxInWork = 320;
/** Enough to keep main thread and database busy; more adds to the wait and next to nothing to the rate. */
const busyInWork = 64;
const minInWork = 4;
/** How many times the exchanges that fit into the fastest one's time are let in while the gateway sheds. */
const headroom = 4;
const rateWindowMs = 500;
/** Which round of the event loop is long, and which far too long. */
const longRoundMs = 2;
const farTooLongRoundMs = 8;
/** The gateway sheds until nobody was refused for so long, or no larger share than this in as long a time. */
const calmMs = 1000;
const calmShare = 0.05;

/**
 * Makes a shedder. Bursts have many places. Once those are used up, the load is more than the gateway can carry, and
 * a long queue would serve nobody, so it sheds. Then it has as many places as it needs to keep up its rate (Little's
 * law: rate times the time that an exchange takes when nobody waits), with some room: on a database that commits
 * slowly that is more than on a fast one.
 *
 * Refusing takes time as well, and it delays all that are in work: an exchange needs three rounds of the event loop,
 * and each is as long as everything that is found on the sockets. So after a long round there are fewer places, after
 * a short one a little more (additive increase, multiplicative decrease, as in RFC 5681, 3.1): what refusals leave of
 * the main thread is given away, and no more.
 */
export function createShedder(nowMs: () => number = () => performance.now()): Shedder {
  const overloaded = new RepeatedProblem('overloaded');
  let inWork = 0;
  let shedding = false;
  let busyPlaces = busyInWork;
  let roundIsWatched = false;
  let letIn = 0;
  let refused = 0;
  let refusedAtMs = -Infinity;
  let countedFromMs = nowMs();
  let fastestMs = Infinity;
  let ended = 0;
  let perMs = 0;
  let rateFromMs = nowMs();

  function places(): number {
    if (!shedding) return maxInWork;
    const needed = fastestMs === Infinity ? 0 : headroom * perMs * fastestMs;
    return Math.min(maxInWork, (Math.max(busyInWork, needed) * busyPlaces) / busyInWork);
  }

  function watchRound(now: number): void {
    if (roundIsWatched) return;
    roundIsWatched = true;
    setImmediate(() => {
      const tookMs = nowMs() - now;
      roundIsWatched = false;
      if (tookMs <= longRoundMs) busyPlaces = Math.min(busyInWork, busyPlaces + 0.1);
      else busyPlaces = Math.max(minInWork, busyPlaces * (tookMs > farTooLongRoundMs ? 0.5 : 0.9));
    });
  }

  function countRefusal(now: number): void {
    if (!shedding) {
      shedding = true;
      busyPlaces = busyInWork;
      countAnew(now);
    }
    refused++;
    refusedAtMs = now;
  }

  function countAnew(now: number): void {
    letIn = 0;
    refused = 0;
    countedFromMs = now;
  }

  function lookForCalm(now: number): void {
    if (now - refusedAtMs >= calmMs) shedding = false;
    else if (now - countedFromMs >= calmMs) {
      shedding = refused > (letIn + refused) * calmShare;
      countAnew(now);
    }
  }

  function hasPlaceAt(now: number): boolean {
    if (shedding) lookForCalm(now);
    if (shedding) watchRound(now);
    if (inWork < places()) return true;
    countRefusal(now);
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
      letIn++;
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
