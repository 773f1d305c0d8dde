import fc from 'fast-check';
import t from 'tap';
import { dayAfterWorkingDays, isWorkingDay } from '../../src/base/working-days.ts';

await t.test(
  'offices are open on weekdays, but on holidays, and on weekends that are worked instead',
  (t) => {
    t.ok(isWorkingDay('2026-11-26'), 'a Thursday');
    t.notOk(isWorkingDay('2026-11-28'), 'a Saturday');
    t.notOk(isWorkingDay('2026-11-29'), 'a Sunday');
    t.notOk(isWorkingDay('2026-10-01'), 'National Day, a Thursday');
    t.ok(isWorkingDay('2026-10-10'), 'a Saturday that is worked');
    t.ok(isWorkingDay('2029-10-01'), 'a year whose holidays are not announced');
    t.end();
  },
);

await t.test('counts working days from the day after', (t) => {
  t.equal(dayAfterWorkingDays('2026-11-26', 1), '2026-11-28', 'over on Friday night');
  t.equal(dayAfterWorkingDays('2026-11-27', 1), '2026-12-01', 'over the weekend');
  t.equal(dayAfterWorkingDays('2026-11-26', 10), '2026-12-11');
  t.equal(dayAfterWorkingDays('2026-09-30', 1), '2026-10-09', 'over a week of holidays');
  t.equal(dayAfterWorkingDays('2026-10-09', 1), '2026-10-11', 'a Saturday that is worked');
  t.end();
});

await t.test('has as many working days in between as were counted', (t) => {
  const day = fc
    .date({ min: new Date('2025-06-01'), max: new Date('2028-01-01'), noInvalidDate: true })
    .map((date) => date.toISOString().slice(0, 10));
  fc.assert(
    fc.property(day, fc.integer({ min: 1, max: 40 }), (from, count) => {
      const end = dayAfterWorkingDays(from, count);
      let working = 0;
      for (let ms = Date.parse(from) + 86_400_000; ms < Date.parse(end); ms += 86_400_000)
        if (isWorkingDay(new Date(ms).toISOString().slice(0, 10))) working++;
      return (
        working === count && isWorkingDay(new Date(Date.parse(end) - 86_400_000).toISOString().slice(0, 10))
      );
    }),
  );
  t.end();
});
