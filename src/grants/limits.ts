import type pg from 'pg';
import type { Calendar } from '../base/calendar.ts';
import { asStoreUnavailable, ProblemError } from '../base/errors.ts';
import type { Grant } from './authority.ts';
import { openAttempts } from './attempts.ts';
import { openQuotas, type Charge } from './quotas.ts';

/** What a day allows: the quotas of grants, and attempts to verify. Both are exact over all gateways. */
export interface Limits {
  calendar: Calendar;
  /** Takes subjects of the day's quotas, all of them or none. @throws ProblemError quota-exceeded, store-unavailable */
  charge(due: readonly Charge[], now: Date): Promise<void>;
  /** Puts back what was taken and is not needed. */
  refund(grant: Grant, subjects: number, now: Date): void;
  /**
   * Counts an attempt to verify claims about a subject.
   *
   * @param subjectRef the subject's keyed hash, base64url
   * @throws ProblemError guess-limit, overloaded, store-unavailable
   */
  countAttempt(consumer: string, subjectRef: string, now: Date): Promise<void>;
  /** Gives back what the leases have left. */
  close(): Promise<void>;
}

/** Opens the limits on connections of their own, so that waiting for a limit delays no other work. */
export function openLimits(pool: pg.Pool, calendar: Calendar): Limits {
  const quotas = openQuotas(calendar, ask);
  const attempts = openAttempts(ask);
  let forgottenOn = '';

  async function ask<T>(text: string, values: unknown[]): Promise<T> {
    try {
      const { rows } = await pool.query<{ answer: T }>(text, values);
      return rows[0]!.answer;
    } catch (error) {
      throw asStoreUnavailable(error);
    }
  }

  /** What was counted on days that are over is of no use, and grows. */
  function forgetEarlierDays(day: string): void {
    if (day === forgottenOn) return;
    forgottenOn = day;
    const before = calendar.dayBefore(calendar.dayBefore(day));
    ask('select limits.forget($1::date)', [before]).catch(() => undefined);
  }

  /** A refusal says when the next day begins. */
  async function untilTomorrow(work: Promise<void>, now: Date): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (error instanceof ProblemError && error.status === 429)
        error.headers['retry-after'] = String(calendar.secondsToNextDay(now));
      throw error;
    }
    forgetEarlierDays(calendar.dayOf(now));
  }

  return {
    calendar,
    async charge(due, now) {
      const limited = due.filter(({ grant, subjects }) => grant.dailyQuota !== null && subjects > 0);
      if (limited.length > 0) await untilTomorrow(quotas.charge(limited, calendar.dayOf(now)), now);
    },
    refund(grant, subjects, now) {
      if (grant.dailyQuota !== null && subjects > 0) quotas.refund({ grant, subjects }, calendar.dayOf(now));
    },
    countAttempt: (consumer, subjectRef, now) =>
      untilTomorrow(attempts.count(consumer, subjectRef, calendar.dayOf(now)), now),
    close: () => quotas.close(),
  };
}
