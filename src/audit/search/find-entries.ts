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
import { LogFaultError } from '../stored-log.ts';

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

/** Entries may be large, and a page is held whole: one that has as many bytes takes no more entries. */
const maxPageBytes = 4 * 1024 * 1024;

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
      ? await findIndexed(database, filter, visibility, tail.range, missing)
      : { entries: [], scannedTo: tail.scannedTo };
  const entries = [...tail.entries, ...indexed.entries];
  if (entries.length > page.limit) {
    const shown = entries.slice(0, page.limit);
    return { entries: shown, next: shown.at(-1)!.index };
  }
  return { entries, next: indexed.scannedTo };
}

/** What one statement found. `scannedTo` is the last index that it looked at when it had to stop there. */
interface Found {
  entries: FoundEntry[];
  scannedTo: number | null;
}

interface EntryRow {
  index: number | null;
  bytes: Buffer | null;
  leaf_hash: Buffer | null;
  scanned_to: number | null;
}

function readFound(rows: readonly EntryRow[]): Found {
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
): Promise<Found & { range: Range }> {
  const { rows } = await sql<EntryRow & Range>`
    with bounds as materialized (
      select audit.indexed() as indexed, r.* from (${rangeOf(filter, page.before)}) r
    ), scanned as materialized (
      select f.* from audit.parsed f
      where f.index >= (select indexed from bounds) and f.index < ${endOf(page.before)}
      order by f.index desc limit ${maxScanned}
    ), found as materialized (
      select f.index, f.bytes, f.leaf_hash from scanned f where ${conditions(filter, visibility)}
        and ${filter.subjectRefs === undefined ? sql`true` : sql`f.subjects && ${filter.subjectRefs}::text[]`}
      order by f.index desc limit ${page.limit + 1}
    ), kept as materialized (${withinBytes(sql`found f`)})
    select k.*, b.low, least(b."end", b.indexed) as "end", b.strays,
      coalesce(${cutAt}, (select case when count(*) = ${maxScanned} then min(index) end from scanned)) as scanned_to
    from bounds b left join kept k on true order by k.index desc`.execute(database);
  const { low, end, strays } = rows[0]!;
  return { ...readFound(rows), range: { low, end, strays } };
}

/** Looks through the search tables, no further than the page needs. */
async function findIndexed(
  database: Database,
  filter: EntryFilter,
  visibility: Visibility,
  range: Range,
  limit: number,
): Promise<Found> {
  const scanned = sql`(${scan(filter, visibility, range)})`;
  const { rows } = await sql<EntryRow>`
    with found as materialized (
      select f.index from ${scanned} f
      where ${conditions(filter, visibility)} and ${namesSubject(filter)}
      order by f.index desc limit ${limit}
    ), kept as materialized (${withinBytes(sql`found f join audit.entry e using (index)`)})
    select k.*, coalesce(${cutAt}, case when (select count(*) from found) < ${limit}
      then (select s.index from ${scanned} s order by s.index desc offset ${maxScanned - 1} limit 1) end) as scanned_to
    from (select) one left join kept k on true order by k.index desc`.execute(database);
  return readFound(rows);
}

/**
 * All entries below an index, newest first, down to another or as many as fit a page.
 *
 * @throws LogFaultError when one is missing
 */
export async function listEntries(database: Database, from: number, before: number): Promise<FoundEntry[]> {
  const { rows } = await sql<{ index: number; bytes: Buffer; leaf_hash: Buffer }>`
    ${withinBytes(sql`audit.entry where index >= ${from} and index < ${before}`)} order by index desc`.execute(
    database,
  );
  if (rows.length === 0 || rows.some(({ index }, i) => index !== before - 1 - i))
    throw new LogFaultError(`an entry from ${from} to ${before - 1} is missing`);
  return rows.map(({ index, bytes, leaf_hash: leafHash }) => ({ index, bytes, leafHash }));
}

/** Of the entries found, the newest that fit a page. */
function withinBytes(found: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`select index, bytes, leaf_hash from (
      select index, bytes, leaf_hash,
        sum(octet_length(bytes)) over (order by index desc) - octet_length(bytes) as bytes_before
      from ${found}) f
    where bytes_before < ${maxPageBytes}`;
}

/** The last entry of a page that took no more; null where it has all that was found. */
const cutAt = sql`(select min(k.index) from kept k having count(*) < (select count(*) from found))`;
