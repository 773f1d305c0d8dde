/**
 * What an auditor should look at. Each rule is a pure function of a history: it takes facts in the order of the log,
 * keeps no more than counts, and says at the end what it found. A hint is a reason to ask, and proves nothing.
 */

import {
  count,
  maxEntriesNamed,
  medianOf,
  recent,
  sum,
  createTallies,
  type Fact,
  type Tally,
} from './tallies.ts';
import type { OfficeHours } from '../../base/office-hours.ts';

/** The rules by their names. */
export type RuleName = 'sequence' | 'official' | 'hours' | 'no-case' | 'refusals' | 'absent';

/** A finding: who, when, how much of what, and entries that show it. */
export interface Hint {
  rule: RuleName;
  consumer: string;
  official: string | null;
  purpose: string | null;
  from: Date;
  to: Date;
  /** What was counted, and above which count the rule speaks. */
  count: number;
  limit: number;
  /** The first indices that show it. */
  entries: number[];
}

/** A rule at work on one history. */
export interface Watch {
  take(fact: Fact): void;
  end(): Hint[];
}

/** From this length on a run of neighbouring ids is worth a look. */
export const leastRun = 10;
/** An official who asked for fewer subjects than this is nobody's concern. */
export const leastSubjects = 60;
/** How many officials of a department make an ordinary one. */
export const leastPeers = 5;
/** How many robust deviations (1.4826 times the median absolute deviation) above the median are too many. */
export const deviations = 8;
/** So many exchanges outside office hours, and such a share of all that the official made. */
export const leastOff = 12;
export const offShare = 0.5;
/** A department that is at work at all hours (this share of its exchanges) is not told of. */
export const aroundTheClock = 0.2;
/** So many exchanges for a purpose without one case, in a department that gives cases for others. */
export const leastWithoutCase = 30;
export const usualCaseShare = 0.8;
/** So many refusals within the span, and such a share of what was asked within it. */
export const leastRefusals = 20;
export const refusalShare = 0.5;
export const burstMs = 10 * 60_000;
/** So many subjects that there were not, and such a share of those asked for. */
export const leastAbsent = 30;
export const absentShare = 0.3;

function hint(rule: RuleName, { of: _of, ...tally }: Tally, limit: number): Hint {
  return { rule, ...tally, limit };
}

const byOfficial = ({ consumer, official }: Fact): string => JSON.stringify([consumer, official]);

/** Ids asked in sequence. */
export function watchSequence(): Watch {
  const { all, of } = createTallies(byOfficial);
  return {
    take(fact) {
      if (fact.run < leastRun) return;
      const tally = of(fact, { official: fact.official });
      const before = tally.count;
      count(tally, fact, 0);
      tally.count = Math.max(before, fact.run);
    },
    end: () => [...all.values()].map((tally) => hint('sequence', tally, leastRun)),
  };
}

/** One official asks far more than the others of the department. */
export function watchOfficials(): Watch {
  const { all, of } = createTallies(byOfficial);
  return {
    take(fact) {
      if (fact.official !== null) count(of(fact, { official: fact.official }), fact, fact.subjects);
    },
    end() {
      const departments = Map.groupBy(all.values(), ({ consumer }) => consumer);
      return [...departments.values()].flatMap((officials) => {
        if (officials.length < leastPeers) return [];
        const counts = officials.map((one) => one.count);
        const middle = medianOf(counts);
        const deviation = 1.4826 * medianOf(counts.map((one) => Math.abs(one - middle)));
        const spread = Math.max(deviation, Math.sqrt(middle), 1);
        const limit = Math.max(leastSubjects, Math.ceil(middle + deviations * spread));
        return officials.filter((one) => one.count > limit).map((one) => hint('official', one, limit));
      });
    },
  };
}

/** Nights and holidays, of whoever works at other hours than the department does. */
export function watchHours(office: OfficeHours): Watch {
  const { all, of } = createTallies(byOfficial);
  return {
    take(fact) {
      const tally = of(fact, { official: fact.official });
      tally.of++;
      if (office.isOff(fact.time)) count(tally, fact);
    },
    end() {
      const departments = Map.groupBy(all.values(), ({ consumer }) => consumer);
      return [...departments.values()].flatMap((officials) => {
        const off = sum(officials.map((one) => one.count));
        const of = sum(officials.map((one) => one.of));
        return officials
          .filter((one) => one.count >= leastOff && one.count >= offShare * one.of)
          .filter((one) => off - one.count < aroundTheClock * Math.max(1, of - one.of))
          .map((one) => hint('hours', one, leastOff));
      });
    },
  };
}

/** A purpose without any case, where the department gives cases for its other purposes. */
export function watchCases(): Watch {
  const { all, of } = createTallies(({ consumer, purpose }) => JSON.stringify([consumer, purpose]));
  return {
    take(fact) {
      if (fact.purpose === null || fact.outcome === 'refused') return;
      const tally = of(fact, { purpose: fact.purpose });
      tally.of++;
      if (!fact.hasCase) count(tally, fact);
    },
    end() {
      const departments = Map.groupBy(all.values(), ({ consumer }) => consumer);
      return [...departments.values()].flatMap((purposes) => {
        const without = sum(purposes.map((one) => one.count));
        const of = sum(purposes.map((one) => one.of));
        return purposes
          .filter((one) => one.count === one.of && one.count >= leastWithoutCase)
          .filter((one) => of > one.of && of - without >= usualCaseShare * (of - one.of))
          .map((one) => hint('no-case', one, leastWithoutCase));
      });
    },
  };
}

/** Many refusals within minutes. */
export function watchRefusals(): Watch {
  const windows = new Map<
    string,
    { asked: ReturnType<typeof recent>; refused: ReturnType<typeof recent>; found: Tally | null }
  >();
  return {
    take(fact) {
      let window = windows.get(fact.consumer);
      if (window === undefined)
        windows.set(
          fact.consumer,
          (window = { asked: recent(burstMs), refused: recent(burstMs), found: null }),
        );
      window.asked.take(fact);
      if (fact.outcome !== 'refused') return;
      window.refused.take(fact);
      const [asked, refused] = [window.asked.count(), window.refused.count()];
      if (refused < leastRefusals || refused < refusalShare * asked) return;
      if (window.found !== null && window.found.count >= refused) return;
      const named = window.refused.first(maxEntriesNamed);
      window.found = {
        consumer: fact.consumer,
        official: null,
        purpose: null,
        from: named[0]!.time,
        to: fact.time,
        count: refused,
        of: asked,
        entries: named.map(({ index }) => index),
      };
    },
    end: () =>
      [...windows.values()].flatMap(({ found }) =>
        found === null ? [] : [hint('refusals', found, leastRefusals)],
      ),
  };
}

/** Many subjects that there are not: somebody tries out ids, or works with a bad list. */
export function watchAbsent(): Watch {
  const { all, of } = createTallies(byOfficial);
  return {
    take(fact) {
      const tally = of(fact, { official: fact.official });
      tally.of += fact.subjects;
      if (fact.absent > 0) count(tally, fact, fact.absent);
    },
    end: () =>
      [...all.values()]
        .filter((one) => one.count >= leastAbsent && one.count >= absentShare * one.of)
        .map((one) => hint('absent', one, leastAbsent)),
  };
}
