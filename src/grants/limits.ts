import type pg from 'pg';
import type { Calendar } from '../calendar.ts';
import { Problem } from '../errors.ts';
import type { Grant } from './authority.ts';

/** What a day allows: the quotas of grants, and attempts to verify. Both are exact over all gateways. */
export interface Limits {
  calendar: Calendar;
  /**
   * Takes subjects of the day's quotas of all these grants, or of none. Where a lease has enough of each, nothing is
   * waited for.
   *
   * @throws Problem quota-exceeded, store-unavailable
   */
  charge(grants: readonly Grant[], subjects: number, now: Date): Promise<void>;
  /**
   * Counts an attempt to verify claims about a subject.
   *
   * @param subjectRef the subject's keyed hash, base64url
   * @throws Problem guess-limit, store-unavailable
   */
  countAttempt(consumer: string, subjectRef: string, now: Date): Promise<void>;
  /** Gives back what the leases have left. */
  close(): Promise<void>;
}

/** A part of a grant's quota of a day that this process may use up by itself. */
interface Lease {
  grant: string;
  day: string;
  left: number;
  /** How much the last part was: with half of it gone the next is asked for. */
  part: number;
  renewing: Promise<number> | null;
  /** The smallest part that was not to be had, and when that was. */
  refused: { wanted: number; atMs: number } | null;
}

const maxAttempts = 5;
/** How long a refusal is taken for granted: another gateway may give back what it has left. */
const refusedMs = 1000;
const dayMs = 24 * 60 * 60 * 1000;

export function openLimits(pool: pg.Pool, calendar: Calendar): Limits {
  const leases = new Map<string, Lease>();
  let forgottenOn = '';

  function leaseOf(grant: Grant, day: string): Lease {
    const known = leases.get(grant.id);
    if (known?.day === day) return known;
    const lease: Lease = { grant: grant.id, day, left: 0, part: 0, renewing: null, refused: null };
    leases.set(grant.id, lease);
    return lease;
  }

  /** Asks for a part; whoever comes meanwhile waits for the same one. */
  function renew(lease: Lease, wanted: number): Promise<number> {
    lease.renewing ??= takePart(lease, wanted).finally(() => (lease.renewing = null));
    return lease.renewing;
  }

  async function takePart(lease: Lease, wanted: number): Promise<number> {
    const part = await ask<number>('select limits.take($1::date, $2::uuid, $3::bigint) as answer', [
      lease.day,
      lease.grant,
      wanted,
    ]);
    if (part > 0) {
      lease.part = part;
      lease.left += part;
    } else lease.refused = { wanted, atMs: performance.now() };
    return part;
  }

  async function ask<T>(text: string, values: unknown[]): Promise<T> {
    try {
      const { rows } = await pool.query<{ answer: T }>(text, values);
      return rows[0]!.answer;
    } catch (error) {
      throw new Problem('store-unavailable', {}, { cause: error });
    }
  }

  async function takeFrom(lease: Lease, subjects: number): Promise<boolean> {
    while (lease.left < subjects) {
      const { renewing } = lease;
      if (renewing !== null) {
        await renewing;
        continue;
      }
      const wanted = subjects - lease.left;
      if (lease.refused !== null && performance.now() - lease.refused.atMs > refusedMs) lease.refused = null;
      if (lease.refused !== null && wanted >= lease.refused.wanted) return false;
      if ((await renew(lease, wanted)) === 0) return false;
    }
    lease.left -= subjects;
    if (lease.left * 2 < lease.part && lease.renewing === null && lease.refused === null)
      renew(lease, 1).catch(() => undefined);
    return true;
  }

  /** What was counted on days that are over is of no use, and grows. */
  function forgetEarlierDays(now: Date): void {
    const day = calendar.dayOf(now);
    if (day === forgottenOn) return;
    forgottenOn = day;
    const before = calendar.dayOf(new Date(now.getTime() - 2 * dayMs));
    pool.query('select limits.forget($1::date)', [before]).catch(() => undefined);
  }

  function untilTomorrow(now: Date): { headers: Record<string, string> } {
    return { headers: { 'retry-after': String(calendar.secondsToNextDay(now)) } };
  }

  return {
    calendar,
    async charge(grants, subjects, now) {
      const charged: Lease[] = [];
      try {
        for (const grant of grants) {
          if (grant.dailyQuota === null || subjects === 0) continue;
          const lease = leaseOf(grant, calendar.dayOf(now));
          if (!(await takeFrom(lease, subjects))) {
            const { consumer, dataset, dailyQuota } = grant;
            throw new Problem(
              'quota-exceeded',
              { consumer, dataset, quota: String(dailyQuota) },
              untilTomorrow(now),
            );
          }
          charged.push(lease);
        }
      } catch (error) {
        for (const lease of charged) lease.left += subjects;
        throw error;
      }
      if (charged.length > 0) forgetEarlierDays(now);
    },
    async countAttempt(consumer, subjectRef, now) {
      const counted = await ask<boolean>('select limits.attempt($1::date, $2, $3, $4) as answer', [
        calendar.dayOf(now),
        consumer,
        Buffer.from(subjectRef, 'base64url'),
        maxAttempts,
      ]);
      if (!counted) throw new Problem('guess-limit', { limit: String(maxAttempts) }, untilTomorrow(now));
      forgetEarlierDays(now);
    },
    async close() {
      for (const lease of leases.values()) {
        await lease.renewing?.catch(() => undefined);
        if (lease.left === 0) continue;
        await pool
          .query('select limits.give_back($1::date, $2::uuid, $3::bigint)', [
            lease.day,
            lease.grant,
            lease.left,
          ])
          .catch(() => undefined);
      }
      leases.clear();
    },
  };
}
