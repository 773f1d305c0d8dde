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
}

/** Whose entries the asker may see: all, or those that it asked for or provided the data of. */
export type Visibility = 'all' | { consumer?: string; provider?: string };

/** How many entries one page looks at: a search for what is rare goes on with the next page. */
export const maxScanned = 20_000;
/** How far the clocks of gateways may differ: entries stand in the order of the log, not of their times. */
const clockSkew = '5 minutes';

/**
 * The index at which the time begins: what is older by more than gateways' clocks differ stands before all that is not.
 * A command line's clock, whose entries have no consumer, may be any.
 */
export function lowest({ from }: EntryFilter): RawBuilder<unknown> {
  if (from === undefined) return sql`0::bigint`;
  return sql`coalesce((select f.index + 1 from audit.find f where f.at < ${from}::timestamptz - ${clockSkew}::interval and f.consumer is not null
                       order by f.at desc limit 1), 0)`;
}

/** The index before which the time ends, or at which the page before ended. */
export function highest({ to }: EntryFilter, before: number | null): RawBuilder<unknown> {
  const end = before === null ? sql`9223372036854775807::bigint` : sql`${before}::bigint`;
  if (to === undefined) return end;
  return sql`least(${end}, (select f.index from audit.find f where f.at >= ${to}::timestamptz + ${clockSkew}::interval and f.consumer is not null
                            order by f.at limit 1))`;
}

/** A subject that is in very many entries has its newest looked at. */
export function searchTables({ subjectRefs }: EntryFilter, low: number, end: number): RawBuilder<unknown> {
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
export function leading(filter: EntryFilter, visibility: Visibility): RawBuilder<unknown> {
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
export function said(filter: EntryFilter): RawBuilder<unknown> {
  if (filter.kind === undefined && filter.traceId === undefined) return sql``;
  return sql`join audit.entry e on e.index = f.index and case when f.at is not null then ${saysIn(filter, sql`e.bytes`)} end`;
}

/** What kind and trace the bytes of an entry say. */
export function saysIn({ kind, traceId }: EntryFilter, bytes: RawBuilder<unknown>): RawBuilder<unknown> {
  const all = [sql`true`];
  const member = (name: string): RawBuilder<unknown> =>
    sql`(convert_from(${bytes}, 'UTF8')::json ->> ${name})`;
  if (kind !== undefined) all.push(sql`${member('kind')} = ${kind}`);
  if (traceId !== undefined) all.push(sql`${member('trace_id')} = ${traceId}`);
  return sql.join(all, sql` and `);
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
