/** What the rules of hints count with. */

/** What a rule may know of an exchange. */
export interface Fact {
  index: number;
  time: Date;
  consumer: string;
  official: string | null;
  purpose: string | null;
  hasCase: boolean;
  outcome: string;
  /** Subjects asked for. */
  subjects: number;
  /** Of these, how many there were not. */
  absent: number;
  /** Length of the run of neighbouring ids that it is part of; 0 when it tells none. */
  run: number;
}

/** How many entries a hint names. */
export const maxEntriesNamed = 20;

/** What is kept of the exchanges that a hint may be about. */
export interface Tally {
  consumer: string;
  official: string | null;
  purpose: string | null;
  from: Date;
  to: Date;
  count: number;
  of: number;
  entries: number[];
}

/** Tallies by whom they are about. */
export function createTallies(keyOf: (fact: Fact) => string) {
  const all = new Map<string, Tally>();
  function of(fact: Fact, about: Partial<Pick<Fact, 'official' | 'purpose'>>): Tally {
    const key = keyOf(fact);
    let tally = all.get(key);
    if (tally === undefined) {
      const { consumer, time } = fact;
      tally = {
        consumer,
        official: null,
        purpose: null,
        ...about,
        from: time,
        to: time,
        count: 0,
        of: 0,
        entries: [],
      };
      all.set(key, tally);
    }
    return tally;
  }
  return { all, of };
}

/** Counts a fact in a tally, by one or by its subjects. */
export function count(tally: Tally, fact: Fact, by = 1): void {
  if (tally.count === 0) tally.from = fact.time;
  tally.count += by;
  tally.to = fact.time;
  if (tally.entries.length < maxEntriesNamed) tally.entries.push(fact.index);
}

/** Those of the facts taken that are no older than a span, seen from the last one. */
export function recent(spanMs: number): {
  take(fact: Fact): void;
  count(): number;
  first(most: number): Fact[];
} {
  const facts: Fact[] = [];
  let first = 0;
  return {
    take(fact) {
      facts.push(fact);
      while (facts[first]!.time.getTime() < fact.time.getTime() - spanMs) first++;
      if (first > facts.length / 2) {
        facts.splice(0, first);
        first = 0;
      }
    },
    count: () => facts.length - first,
    first: (most) => facts.slice(first, first + most),
  };
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
