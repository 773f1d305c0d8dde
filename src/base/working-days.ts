const dayMs = 86_400_000;

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

/** Whether offices are open on a day. @param day YYYY-MM-DD */
export function isWorkingDay(day: string): boolean {
  if (holidays.has(day)) return false;
  const weekday = new Date(`${day}T00:00:00Z`).getUTCDay();
  return (weekday !== 0 && weekday !== 6) || workedWeekends.has(day);
}

/** The day after so many working days, which begin with the day after `day`. @param day YYYY-MM-DD */
export function dayAfterWorkingDays(day: string, count: number): string {
  let ms = Date.parse(`${day}T00:00:00Z`) + dayMs;
  for (let left = count; left > 0; ms += dayMs) if (isWorkingDay(toDay(ms))) left--;
  return toDay(ms);
}

function days(spans: readonly (readonly [string, string])[]): Set<string> {
  const all = new Set<string>();
  for (const [first, last] of spans)
    for (let ms = Date.parse(first); ms <= Date.parse(last); ms += dayMs) all.add(toDay(ms));
  return all;
}

function toDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
