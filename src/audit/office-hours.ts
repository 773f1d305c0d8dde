import type { OfficeHours } from './hint-watches.ts';

/** Nobody is expected at work before and after these hours. */
const firstHour = 6;
const lastHour = 22;

/**
 * Public holidays on weekdays, and weekend days that are worked instead, as the General Office of the State Council
 * announces them each November. Other years have their weekends alone.
 */
const holidays = days([
  ['2026-01-01', '2026-01-03'],
  ['2026-02-15', '2026-02-23'],
  ['2026-04-04', '2026-04-06'],
  ['2026-05-01', '2026-05-05'],
  ['2026-06-19', '2026-06-21'],
  ['2026-09-25', '2026-09-27'],
  ['2026-10-01', '2026-10-07'],
]);
const workedWeekends = new Set([
  '2026-01-04',
  '2026-02-14',
  '2026-02-28',
  '2026-05-09',
  '2026-09-20',
  '2026-10-10',
]);

/** Office hours of a time zone. */
export function createOfficeHours(timeZone: string): OfficeHours {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    hourCycle: 'h23',
    weekday: 'short',
  });
  let lastQuarter = NaN;
  let wasOff = false;

  function isOffAt(time: Date): boolean {
    const parts = Object.fromEntries(format.formatToParts(time).map(({ type, value }) => [type, value]));
    const day = `${parts.year}-${parts.month}-${parts.day}`;
    const hour = Number(parts.hour);
    if (hour < firstHour || hour >= lastHour || holidays.has(day)) return true;
    return ['Sat', 'Sun'].includes(parts.weekday!) && !workedWeekends.has(day);
  }

  return {
    // Hours begin with a quarter in every time zone there is.
    isOff(time) {
      const quarter = Math.floor(time.getTime() / 900_000);
      if (quarter !== lastQuarter) {
        wasOff = isOffAt(time);
        lastQuarter = quarter;
      }
      return wasOff;
    },
  };
}

function days(spans: readonly (readonly [string, string])[]): Set<string> {
  const all = new Set<string>();
  for (const [first, last] of spans)
    for (let ms = Date.parse(first); ms <= Date.parse(last); ms += 86_400_000)
      all.add(new Date(ms).toISOString().slice(0, 10));
  return all;
}
