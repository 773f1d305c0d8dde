import fc from 'fast-check';
import t from 'tap';
import { watchAll } from '../../../src/audit/hints/rules.ts';
import type { Fact } from '../../../src/audit/hints/tallies.ts';
import {
  leastAbsent,
  leastOff,
  leastPeers,
  leastRefusals,
  leastRun,
  leastSubjects,
  leastWithoutCase,
  type Hint,
} from '../../../src/audit/hints/watches.ts';
import { type OfficeHours } from '../../../src/base/office-hours.ts';
import { createOfficeHours } from '../../../src/base/office-hours.ts';
import { ordinaryYear } from '../../helpers/ordinary-year.ts';

const office = createOfficeHours('Asia/Shanghai');
/** A Wednesday, 10:00 in Shanghai. */
const morning = Date.parse('2026-11-25T02:00:00.000Z');
const minuteMs = 60_000;

/** A history of facts that say no more than what matters; ten minutes apart when they name no time. */
function history(facts: readonly Partial<Fact>[]): Fact[] {
  return facts.map((fact, index) => ({
    index,
    time: new Date(morning + index * 1000),
    consumer: 'civil-affairs',
    official: 'li',
    purpose: 'marriage-registration',
    hasCase: true,
    outcome: 'released',
    subjects: 1,
    absent: 0,
    run: 0,
    ...fact,
  }));
}

function find(facts: readonly Fact[], hours: OfficeHours = office): Hint[] {
  const watch = watchAll(hours);
  for (const fact of facts) watch.take(fact);
  return watch.end();
}

const times = (count: number, fact: (i: number) => Partial<Fact>): Partial<Fact>[] =>
  Array.from({ length: count }, (_, i) => fact(i));
const named = (facts: readonly Partial<Fact>[]): string[] => find(history(facts)).map(({ rule }) => rule);

await t.test('ids asked in sequence', (t) => {
  t.strictSame(named([{ run: leastRun - 1 }]), []);
  const [found, ...more] = find(history([{}, { run: leastRun }, { run: leastRun + 1 }]));
  t.strictSame(more, []);
  t.match(found, { rule: 'sequence', official: 'li', count: leastRun + 1, limit: leastRun, entries: [1, 2] });
  t.end();
});

await t.test('one official asks far more than the others', (t) => {
  const peers = times(leastPeers * 10, (i) => ({ official: `peer-${i % leastPeers}` }));
  t.strictSame(named([...peers, ...times(leastSubjects, () => ({}))]), []);
  const [found, ...more] = find(history([...peers, ...times(leastSubjects + 1, () => ({}))]));
  t.strictSame(more, []);
  t.match(found, { rule: 'official', official: 'li', count: leastSubjects + 1, limit: leastSubjects });
  t.equal(found!.entries[0], peers.length);
  const few = peers.filter((_, i) => i % leastPeers < leastPeers - 2);
  t.strictSame(named([...few, ...times(leastSubjects * 5, () => ({}))]), [], 'with too few others to tell');
  t.strictSame(
    named([...peers, { subjects: leastSubjects + 1 }]),
    ['official'],
    'a batch counts its subjects',
  );
  t.end();
});

await t.test('nights and holidays', (t) => {
  const night = (i: number): Partial<Fact> => ({
    time: new Date(Date.parse('2026-11-24T16:00:00Z') + i * minuteMs),
  });
  const day = times(200, (i) => ({ official: 'wang', time: new Date(morning + i * minuteMs) }));
  t.strictSame(named([...times(leastOff - 1, night), ...day]), []);
  t.strictSame(named([...times(leastOff, night), ...day]), ['hours']);
  const own = times(leastOff + 1, (i) => ({ time: new Date(morning + i * minuteMs) }));
  t.strictSame(named([...times(leastOff, night), ...day, ...own]), [], 'who works by day more than by night');
  const all = day.map((fact, i) => (i % 3 === 0 ? { ...fact, ...night(i) } : fact));
  t.strictSame(named([...times(leastOff, night), ...all]), [], 'where the department works around the clock');
  t.end();
});

await t.test('a purpose without any case', (t) => {
  const others = times(50, () => ({ purpose: 'adoption' }));
  const without = (): Partial<Fact> => ({ hasCase: false });
  t.strictSame(named([...others, ...times(leastWithoutCase - 1, without)]), []);
  const [found, ...more] = find(history([...others, ...times(leastWithoutCase, without)]));
  t.strictSame(more, []);
  t.match(found, {
    rule: 'no-case',
    purpose: 'marriage-registration',
    official: null,
    count: leastWithoutCase,
  });
  t.strictSame(named([...others, ...times(leastWithoutCase, without), {}]), [], 'with one case');
  t.strictSame(named(times(leastWithoutCase, without)), [], 'where the department has no other purpose');
  t.end();
});

await t.test(
  'many invented officials cost no more than they are, and of their hints the largest are told',
  (t) => {
    const names = 10_000;
    const facts = history(
      times(names, (i) => ({ official: `made-up-${i}`, subjects: 40 + (i % 7), absent: 40 + (i % 7) })),
    );
    const nights = history(
      times(names * 12, (i) => ({
        official: `made-up-${i % names}`,
        time: new Date(morning - 8 * 60 * minuteMs),
      })),
    );
    const hints = find([...facts, ...nights]).filter(({ rule }) => rule === 'absent');
    t.equal(hints.length, 100);
    t.ok(hints.every(({ count }) => count === 46));
    t.end();
  },
);

await t.test('a burst of refusals', (t) => {
  const refused = (i: number): Partial<Fact> => ({ outcome: 'refused', time: new Date(morning + i * 1000) });
  t.strictSame(named(times(leastRefusals - 1, refused)), []);
  const [found, ...more] = find(history(times(leastRefusals + 5, refused)));
  t.strictSame(more, []);
  t.match(found, { rule: 'refusals', consumer: 'civil-affairs', count: leastRefusals + 5 });
  const slow = (i: number): Partial<Fact> => ({ outcome: 'refused', time: new Date(morning + i * minuteMs) });
  t.strictSame(named(times(100, slow)), [], 'spread over more than ten minutes');
  const good = times(leastRefusals * 2, (i) => ({ time: new Date(morning + i) }));
  t.strictSame(named([...good, ...times(leastRefusals, refused)]), [], 'among many that were answered');
  const many = (count: number, more: Partial<Fact>): Fact[] =>
    history(times(count, (i) => ({ ...more, time: new Date(morning + i * 20) })));
  const flood = [...many(2100, {}), ...many(5000, { outcome: 'refused' })].toSorted(
    (a, b) => a.time.getTime() - b.time.getTime(),
  );
  t.match(find(flood), [{ rule: 'refusals', count: 5000 }], 'however many');
  t.end();
});

await t.test('many ids that there are not', (t) => {
  const absent = (): Partial<Fact> => ({ outcome: 'absent', absent: 1 });
  t.strictSame(named(times(leastAbsent - 1, absent)), []);
  t.strictSame(named(times(leastAbsent, absent)), ['absent']);
  t.strictSame(named([{ subjects: 100, absent: leastAbsent }]), ['absent']);
  t.strictSame(named([{ subjects: 101, absent: leastAbsent }]), [], 'less than three in ten');
  t.end();
});

await t.test('office hours are those of the time zone, with holidays and worked weekends', (t) => {
  const isOff = (time: string): boolean => office.isOff(new Date(`${time}+08:00`));
  t.notOk(isOff('2026-11-25T06:00:00'));
  t.ok(isOff('2026-11-25T05:59:59'));
  t.notOk(isOff('2026-11-25T21:59:59'));
  t.ok(isOff('2026-11-25T22:00:00'));
  t.ok(isOff('2026-11-28T10:00:00'), 'a Saturday');
  t.ok(isOff('2026-10-01T10:00:00'), 'National Day');
  t.notOk(isOff('2026-10-10T10:00:00'), 'a Saturday that is worked');
  t.end();
});

await t.test('what others do on other departments never changes what is found', (t) => {
  const fact = fc.record({
    official: fc.constantFrom('li', 'wang', 'zhao', 'sun', 'zhou', 'wu', null),
    subjects: fc.integer({ min: 1, max: 300 }),
    outcome: fc.constantFrom('released', 'absent', 'refused'),
    hasCase: fc.boolean(),
    run: fc.integer({ min: 0, max: 20 }),
    purpose: fc.constantFrom('a', 'b'),
  });
  fc.assert(
    fc.property(fc.array(fact, { maxLength: 120 }), fc.array(fact, { maxLength: 60 }), (own, foreign) => {
      const facts = history([...own, ...foreign.map((one) => ({ ...one, consumer: 'taxation' }))]);
      const ownFacts = facts.filter(({ consumer }) => consumer === 'civil-affairs');
      const found = find(facts).filter(({ consumer }) => consumer === 'civil-affairs');
      return JSON.stringify(found) === JSON.stringify(find(ownFacts));
    }),
  );
  t.end();
});

await t.test('an ordinary year, week by week, gives few false alarms', (t) => {
  const weeks = ordinaryYear(20260101);
  const counts: Record<string, number> = {};
  let facts = 0;
  for (const week of weeks) {
    facts += week.length;
    for (const { rule } of find(week)) counts[rule] = (counts[rule] ?? 0) + 1;
  }
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  t.comment(`false alarms in ${weeks.length} weeks, ${facts} exchanges: ${all} ${JSON.stringify(counts)}`);
  t.ok(facts > 50_000);
  t.ok(all <= weeks.length / 4, `${all} false alarms: at most one in four weeks`);
  t.end();
});
