import { sql, type RawBuilder } from 'kysely';
import type { Database } from '../db/database.ts';

/** Which entries a search is after. All that are given must hold. */
export interface EntryFilter {
  consumer?: string | undefined;
  dataset?: string | undefined;
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
 * Finds entries: in the search tables, and in the tail of the log that they don't hold yet. A page looks at a
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
  const matches = conditions(filter, visibility);
  const { rows } = await sql<Row>`
    with bounds as materialized (
      select audit.indexed() as indexed, ${lowest(filter)} as lowest, ${highest(filter, page.before)} as highest
    ), scanned as materialized (
      select * from (
        (select f.index, f.at, f.consumer, f.provider, f.dataset, f.subjects
         from bounds, audit.parsed f
         where f.index >= bounds.indexed and f.index < bounds.highest
         order by f.index desc limit ${maxScanned})
        union all
        (select f.index, f.at, f.consumer, f.provider, f.dataset, null::text[]
         from bounds, ${searchTables(filter)}
         where f.index >= bounds.lowest and f.index < bounds.highest and ${driving(filter, visibility)}
         order by f.index desc limit ${maxScanned})
      ) candidates order by index desc limit ${maxScanned}
    ), found as materialized (
      select f.index from scanned f where ${matches} order by f.index desc limit ${page.limit + 1}
    )
    select e.index, e.bytes, e.leaf_hash, s.count as scanned, s.lowest
    from (select count(*) as count, min(index) as lowest from scanned) s
    left join (found join audit.entry e using (index)) on true
    order by e.index desc`.execute(database);

  const entries = rows.flatMap(({ index, bytes, leaf_hash }) =>
    index === null ? [] : [{ index, bytes: bytes!, leafHash: leaf_hash! }],
  );
  const { scanned, lowest: scannedTo } = rows[0]!;
  if (entries.length > page.limit) {
    const shown = entries.slice(0, page.limit);
    return { entries: shown, next: shown.at(-1)!.index };
  }
  return { entries, next: scanned >= maxScanned ? scannedTo : null };
}

interface Row {
  index: number | null;
  bytes: Buffer | null;
  leaf_hash: Buffer | null;
  scanned: number;
  lowest: number | null;
}

/** The index at which the time begins, by the time index. */
function lowest({ from }: EntryFilter): RawBuilder<unknown> {
  if (from === undefined) return sql`0::bigint`;
  return sql`coalesce((select f.index from audit.find f where f.at >= ${from}::timestamptz - ${clockSkew}::interval
                       order by f.at limit 1), audit.indexed())`;
}

/** The index after that at which the time ends, or at which the page before ended. */
function highest({ to }: EntryFilter, before: number | null): RawBuilder<unknown> {
  const end = before === null ? sql`9223372036854775807::bigint` : sql`${before}::bigint`;
  if (to === undefined) return end;
  return sql`least(${end}, (select f.index from audit.find f where f.at >= ${to}::timestamptz + ${clockSkew}::interval
                            order by f.at limit 1))`;
}

function searchTables(filter: EntryFilter): RawBuilder<unknown> {
  if (filter.subjectRefs === undefined) return sql`audit.find f`;
  return sql`(select distinct s.index as sought from audit.find_subject s
              where s.subject_ref in (${sql.join(filter.subjectRefs.map((ref) => sql`audit.subject_ref(${ref})`))})) s
             join audit.find f on f.index = s.sought`;
}

/** The one condition whose index leads the scan of the search tables. */
function driving(filter: EntryFilter, visibility: Visibility): RawBuilder<unknown> {
  if (filter.subjectRefs !== undefined) return sql`true`;
  if (filter.consumer !== undefined) return sql`f.consumer = ${filter.consumer}`;
  const own = visibility === 'all' ? {} : visibility;
  if (own.consumer !== undefined && own.provider === undefined) return sql`f.consumer = ${own.consumer}`;
  if (own.provider !== undefined && own.consumer === undefined) return sql`f.provider = ${own.provider}`;
  return filter.dataset === undefined ? sql`true` : sql`f.dataset = ${filter.dataset}`;
}

/** All that must hold. Rows of the search tables have no list of subjects: theirs matched already. */
function conditions(filter: EntryFilter, visibility: Visibility): RawBuilder<unknown> {
  const all = [sql`true`];
  if (filter.subjectRefs !== undefined)
    all.push(sql`(f.index < (select indexed from bounds) or f.subjects && ${filter.subjectRefs}::text[])`);
  if (filter.consumer !== undefined) all.push(sql`f.consumer = ${filter.consumer}`);
  if (filter.dataset !== undefined) all.push(sql`f.dataset = ${filter.dataset}`);
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
