import { finished } from 'node:stream';
import type { ServerResponse } from 'node:http';
import { RepeatedProblemError } from '../base/errors.ts';

/** Bounds how much is in work at a time, in this process, of what is long or whose answers are buffered whole. */
export interface Gate {
  /**
   * Asks whether there is a place, before anybody reads a body.
   *
   * @throws ProblemError overloaded
   */
  check(): void;
  /**
   * Runs the work in one of the places. A place is free again when the work is done and its answer is sent, or its
   * connection closed.
   *
   * @param work its signal is aborted when the connection closes, because its answer can not be sent then
   * @throws ProblemError overloaded when every place is taken
   */
  run<T>(response: ServerResponse, work: (gone: AbortSignal) => Promise<T>): Promise<T>;
}

/** A client that takes longer to read an answer loses the connection, and its place becomes free. */
const maxSendMs = 30_000;

/**
 * Makes a gate.
 *
 * @param atOnce how many of those in work are worked on at once; the others wait in line. What one needs for a short
 *   time is so gone by the next collection of garbage, and not kept with what lasts
 */
export function createGate(places: number, atOnce: number = places): Gate {
  const overloaded = new RepeatedProblemError('overloaded');
  const line: (() => void)[] = [];
  let taken = 0;
  let running = 0;

  function check(): void {
    if (taken >= places) throw overloaded;
  }

  async function begin(): Promise<void> {
    if (running < atOnce) running++;
    else await new Promise<void>((resolve) => line.push(resolve));
  }

  function end(): void {
    const next = line.shift();
    if (next === undefined) running--;
    else next();
  }

  return {
    check,
    async run(response, work) {
      check();
      taken++;
      const gone = new AbortController();
      response.once('close', () => gone.abort());
      await begin();
      try {
        return await work(gone.signal);
      } finally {
        end();
        const timer = setTimeout(() => response.destroy(), maxSendMs);
        finished(response, () => {
          clearTimeout(timer);
          taken--;
        });
      }
    },
  };
}
