import { sql, type SqlBool } from 'kysely';
import type { Database } from '../db/database.ts';
import { ProblemError, rethrowAsStoreUnavailable } from '../base/errors.ts';
import type { AccessToken } from '../identity/access-token.ts';
import type { GrantTable, StoredAct, StoredGrantStatus } from '../db/tables.ts';

/** The states of a grant; time makes it `expired`. */
export type GrantStatus = StoredGrantStatus | 'expired';

/** A grant or an application, as the API has it. */
export interface GrantSummary {
  id: string;
  consumer: string;
  dataset: string;
  provider: string;
  fields: string[];
  plain_fields: string[];
  verify_fields: string[];
  purposes: string[];
  legal_basis: string | null;
  justification: Record<string, string> | null;
  expected_volume: number | null;
  status: GrantStatus;
  valid_from: string | null;
  valid_until: string;
  requires: string[];
  daily_quota: number | null;
  due: string | null;
  renews: string | null;
  decided_by: string | null;
  reason: string | null;
}

/** What was done to a grant. */
export interface GrantAct {
  /** Where its entry stands in the audit log. */
  entry: number;
  id: string;
  time: string;
  act: string;
  department: string | null;
  client: string;
  official: string | null;
  /** What the grant was from then on. */
  status: StoredGrantStatus;
  details: Record<string, unknown>;
}

/** What the ids of grants look like. */
export const grantIdPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Whose grants may be seen: those of a consumer, those on a provider's datasets, or all. */
export type GrantsSeen = 'all' | { consumer?: string; provider?: string };

export interface GrantFilter {
  consumer?: string;
  dataset?: string;
  status?: GrantStatus;
}

/** A grant as its row has it, or as JSON tells of the row. */
export type GrantRow = {
  [Member in Exclude<keyof GrantTable, 'number' | 'created_at'>]: GrantTable[Member] extends infer T
    ? T extends Date
      ? Date | string
      : T
    : never;
};

/** Lists grants in the order in which they were made or applied for. */
export async function listGrants(
  database: Database,
  filter: GrantFilter,
  now: Date = new Date(),
): Promise<GrantSummary[]> {
  const rows = await select(database, filter, 'all', now).orderBy('number').execute();
  return rows.map((row) => presentGrant(row, now));
}

/**
 * Finds a page of the grants that somebody may see, the newest first.
 *
 * @param page `after` is the place where the page before ended; null begins at the newest
 */
export async function findGrants(
  database: Database,
  filter: GrantFilter,
  seen: GrantsSeen,
  now: Date,
  page: { after: string | null; limit: number },
): Promise<{ grants: GrantSummary[]; next: string | null }> {
  let query = select(database, filter, seen, now)
    .orderBy('number', 'desc')
    .limit(page.limit + 1);
  if (page.after !== null) query = query.where('number', '<', Number(page.after));
  const rows = await query.execute();
  const shown = rows.slice(0, page.limit);
  return {
    grants: shown.map((row) => presentGrant(row, now)),
    next: rows.length > page.limit ? String(shown.at(-1)!.number) : null,
  };
}

/** The grant of an id, or null when there is none that may be seen. */
async function findGrant(
  database: Database,
  id: string,
  seen: GrantsSeen,
  now: Date,
): Promise<GrantSummary | null> {
  if (!grantIdPattern.test(id)) return null;
  const row = await select(database, { id }, seen, now).executeTakeFirst();
  return row === undefined ? null : presentGrant(row, now);
}

/**
 * The grant of an id that a token may see: auditors and administrators see all, a provider what is on its datasets, a
 * consumer its own.
 *
 * @throws ProblemError not-found, where it is others' as well, or store-unavailable
 */
export async function getGrant(
  database: Database,
  id: string,
  token: AccessToken,
  now: Date,
): Promise<GrantSummary> {
  const grant = await findGrant(database, id, seenBy(token), now).catch(rethrowAsStoreUnavailable);
  if (grant === null) throw new ProblemError('not-found');
  return grant;
}

/** Whose grants a token may see. */
export function seenBy({ scopes, department }: AccessToken): GrantsSeen {
  if (scopes.includes('audit') || scopes.includes('admin')) return 'all';
  return {
    ...(scopes.includes('exchange') && { consumer: department }),
    ...(scopes.includes('provide') && { provider: department }),
  };
}

function select(database: Database, filter: GrantFilter & { id?: string }, seen: GrantsSeen, now: Date) {
  let query = database.selectFrom('registry.grant').selectAll();
  if (filter.id !== undefined) query = query.where('id', '=', filter.id);
  if (filter.consumer !== undefined) query = query.where('consumer', '=', filter.consumer);
  if (filter.dataset !== undefined) query = query.where('dataset', '=', filter.dataset);
  if (filter.status !== undefined) query = query.where(hasStatus(filter.status, now));
  if (seen === 'all') return query;
  const { consumer, provider } = seen;
  return query.where((where) =>
    where.or([
      ...(consumer === undefined ? [] : [where('consumer', '=', consumer)]),
      ...(provider === undefined ? [] : [where('provider', '=', provider)]),
    ]),
  );
}

/** A page of what was done to a grant, in order: after the place where the page before ended, or from the first. */
export async function listActs(
  database: Database,
  id: string,
  page: { after: string | null; limit: number },
): Promise<{ acts: GrantAct[]; next: string | null }> {
  const rows = await database
    .selectFrom('registry.grant_act')
    .select(['entry', 'act', 'status'])
    .where('grant_id', '=', id)
    .where('entry', '>', Number(page.after ?? -1))
    .orderBy('entry')
    .limit(page.limit + 1)
    .execute();
  const shown = rows.slice(0, page.limit);
  return {
    acts: shown.map(({ entry, act, status }) => presentAct(entry, act, status)),
    next: rows.length > page.limit ? String(shown.at(-1)!.entry) : null,
  };
}

function presentAct(entry: number, act: StoredAct, status: StoredGrantStatus): GrantAct {
  return {
    entry,
    id: act.id,
    time: act.time,
    act: act.operation.replace(/^grant-/, ''),
    department: act.consumer ?? null,
    client: act.client,
    official: act.official?.id ?? null,
    status,
    details: act.details,
  };
}

/** A grant as the API has it at a moment. */
export function presentGrant(row: GrantRow, now: Date): GrantSummary {
  return {
    id: row.id,
    consumer: row.consumer,
    dataset: row.dataset,
    provider: row.provider,
    fields: row.fields,
    plain_fields: row.plain_fields,
    verify_fields: row.verify_fields,
    purposes: row.purposes,
    legal_basis: row.legal_basis,
    justification: row.justification,
    expected_volume: row.expected_volume,
    status: statusOf(row, now),
    valid_from: toTime(row.valid_from),
    valid_until: toTime(row.valid_until)!,
    requires: row.requires,
    daily_quota: row.daily_quota,
    due: toTime(row.due),
    renews: row.renews,
    decided_by: row.decided_by,
    reason: row.reason,
  };
}

function toTime(time: Date | string | null): string | null {
  return time === null ? null : new Date(time).toISOString();
}

/** What time ends: what is in force, suspended or not, and what nobody has decided. */
const ending: readonly GrantStatus[] = ['applied', 'active', 'suspended'];

function statusOf({ status, valid_until }: Pick<GrantRow, 'status' | 'valid_until'>, now: Date): GrantStatus {
  return ending.includes(status) && new Date(valid_until) <= now ? 'expired' : status;
}

function hasStatus(status: GrantStatus, now: Date) {
  if (status === 'expired') return sql<SqlBool>`status = any(${ending}) and valid_until <= ${now}`;
  return ending.includes(status)
    ? sql<SqlBool>`status = ${status} and valid_until > ${now}`
    : sql<SqlBool>`status = ${status}`;
}
