import { subjectRef, type LogSecrets } from '../audit/subjects.ts';
import type { Grant } from '../grants/authority.ts';
import type { Limits } from '../grants/limits.ts';

/** Who asks and when, and what the day still allows. */
export interface Occasion {
  /** The client that asks. */
  client: string;
  now: Date;
  /** YYYY-MM-DD, where the gateway is. */
  today(): string;
  /** Takes subjects of the quotas of the grants that allow it. @throws ProblemError quota-exceeded */
  charge(subjects: number): Promise<void>;
  /** Gives back what was taken and not needed. */
  refund(subjects: number): void;
  /** Counts an attempt to verify claims about a subject. @throws ProblemError guess-limit */
  countAttempt(subject: { dataset: string; id: string }): Promise<void>;
}

/** The occasion as a decision meets it: with the grants that limit it, at its time. */
export type OccasionOf = (limited: readonly Grant[], now: Date) => Occasion;

/**
 * The occasion of one exchange. What it takes of the day it takes once, however often it is decided; where the exchange
 * comes to nothing, it gives all of it up.
 */
export function createOccasion(
  { limits, secrets }: { limits: Limits; secrets: LogSecrets },
  { department, clientId }: { department: string; clientId: string },
): { meet: OccasionOf; giveUp: () => void } {
  // By day: an exchange that is decided again may be decided on the next one.
  const charged = new Map<string, { grant: Grant; at: Date; subjects: number }>();
  const keyOf = ({ id }: Grant, now: Date): string => `${limits.calendar.dayOf(now)} ${id}`;
  let attempted = false;

  function giveBack(taken: { grant: Grant; at: Date; subjects: number }, most: number): void {
    const subjects = Math.min(most, taken.subjects);
    limits.refund(taken.grant, subjects, taken.at);
    taken.subjects -= subjects;
  }

  const meet: OccasionOf = (limited, now) => ({
    client: clientId,
    now,
    today: () => limits.calendar.dayOf(now),
    async charge(subjects) {
      if (limited.length === 0) return;
      const takenOf = (grant: Grant): number => charged.get(keyOf(grant, now))?.subjects ?? 0;
      const due = limited.map((grant) => ({ grant, subjects: Math.max(0, subjects - takenOf(grant)) }));
      await limits.charge(due, now);
      for (const { grant, subjects: more } of due)
        charged.set(keyOf(grant, now), { grant, at: now, subjects: takenOf(grant) + more });
    },
    refund(subjects) {
      for (const grant of limited) {
        const taken = charged.get(keyOf(grant, now));
        if (taken !== undefined) giveBack(taken, subjects);
      }
    },
    async countAttempt({ dataset, id }) {
      if (attempted) return;
      await limits.countAttempt(department, subjectRef(secrets, dataset, id), now);
      attempted = true;
    },
  });
  return {
    meet,
    giveUp() {
      for (const taken of charged.values()) giveBack(taken, Infinity);
    },
  };
}

/** The occasion of an exchange that is only rehearsed: nothing is counted. */
export function createRehearsedOccasion(
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
