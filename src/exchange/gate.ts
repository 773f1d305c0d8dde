import { finished } from 'node:stream';
import type { ServerResponse } from 'node:http';
import { RepeatedProblem } from '../errors.ts';

/** Bounds how many exchanges of many subjects, whose answers are buffered whole, are in work in this process. */
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
   * @throws Problem overloaded when every place is taken
   */
  run<T>(response: ServerResponse, work: () => Promise<T>): Promise<T>;
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
      try {
        return await work();
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
