import { finished } from 'node:stream';
import type { ServerResponse } from 'node:http';
import { RepeatedProblem } from './errors.ts';

/** Bounds how much is in work at a time, in this process, of what is long or whose answers are buffered whole. */
export interface Gate {
  /**
   * Asks whether there is a place, before anybody reads a body.
   *
   * @throws Problem overloaded
   */
  check(): void;
  /**
   * Runs the work in one of the places. A place is free again when the work is done and its answer is sent, or its
   * connection closed.
   *
   * @param work is told when the connection closes: nobody waits for it then
   * @throws Problem overloaded when every place is taken
   */
  run<T>(response: ServerResponse, work: (gone: AbortSignal) => Promise<T>): Promise<T>;
}

/** Whoever takes longer to read an answer loses the connection, and makes place for others. */
const maxSendMs = 30_000;

export function createGate(places: number): Gate {
  const overloaded = new RepeatedProblem('overloaded');
  let taken = 0;

  function check(): void {
    if (taken >= places) throw overloaded;
  }

  return {
    check,
    async run(response, work) {
      check();
      taken++;
      const gone = new AbortController();
      response.once('close', () => gone.abort());
      try {
        return await work(gone.signal);
      } finally {
        const timer = setTimeout(() => response.destroy(), maxSendMs);
        finished(response, () => {
          clearTimeout(timer);
          taken--;
        });
      }
    },
  };
}
