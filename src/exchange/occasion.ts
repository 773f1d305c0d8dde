import { subjectRef, type LogSecrets } from '../audit/entry.ts';
import type { Grant } from '../grants/authority.ts';
import type { Limits } from '../grants/limits.ts';

/** Who asks and when, and what the day still allows. */
export interface Occasion {
  /** The client that asks. */
  client: string;
  now: Date;
  /** YYYY-MM-DD, where the gateway is. */
  today(): string;
  /** Takes subjects of the quotas of the grants that allow it. @throws Problem quota-exceeded */
  charge(subjects: number): Promise<void>;
  /** Gives back what was taken and not needed. */
  refund(subjects: number): void;
  /** Counts an attempt to verify claims about a subject. @throws Problem guess-limit */
  countAttempt(subject: { dataset: string; id: string }): Promise<void>;
}

/** The occasion as a decision meets it: with the grants that limit it, at its time. */
export type OccasionOf = (limited: readonly Grant[], now: Date) => Occasion;

/**
 * The occasion of one exchange. What it takes of the day it takes once, however often it is decided.
 */
export function newOccasion(
  { limits, secrets }: { limits: Limits; secrets: LogSecrets },
  { department, clientId }: { department: string; clientId: string },
): OccasionOf {
  const charged = new Map<string, number>();
  let attempted = false;
  return (limited, now) => ({
    client: clientId,
    now,
    today: () => limits.calendar.dayOf(now),
    async charge(subjects) {
      if (limited.length === 0) return;
      const due = limited.map((grant) => ({ grant, subjects: subjects - (charged.get(grant.id) ?? 0) }));
      await limits.charge(due, now);
      for (const { grant } of due) charged.set(grant.id, subjects);
    },
    refund(subjects) {
      for (const grant of limited) {
        const taken = Math.min(subjects, charged.get(grant.id) ?? 0);
        limits.refund(grant, taken, now);
        charged.set(grant.id, (charged.get(grant.id) ?? 0) - taken);
      }
    },
    async countAttempt({ dataset, id }) {
      if (attempted) return;
      await limits.countAttempt(department, subjectRef(secrets, dataset, id), now);
      attempted = true;
    },
  });
}

/** The occasion of an exchange that is only rehearsed: nothing is counted. */
export function rehearsedOccasion(
  { limits }: { limits: Limits },
  { clientId }: { clientId: string },
): OccasionOf {
  return (_limited, now) => ({
    client: clientId,
    now,
    today: () => limits.calendar.dayOf(now),
    charge: () => Promise.resolve(),
    refund: () => undefined,
    countAttempt: () => Promise.resolve(),
  });
}
