/** For tests of hints: a year of exchanges without anything that is odd. */
import type { Fact } from '../../src/audit/hints/tallies.ts';
import { createOfficeHours } from '../../src/base/office-hours.ts';

/**
 * A year at work as one would like it: three departments with a dozen officials each, who work in office hours with a
 * dip at noon, some more diligent than others, now and then on a weekend; one department with shifts; a purpose whose
 * cases are forgotten at times; refusals and ids of nobody at ordinary rates, and a client that is set up wrongly for an
 * afternoon.
 */
export function ordinaryYear(seed: number): Fact[][] {
  const random = mulberry(seed);
  const office = createOfficeHours('Asia/Shanghai');
  const weeks: Fact[][] = [];
  let index = 0;
  const start = Date.parse('2025-12-31T16:00:00.000Z');
  for (let week = 0; week < 52; week++) {
    const facts: Fact[] = [];
    for (const [consumer, perWeek] of [
      ['civil-affairs', 45],
      ['taxation', 60],
      ['human-resources', 30],
      ['emergency', 25],
    ] as const)
      for (let one = 0; one < 12; one++) {
        const diligence = 0.5 + random() + (one === 0 ? 0.8 : 0);
        const asked = Math.round(perWeek * diligence);
        for (let i = 0; i < asked; i++) {
          const time = workTime(start + week * 7 * dayMs, consumer === 'emergency');
          if (time === null) continue;
          const purpose = `${consumer}-${i % 3}`;
          const chance = random();
          const outcome = chance < 0.02 ? 'refused' : chance < 0.05 ? 'absent' : 'released';
          facts.push({
            index: index++,
            time,
            consumer,
            official: `${consumer}-${one}`,
            purpose,
            hasCase: random() > 0.08,
            outcome,
            subjects: 1,
            absent: outcome === 'absent' ? 1 : 0,
            run: 0,
          });
        }
      }
    // A form was changed, and one official's requests name a field that is not granted, until somebody calls.
    if (week % 13 === 5) spoil(facts, 8);
    weeks.push(facts.toSorted((a, b) => a.time.getTime() - b.time.getTime()));
  }
  return weeks;

  function workTime(weekMs: number, shifts: boolean): Date | null {
    const day = Math.floor(random() * 7);
    const weekend = random() < 0.03;
    const hour = shifts ? random() * 24 : 8.5 + Math.min(9, Math.abs(random() + random()) * 4.7);
    const time = new Date(weekMs + day * dayMs + hour * 3_600_000);
    return shifts || weekend || !office.isOff(time) ? time : null;
  }

  function spoil(facts: Fact[], count: number): void {
    for (const fact of facts.slice(0, count)) fact.outcome = 'refused';
  }
}

const dayMs = 24 * 60 * 60 * 1000;

/** Numbers from 0 to 1 that are the same for a seed. */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
