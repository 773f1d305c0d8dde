import type { Catalogue } from '../../catalogue/catalogue.ts';
import { leastRetentionYears } from '../../catalogue/dataset-schema.ts';

/**
 * How many months an entry stays in the database at least, where it is found at once: network logs are kept for no less
 * than six months (Cybersecurity Law, 2016, art. 21 (3)).
 */
export const leastMonthsOnline = 6;

/** The time of the newest entry of each dataset; null stands for entries that are about none. */
export type NewestEntries = Map<string | null, Date>;

/** How long entries are kept. */
export interface Retention {
  /** The first day, YYYY-MM-DD by UTC, on which no entry of these has to be kept any more. */
  keepUntil: (newest: NewestEntries) => string;
}

/**
 * Entries are kept for the largest number of years that a version of their dataset declares. Acts that govern, and the
 * keys that open seals, concern all exchanges: they are kept for the largest number of years of all datasets. The same
 * holds for entries of a dataset that is not in the catalogue.
 */
export function createRetention({ datasets }: Pick<Catalogue, 'datasets'>): Retention {
  const years = new Map<string | null, number>();
  for (const { name, retentionYears } of datasets)
    years.set(name, Math.max(retentionYears, years.get(name) ?? 0));
  const longest = Math.max(leastRetentionYears, ...years.values());
  return {
    keepUntil: (newest) =>
      [...newest].map(([dataset, time]) => dayAfter(time, years.get(dataset) ?? longest)).reduce(later),
  };
}

function later(a: string, b: string): string {
  return a > b ? a : b;
}

/** The day after the one on which so many whole years have passed. */
function dayAfter(time: Date, years: number): string {
  const day = new Date(time);
  day.setUTCFullYear(day.getUTCFullYear() + years, day.getUTCMonth(), day.getUTCDate() + 1);
  return day.toISOString().slice(0, 10);
}

/** The newest day that entries may be archived before. @param today YYYY-MM-DD */
export function latestArchiveDay(today: string): string {
  const [year = 0, month = 0, day = 0] = today.split('-').map(Number);
  const first = new Date(Date.UTC(year, month - 1 - leastMonthsOnline, 1));
  // A month may have fewer days: 31 August less six months is the end of February.
  const daysInMonth = new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 0)).getUTCDate();
  first.setUTCDate(Math.min(day, daysInMonth));
  return first.toISOString().slice(0, 10);
}
