import fc from 'fast-check';
import t from 'tap';
import { createCalendar, yearsBetween } from '../../src/base/calendar.ts';

await t.test('tells the day that the time zone has', (t) => {
  const shanghai = createCalendar('Asia/Shanghai');
  t.equal(shanghai.dayOf(new Date('2026-11-25T15:59:59.999Z')), '2026-11-25');
  t.equal(shanghai.dayOf(new Date('2026-11-25T16:00:00.000Z')), '2026-11-26');
  t.equal(shanghai.secondsToNextDay(new Date('2026-11-25T15:59:30.000Z')), 30);
  t.equal(shanghai.secondsToNextDay(new Date('2026-11-25T16:00:00.000Z')), 24 * 60 * 60);
  const utc = createCalendar('UTC');
  t.equal(utc.dayOf(new Date('2026-12-31T23:59:59.000Z')), '2026-12-31');
  t.equal(utc.dayOf(new Date('2027-01-01T00:00:00.000Z')), '2027-01-01');
  t.equal(utc.dayOf(new Date('2026-12-31T23:59:59.000Z')), '2026-12-31', 'and of an earlier moment again');
  t.end();
});

await t.test('agrees with Intl at any moment, in any order', (t) => {
  const calendars = ['Asia/Shanghai', 'Asia/Kathmandu', 'America/St_Johns', 'UTC'].map((timeZone) => ({
    calendar: createCalendar(timeZone),
    format: new Intl.DateTimeFormat('en-CA', { timeZone, dateStyle: 'short' }),
  }));
  const moment = fc.date({ min: new Date('2000-01-01'), max: new Date('2100-01-01'), noInvalidDate: true });
  fc.assert(
    fc.property(moment, fc.constantFrom(...calendars), (at, { calendar, format }) => {
      const seconds = calendar.secondsToNextDay(at);
      const next = new Date(at.getTime() + seconds * 1000 + 2 * 3_600_000);
      return (
        calendar.dayOf(at) === format.format(at) && seconds > 0 && calendar.dayOf(next) > calendar.dayOf(at)
      );
    }),
    { numRuns: 500 },
  );
  t.end();
});

await t.test('knows when a day begins where the gateway is', (t) => {
  const begins = (day: string, zone: string): string => createCalendar(zone).startOf(day).toISOString();
  t.equal(begins('2026-05-25', 'Asia/Shanghai'), '2026-05-24T16:00:00.000Z');
  t.equal(begins('1988-06-01', 'Asia/Shanghai'), '1988-05-31T15:00:00.000Z', 'China had summer time');
  t.equal(begins('2028-02-29', 'Asia/Urumqi'), '2028-02-28T18:00:00.000Z');
  t.equal(begins('2026-05-25', 'UTC'), '2026-05-25T00:00:00.000Z');
  t.equal(begins('2026-05-25', 'America/Los_Angeles'), '2026-05-25T07:00:00.000Z');
  t.equal(begins('2026-05-25', 'Pacific/Kiritimati'), '2026-05-24T10:00:00.000Z');
  t.equal(begins('2026-05-25', 'Asia/Kathmandu'), '2026-05-24T18:15:00.000Z');
  t.end();
});

await t.test('counts whole years from birthday to birthday', (t) => {
  const cases: [born: string, today: string, years: number][] = [
    ['2008-11-25', '2026-11-24', 17],
    ['2008-11-25', '2026-11-25', 18],
    ['2008-11-25', '2026-12-01', 18],
    ['2008-02-29', '2026-02-28', 17],
    ['2008-02-29', '2026-03-01', 18],
    ['2008-02-29', '2024-02-29', 16],
    ['2026-11-25', '2026-11-25', 0],
    ['2026-11-26', '2026-11-25', -1],
    ['1923-01-05', '2026-11-25', 103],
  ];
  for (const [born, today, years] of cases) t.equal(yearsBetween(born, today), years, `${born} on ${today}`);
  t.end();
});
