import { sql, type RawBuilder } from 'kysely';
import type { Database } from '../db/database.ts';

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
}

/** Whose entries the asker may see: all, or those that it asked for or provided the data of. */
export type Visibility = 'all' | { consumer?: string; provider?: string };

export interface FoundEntry {
  index: number;
  bytes: Buffer;
  leafHash: Buffer;
}

/** A page of entries, newest first. */
export interface EntryPage {
  entries: FoundEntry[];
  /** The index below which the next page looks; null when nothing is left. A short page may have one. */
  next: number | null;
}

/** How many entries one page looks at: a search for what is rare goes on with the next page. */
const maxScanned = 20_000;
/** How far the clocks of gateways may differ: entries stand in the order of the log, not of their times. */
const clockSkew = '5 minutes';

/**
 * Finds entries: first in the tail of the log that the search tables don't hold yet, then in those. A page looks at a
 * bounded number of entries, whatever the filter.
 *
 * @param before the index below which to look; null begins at the newest
 */
export async function findEntries(
  database: Database,
  filter: EntryFilter,
  visibility: Visibility,
  page: { before: number | null; limit: number },
): Promise<EntryPage> {
  const tail = await findInTail(database, filter, visibility, page);
  const missing = page.limit + 1 - tail.entries.length;
  const indexed =
    missing > 0 && tail.scannedTo === null
      ? await findIndexed(database, filter, visibility, { ...tail.bounds, limit: missing })
      : { entries: [], scannedTo: tail.scannedTo };
  const entries = [...tail.entries, ...indexed.entries];
  if (entries.length > page.limit) {
    const shown = entries.slice(0, page.limit);
    return { entries: shown, next: shown.at(-1)!.index };
  }
  return { entries, next: indexed.scannedTo };
}

/** From this index on, and before that one. */
interface Bounds {
  low: number;
  end: number;
}

/** What one statement found. `scannedTo` is the last index that it looked at when it had to stop there. */
interface Found {
  entries: FoundEntry[];
  scannedTo: number | null;
}

interface Row {
  index: number | null;
  bytes: Buffer | null;
  leaf_hash: Buffer | null;
  scanned_to: number | null;
}

function readFound(rows: readonly Row[]): Found {
  const entries = rows.flatMap(({ index, bytes, leaf_hash }) =>
    index === null ? [] : [{ index, bytes: bytes!, leafHash: leaf_hash! }],
  );
  return { entries, scannedTo: rows[0]!.scanned_to };
}

/** Looks through the tail, and tells where the search tables are to be looked through. */
async function findInTail(
  database: Database,
  filter: EntryFilter,
  visibility: Visibility,
  page: { before: number | null; limit: number },
): Promise<Found & { bounds: Bounds }> {
  const { rows } = await sql<Row & { low: number; end_before: number }>`
    with bounds as materialized (
      select indexed, ${lowest(filter)} as low, ${highest(filter, page.before)} as highest
      from (select audit.indexed() as indexed) i
    ), scanned as materialized (
      select f.* from bounds, audit.parsed f
      where f.index >= bounds.indexed and f.index < bounds.highest
      order by f.index desc limit ${maxScanned}
    ), found as materialized (
      select f.index, f.bytes, f.leaf_hash from scanned f where ${conditions(filter, visibility)}
        and ${filter.subjectRefs === undefined ? sql`true` : sql`f.subjects && ${filter.subjectRefs}::text[]`}
        and ${saysIn(filter, sql`f.bytes`)}
      order by f.index desc limit ${page.limit + 1}
    )
    select f.index, f.bytes, f.leaf_hash, b.low, least(b.highest, b.indexed) as end_before,
      (select case when count(*) = ${maxScanned} then min(index) end from scanned) as scanned_to
    from bounds b left join found f on true order by f.index desc`.execute(database);
  const { low, end_before: end } = rows[0]!;
  return { ...readFound(rows), bounds: { low, end } };
}

/** Looks through the search tables, no further than the page needs. */
async function findIndexed(
  database: Database,
  filter: EntryFilter,
  visibility: Visibility,
  { low, end, limit }: Bounds & { limit: number },
): Promise<Found> {
  const scanned = sql`(select f.* from ${searchTables(filter, low, end)}
    where f.index >= ${low} and f.index < ${end} and ${leading(filter, visibility)}
    order by f.index desc limit ${maxScanned})`;
  const { rows } = await sql<Row>`
    with found as materialized (
      select f.index from ${scanned} f ${said(filter)} where ${conditions(filter, visibility)}
      order by f.index desc limit ${limit}
    )
    select f.index, e.bytes, e.leaf_hash,
      case when (select count(*) from found) < ${limit}
        then (select s.index from ${scanned} s order by s.index desc offset ${maxScanned - 1} limit 1) end as scanned_to
    from (select) one left join (found f join audit.entry e using (index)) on true
    order by f.index desc`.execute(database);
  return readFound(rows);
}

/** The index at which the time begins: what is older by more than clocks differ stands before all that is not. */
function lowest({ from }: EntryFilter): RawBuilder<unknown> {
  if (from === undefined) return sql`0::bigint`;
  return sql`coalesce((select f.index + 1 from audit.find f where f.at < ${from}::timestamptz - ${clockSkew}::interval
                       order by f.at desc limit 1), 0)`;
}

/** The index before which the time ends, or at which the page before ended. */
function highest({ to }: EntryFilter, before: number | null): RawBuilder<unknown> {
  const end = before === null ? sql`9223372036854775807::bigint` : sql`${before}::bigint`;
  if (to === undefined) return end;
  return sql`least(${end}, (select f.index from audit.find f where f.at >= ${to}::timestamptz + ${clockSkew}::interval
                            order by f.at limit 1))`;
}

/** A subject that is in very many entries has its newest looked at. */
function searchTables({ subjectRefs }: EntryFilter, low: number, end: number): RawBuilder<unknown> {
  if (subjectRefs === undefined) return sql`audit.find f`;
  return sql`(select distinct s.index as sought from unnest(${subjectRefs}::text[]) as r(ref)
              cross join lateral (
                select index from audit.find_subject
                where subject_ref = audit.subject_ref(r.ref) and index >= ${low} and index < ${end}
                order by index desc limit ${maxScanned}
              ) s) s
             join audit.find f on f.index = s.sought`;
}

/** The one condition whose index leads the scan of the search tables: what is seldom before what is common. */
function leading(filter: EntryFilter, visibility: Visibility): RawBuilder<unknown> {
  const own = visibility === 'all' ? {} : visibility;
  const one = own.consumer === undefined || own.provider === undefined ? own : {};
  if (filter.subjectRefs !== undefined) return sql`true`;
  if (filter.caseNo !== undefined) return sql`f.case_no = ${filter.caseNo}`;
  if (filter.official !== undefined) return sql`f.official = ${filter.official}`;
  const consumer = filter.consumer ?? one.consumer;
  if (consumer !== undefined) return sql`f.consumer = ${consumer}`;
  const provider = filter.provider ?? one.provider;
  if (provider !== undefined) return sql`f.provider = ${provider}`;
  return filter.dataset === undefined ? sql`true` : sql`f.dataset = ${filter.dataset}`;
}

/** What the search tables don't say is read from the bytes; entries that can't be read have no time there. */
function said(filter: EntryFilter): RawBuilder<unknown> {
  if (filter.kind === undefined && filter.traceId === undefined) return sql``;
  return sql`join audit.entry e on e.index = f.index and case when f.at is not null then ${saysIn(filter, sql`e.bytes`)} end`;
}

function saysIn({ kind, traceId }: EntryFilter, bytes: RawBuilder<unknown>): RawBuilder<unknown> {
  const all = [sql`true`];
  const member = (name: string): RawBuilder<unknown> =>
    sql`(convert_from(${bytes}, 'UTF8')::json ->> ${name})`;
  if (kind !== undefined) all.push(sql`${member('kind')} = ${kind}`);
  if (traceId !== undefined) all.push(sql`${member('trace_id')} = ${traceId}`);
  return sql.join(all, sql` and `);
}

/** All that a row of the search tables must say. */
function conditions(filter: EntryFilter, visibility: Visibility): RawBuilder<unknown> {
  const all = [sql`true`];
  const equal = {
    consumer: filter.consumer,
    provider: filter.provider,
    dataset: filter.dataset,
    purpose: filter.purpose,
    outcome: filter.outcome,
    official: filter.official,
    case_no: filter.caseNo,
  };
  for (const [column, value] of Object.entries(equal))
    if (value !== undefined) all.push(sql`f.${sql.ref(column)} = ${value}`);
  if (filter.from !== undefined) all.push(sql`f.at >= ${filter.from}`);
  if (filter.to !== undefined) all.push(sql`f.at < ${filter.to}`);
  if (visibility !== 'all') {
    const own = [sql`false`];
    if (visibility.consumer !== undefined) own.push(sql`f.consumer = ${visibility.consumer}`);
    if (visibility.provider !== undefined) own.push(sql`f.provider = ${visibility.provider}`);
    all.push(sql`(${sql.join(own, sql` or `)})`);
  }
  return sql.join(all, sql` and `);
}
