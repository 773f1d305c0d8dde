import { sql, type RawBuilder } from 'kysely';

/** Which entries a search is after. All that are given must hold. */
export interface EntryFilter {
  consumer?: string | undefined;
  provider?: string | undefined;
  dataset?: string | undefined;
  purpose?: string | undefined;
  outcome?: string | undefined;
  /** Id of the official at the asking department. */
  official?: string | undefined;
  caseNo?: string | undefined;
  kind?: string | undefined;
  /** W3C trace id, 32 hexadecimal digits. */
  traceId?: string | undefined;
  /** The dataset whose subject is sought: entries of any dataset may name it. */
  subjectDataset?: string | undefined;
  /** The subject's keyed hashes, base64url; any of them. */
  subjectRefs?: string[] | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
  /** Exchanges that their subjects may not see yet: they are left out. */
  withheld?: Withholding | undefined;
}

/** Entries of a purpose that are newer than its time are withheld, and those of purposes that are not named. */
export type Withholding = readonly { purpose: string; until: Date }[];

/** Whose entries the asker may see: all, or those that it asked for or provided the data of. */
export type Visibility = 'all' | { consumer?: string; provider?: string };

/** How many entries one page looks at: a search for what is rare goes on with the next page. */
export const maxScanned = 20_000;
/** How far the clocks of gateways may differ: entries stand in the order of the log, not of their times. */
const clockSkew = sql`interval '5 minutes'`;
const endless = sql`9223372036854775807::bigint`;

/** The index that a page stays below; null for the newest page. */
export function endOf(before: number | null): RawBuilder<unknown> {
  return before === null ? endless : sql`${before}::bigint`;
}

/** Where a time lies in the log. */
export interface Range {
  /** From this index on, and before that one, it has all entries of the time but strays. */
  low: number;
  end: number;
  /** Entries of the time outside of it, whose clocks were wrong: the newest that one page looks at. */
  strays: number[];
}

/**
 * The range of a filter's time, as one row of the columns of `Range`: by what the log has told up to each entry, so that
 * no entry with a wrong clock moves it for others.
 *
 * @param before the index at which the page before ended; null for none
 */
export function rangeOf(
  { from, to }: Pick<EntryFilter, 'from' | 'to'>,
  before: number | null,
): RawBuilder<unknown> {
  const toldFrom = (time: RawBuilder<unknown>): RawBuilder<unknown> =>
    sql`(select f.index from audit.find f where f.so_far >= ${time} order by f.so_far, f.index limit 1)`;
  const low =
    from === undefined
      ? sql`0::bigint`
      : sql`coalesce(${toldFrom(sql`${from}::timestamptz`)}, audit.indexed())`;
  const high =
    to === undefined
      ? endless
      : sql`coalesce(${toldFrom(sql`${to}::timestamptz + ${clockSkew}`)}, ${endless})`;
  const end = endOf(before);
  const strays =
    from === undefined && to === undefined
      ? sql`'[]'::json`
      : // They are few, and have an index of their own: "offset 0" has them looked for by it.
        sql`(select coalesce(json_agg(s.index), '[]') from (select s.index from (
               select f.index from audit.find f where (f.at > f.so_far or f.so_far - f.at > ${clockSkew})
                 and ${from === undefined ? sql`true` : sql`f.at >= ${from}`}
                 and ${to === undefined ? sql`true` : sql`f.at < ${to}`} offset 0) s
             where s.index < ${end} and (s.index < r.low or s.index >= r.high)
             order by s.index desc limit ${maxScanned}) s)`;
  return sql`select r.low, least(r.high, ${end}) as "end", ${strays} as strays
    from (select ${low} as low, ${high} as high) r`;
}

/** Rows of the search tables, newest first, that a page looks at. Who may not see all looks at its own alone. */
export function scan(filter: EntryFilter, visibility: Visibility, range: Range): RawBuilder<unknown> {
  const inOrder = scanRange(filter, visibility, range);
  if (range.strays.length === 0) return inOrder;
  return sql`select * from (
      (${inOrder}) union all
      (select f.* from audit.find f where f.index = any(${range.strays}::bigint[]) and ${isOwn(visibility)})) f ${newest}`;
}

const newest = sql`order by index desc limit ${maxScanned}`;

function scanRange(filter: EntryFilter, visibility: Visibility, { low, end }: Range): RawBuilder<unknown> {
  const inRange = sql`index >= ${low} and index < ${end}`;
  const scanBy = (condition: RawBuilder<unknown>): RawBuilder<unknown> =>
    sql`select f.* from audit.find f where ${inRange} and ${condition} ${newest}`;
  if (visibility === 'all' && filter.subjectRefs !== undefined)
    // A subject that is in very many entries has its newest looked at.
    return sql`select f.* from (
        select distinct s.index as sought from unnest(${filter.subjectRefs}::text[]) as r(ref)
        cross join lateral (select index from audit.find_subject
          where subject_ref = audit.subject_ref(r.ref) and ${inRange} ${newest}) s) s
      join audit.find f on f.index = s.sought ${newest}`;
  if (visibility === 'all') return scanBy(leadingCondition(filter));
  const own = ownConditions(visibility);
  if (own.length === 1) return scanBy(own[0]!);
  // The newest by each index; what fits both is taken once.
  const branches = own.map(
    (condition) => sql`(select index from audit.find f where ${inRange} and ${condition} ${newest})`,
  );
  return sql`select f.* from (
      select index as own from (${sql.join(branches, sql` union `)}) b ${newest}) b
    join audit.find f on f.index = b.own ${newest}`;
}

/** The one condition whose index leads the scan: what is seldom before what is common. */
function leadingCondition(filter: EntryFilter): RawBuilder<unknown> {
  if (filter.caseNo !== undefined) return sql`f.case_no = ${filter.caseNo}`;
  if (filter.official !== undefined) return sql`f.official = ${filter.official}`;
  // Most entries are of exchanges.
  if (filter.kind !== undefined && filter.kind !== 'exchange')
    return sql`f.kind = ${filter.kind} and f.kind <> 'exchange'`;
  if (filter.consumer !== undefined) return sql`f.consumer = ${filter.consumer}`;
  if (filter.provider !== undefined) return sql`f.provider = ${filter.provider}`;
  return filter.dataset === undefined ? sql`true` : sql`f.dataset = ${filter.dataset}`;
}

/** Whether the search tables have the subject in a row. */
export function namesSubject({ subjectRefs }: EntryFilter): RawBuilder<unknown> {
  if (subjectRefs === undefined) return sql`true`;
  // Row by row: what others asked about the subject must not show in the time that this takes.
  return sql`(select true from audit.find_subject s
    where s.subject_ref in (select audit.subject_ref(r) from unnest(${subjectRefs}::text[]) r) and s.index = f.index limit 1)`;
}

/** All that a row of the search tables must say. */
export function conditions(filter: EntryFilter, visibility: Visibility): RawBuilder<unknown> {
  const all = [sql`true`];
  const equal = {
    consumer: filter.consumer,
    provider: filter.provider,
    dataset: filter.dataset,
    purpose: filter.purpose,
    outcome: filter.outcome,
    official: filter.official,
    case_no: filter.caseNo,
    kind: filter.kind,
    trace: filter.traceId,
  };
  for (const [column, value] of Object.entries(equal))
    if (value !== undefined) all.push(sql`f.${sql.ref(column)} = ${value}`);
  if (filter.from !== undefined) all.push(sql`f.at >= ${filter.from}`);
  if (filter.to !== undefined) all.push(sql`f.at < ${filter.to}`);
  if (filter.withheld !== undefined) all.push(sql`not ${isWithheld(filter.withheld)}`);
  all.push(isOwn(visibility));
  return sql.join(all, sql` and `);
}

/** Whether a row is withheld: where that is unclear, it is. */
export function isWithheld(withholding: Withholding): RawBuilder<unknown> {
  const purposes = withholding.map(({ purpose }) => purpose);
  const times = withholding.map(({ until }) => until);
  return sql`(f.purpose is not null and not coalesce((
    select f.at <= w.until from unnest(${purposes}::text[], ${times}::timestamptz[]) as w(purpose, until)
    where w.purpose = f.purpose), false))`;
}

/** Whether the asker may see a row. */
function isOwn(visibility: Visibility): RawBuilder<unknown> {
  return visibility === 'all' ? sql`true` : sql`(${sql.join(ownConditions(visibility), sql` or `)})`;
}

/** What makes an entry the asker's own, each by an index; nothing does where it has no role. */
function ownConditions({ consumer, provider }: Exclude<Visibility, 'all'>): RawBuilder<unknown>[] {
  const own = [
    ...(consumer === undefined ? [] : [sql`f.consumer = ${consumer}`]),
    ...(provider === undefined ? [] : [sql`f.provider = ${provider}`]),
  ];
  return own.length === 0 ? [sql`false`] : own;
}
