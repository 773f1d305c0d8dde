import { ProblemError } from '../base/errors.ts';

/** How often a consumer verifies claims about a subject on a day, exact over all gateways. */
export interface Attempts {
  /**
   * Counts one.
   *
   * @param subjectRef the subject's keyed hash, base64url
   * @throws ProblemError guess-limit, overloaded, store-unavailable
   */
  count(consumer: string, subjectRef: string, day: string): Promise<void>;
}

/** As the database has it. */
const maxAttempts = 5;
/** Attempts that are being counted; each locks its row. */
const maxPending = 200;
/** Subjects that are remembered as used up, in one generation. */
const maxRemembered = 20_000;

/** @param ask runs a statement that answers one value. @throws ProblemError store-unavailable */
export function openAttempts(ask: <T>(text: string, values: unknown[]) => Promise<T>): Attempts {
  let usedUp = new Set<string>();
  let usedUpBefore = new Set<string>();
  let pending = 0;

  function remember(key: string): void {
    if (usedUp.size >= maxRemembered) {
      usedUpBefore = usedUp;
      usedUp = new Set();
    }
    usedUp.add(key);
  }

  return {
    async count(consumer, subjectRef, day) {
      const key = `${day} ${consumer} ${subjectRef}`;
      if (usedUp.has(key) || usedUpBefore.has(key)) throw tooMany();
      if (pending >= maxPending) throw new ProblemError('overloaded');
      pending++;
      try {
        const values = [day, consumer, Buffer.from(subjectRef, 'base64url')];
        if (await ask<boolean>('select limits.attempt($1::date, $2, $3) as answer', values)) return;
      } finally {
        pending--;
      }
      remember(key);
      throw tooMany();
    },
  };
}

function tooMany(): ProblemError {
  return new ProblemError('guess-limit', { limit: String(maxAttempts) });
}
