/** Days as a time zone has them. */
export interface Calendar {
  /** The day of a moment, YYYY-MM-DD. */
  dayOf(moment: Date): string;
  /** The day before one, both YYYY-MM-DD. */
  dayBefore(day: string): string;
  /** The moment at which a day, YYYY-MM-DD, begins. */
  startOf(day: string): Date;
  /** Whole seconds until the next day begins, at least one. */
  secondsToNextDay(moment: Date): number;
}

const minuteMs = 60_000;
const daySeconds = 24 * 60 * 60;

/** @param timeZone an IANA name */
export function createCalendar(timeZone: string): Calendar {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  });
  let lastMinute = NaN;
  let lastDay = '';

  function partsOf(moment: Date): Record<string, string> {
    return Object.fromEntries(format.formatToParts(moment).map(({ type, value }) => [type, value]));
  }

  // Days begin with a minute in every time zone there is, and asking Intl costs more than all else that is counted.
  function dayOf(moment: Date): string {
    const minute = Math.floor(moment.getTime() / minuteMs);
    if (minute !== lastMinute) {
      const { year, month, day } = partsOf(moment);
      lastDay = `${year!.padStart(4, '0')}-${month}-${day}`;
      lastMinute = minute;
    }
    return lastDay;
  }

  return {
    dayOf,
    dayBefore: (day) =>
      new Date(Date.parse(`${day}T00:00:00Z`) - daySeconds * 1000).toISOString().slice(0, 10),
    startOf(day) {
      // Zones are at most 14 hours ahead and 12 behind, and days begin at a quarter of an hour.
      let ms = Date.parse(`${day}T00:00:00Z`) - 15 * 60 * minuteMs;
      while (dayOf(new Date(ms)) < day) ms += 15 * minuteMs;
      return new Date(ms);
    },
    secondsToNextDay(moment) {
      const { hour, minute, second } = partsOf(moment);
      const passed = Number(hour) * 3600 + Number(minute) * 60 + Number(second);
      return Math.max(1, daySeconds - passed);
    },
  };
}

/**
 * The whole years that have passed on a day since another: whoever was born on 29 February has a birthday on 1 March
 * of other years.
 *
 * @param born,today YYYY-MM-DD
 */
export function yearsBetween(born: string, today: string): number {
  const years = Number(today.slice(0, 4)) - Number(born.slice(0, 4));
  return today.slice(5) >= born.slice(5) ? years : years - 1;
}
