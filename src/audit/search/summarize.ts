import { sql, type RawBuilder } from 'kysely';
import type { Database } from '../../db/database.ts';
import {
  conditions,
  endOf,
  maxScanned,
  namesSubject,
  rangeOf,
  scan,
  type EntryFilter,
  type Range,
  type Visibility,
} from './filter.ts';

/** By what entries can be counted. `hour` is UTC, `day` one of the gateway's time zone. */
export const dimensions = [
  'consumer',
  'provider',
  'dataset',
  'purpose',
  'outcome',
  'official',
  'hour',
  'day',
] as const;
export type Dimension = (typeof dimensions)[number];

/** One count: a value for each dimension (null where entries have none), and how many entries have these. */
export type Group = Partial<Record<Dimension, string | null>> & { entries: number };

/** Why there is no summary: it would look at too many entries, or have too many groups. */
export type TooMuch = 'entries' | 'groups';

/** How many entries a summary looks at, and into how many groups it counts them. */
export const maxEntries = 2_000_000;
export const maxGroups = 10_000;

/** What is counted: which entries, whose, by what, in which time zone. */
export interface SummaryQuestion {
  filter: EntryFilter;
  visibility: Visibility;
  by: readonly Dimension[];
  timeZone: string;
}

/**
 * Counts entries, in short statements of bounded work: first those that the search tables don't hold yet, then those in
 * them. What is kept is no more than the groups.
 *
 * @param signal ends it between two statements
 * @returns the groups in the order of their values, nulls last; or what there is too much of
 */
export async function summarize(
  database: Database,
  question: SummaryQuestion,
  signal?: AbortSignal,
): Promise<Group[] | TooMuch> {
  const groups = new Map<string, Group>();
  const indexed = await indexedUpTo(database);
  const steps = [countTail, countIndexed];
  let scannedSoFar = 0;
  for (const count of steps)
    for (let before: number | null = null, ended = false; !ended;) {
      signal?.throwIfAborted();
      const step = await count(database, question, indexed, before);
      scannedSoFar += step.scanned;
      if (scannedSoFar > maxEntries) return 'entries';
      for (const group of step.groups) addToGroup(groups, question.by, group);
      if (groups.size > maxGroups) return 'groups';
      ended = step.scannedTo === null;
      before = step.scannedTo;
    }
  return [...groups.values()].sort((a, b) => compareGroups(question.by, a, b));
}

/** What one statement counted; `scannedTo` is the index below which the next one goes on, null at the end. */
interface SummaryStep {
  groups: Group[];
  scanned: number;
  scannedTo: number | null;
}

type CountRow = Partial<Record<Dimension, string | null>> & {
  entries: number | null;
  scanned: number;
  scanned_to: number | null;
};

async function indexedUpTo(database: Database): Promise<number> {
  const { rows } = await sql<{ indexed: number }>`select audit.indexed() as indexed`.execute(database);
  return rows[0]!.indexed;
}

async function countTail(
  database: Database,
  question: SummaryQuestion,
  indexed: number,
  before: number | null,
): Promise<SummaryStep> {
  const { filter, visibility } = question;
  const scanned = sql`select f.* from audit.parsed f
    where f.index >= ${indexed} and f.index < ${endOf(before)}
    order by f.index desc limit ${maxScanned}`;
  const counted = sql`scanned f where ${conditions(filter, visibility)}
    and ${filter.subjectRefs === undefined ? sql`true` : sql`f.subjects && ${filter.subjectRefs}::text[]`}`;
  return countScanned(database, question, scanned, counted);
}

async function countIndexed(
  database: Database,
  question: SummaryQuestion,
  indexed: number,
  before: number | null,
): Promise<SummaryStep> {
  const { filter, visibility } = question;
  const { rows } = await sql<Range>`
    select r.low, least(r."end", ${indexed}::bigint) as "end", r.strays from (${rangeOf(filter, before)}) r`.execute(
    database,
  );
  const counted = sql`scanned f
    where ${conditions(filter, visibility)} and ${namesSubject(filter)}`;
  return countScanned(database, question, scan(filter, visibility, rows[0]!), counted);
}

async function countScanned(
  database: Database,
  { by, timeZone }: SummaryQuestion,
  scanned: RawBuilder<unknown>,
  counted: RawBuilder<unknown>,
): Promise<SummaryStep> {
  const columns = sql.join(
    by.map((dimension) => sql`${valueOf(dimension, timeZone)} as ${sql.ref(dimension)}`),
  );
  const { rows } = await sql<CountRow>`
    with scanned as materialized (${scanned}), counted as (
      select ${columns}, count(*) as entries from ${counted} group by ${sql.join(by.map((_, i) => sql.lit(i + 1)))}
    )
    select c.*, s.scanned, s.scanned_to
    from (select count(*) as scanned, case when count(*) = ${maxScanned} then min(index) end as scanned_to
          from scanned) s left join counted c on true`.execute(database);
  const { scanned: scannedSoFar, scanned_to: scannedTo } = rows[0]!;
  const groups = rows.flatMap((row) =>
    row.entries === null
      ? []
      : [{ ...Object.fromEntries(by.map((name) => [name, row[name] ?? null])), entries: row.entries }],
  );
  return { groups, scanned: scannedSoFar, scannedTo };
}

function valueOf(dimension: Dimension, timeZone: string): RawBuilder<unknown> {
  if (dimension === 'day') return sql`to_char(f.at at time zone ${timeZone}, 'YYYY-MM-DD')`;
  if (dimension === 'hour') return sql`to_char(f.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24":00:00.000Z"')`;
  return sql`f.${sql.ref(dimension)}`;
}

function keyOf(by: readonly Dimension[], group: Group): string {
  return JSON.stringify(by.map((dimension) => group[dimension]));
}

function addToGroup(groups: Map<string, Group>, by: readonly Dimension[], group: Group): void {
  const key = keyOf(by, group);
  const sum = groups.get(key);
  if (sum === undefined) groups.set(key, group);
  else sum.entries += group.entries;
}

function compareGroups(by: readonly Dimension[], one: Group, other: Group): number {
  for (const dimension of by) {
    const [a, b] = [one[dimension] ?? null, other[dimension] ?? null];
    if (a === b) continue;
    if (a === null || b === null) return a === null ? 1 : -1;
    return a < b ? -1 : 1;
  }
  return 0;
}
