import { sql, type RawBuilder } from 'kysely';
import type { Database } from '../db/database.ts';

/** Which entries a search is after. All that are given must hold. */
export interface EntryFilter {
  consumer?: string | undefined;
  dataset?: string | undefined;
  /** The subject's keyed hash, base64url. */
  subjectRef?: string | undefined;
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

/**
 * Finds entries, newest first: in the search tables, and in the tail of the log that they don't hold yet.
 *
 * @param before the index below which to look; null begins at the newest
 */
export async function findEntries(
  database: Database,
  filter: EntryFilter,
  visibility: Visibility,
  page: { before: number | null; limit: number },
): Promise<FoundEntry[]> {
  const { rows } = await sql<{ index: number; bytes: Buffer; leaf_hash: Buffer }>`
    with found as (
      (select f.index from ${searchTables(filter)} where ${conditions(filter, visibility, page.before)}
       order by f.index desc limit ${page.limit})
      union all
      (select f.index from audit.parsed f
       where f.index >= audit.indexed() and ${conditions(filter, visibility, page.before)}
         and ${tailSubject(filter)}
       order by f.index desc limit ${page.limit})
    ), newest as (
      select index from found order by index desc limit ${page.limit}
    )
    select e.index, e.bytes, e.leaf_hash from newest join audit.entry e using (index)
    order by e.index desc`.execute(database);
  return rows.map(({ index, bytes, leaf_hash }) => ({ index, bytes, leafHash: leaf_hash }));
}

function searchTables(filter: EntryFilter): RawBuilder<unknown> {
  if (filter.subjectRef === undefined) return sql`audit.find f`;
  return sql`(select s.index as sought from audit.find_subject s
              where s.subject_ref = audit.subject_ref(${filter.subjectRef})) s
             join audit.find f on f.index = s.sought`;
}

function tailSubject(filter: EntryFilter): RawBuilder<unknown> {
  return filter.subjectRef === undefined ? sql`true` : sql`${filter.subjectRef} = any(f.subjects)`;
}

function conditions(filter: EntryFilter, visibility: Visibility, before: number | null): RawBuilder<unknown> {
  const all = [sql`true`];
  if (before !== null) all.push(sql`f.index < ${before}`);
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
