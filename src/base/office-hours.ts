import { isWorkingDay } from './working-days.ts';

/** Nobody is expected at work before and after these hours. */
const firstHour = 6;
const lastHour = 22;

/** Office hours of a time zone. */
export function createOfficeHours(timeZone: string): OfficeHours {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    hourCycle: 'h23',
  });
  let lastQuarter = NaN;
  let wasOff = false;

  function isOffAt(time: Date): boolean {
    const parts = Object.fromEntries(format.formatToParts(time).map(({ type, value }) => [type, value]));
    const day = `${parts.year}-${parts.month}-${parts.day}`;
    const hour = Number(parts.hour);
    return hour < firstHour || hour >= lastHour || !isWorkingDay(day);
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

/** Days and hours as the gateway's time zone has them. */
export interface OfficeHours {
  /** Whether nobody is expected at work. */
  isOff(time: Date): boolean;
}
