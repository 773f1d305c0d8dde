import { randomUUID } from 'node:crypto';
import type { Transaction } from 'kysely';
import { enterAct, type Actor, type ActOperation } from '../audit/act.ts';
import type { Catalogue, Dataset } from '../catalogue/catalogue.ts';
import type { Database } from '../db/database.ts';
import type { StoredGrantStatus, Tables } from '../db/tables.ts';
import { UserError } from '../errors.ts';
import { requireDepartment } from '../identity/registry.ts';

/** A grant, as the API has it. */
export interface GrantSummary {
  id: string;
  consumer: string;
  dataset: string;
  fields: string[];
  plain_fields: string[];
  verify_fields: string[];
  purposes: string[];
  legal_basis: string | null;
  status: StoredGrantStatus | 'expired';
  valid_from: string;
  valid_until: string;
  requires: string[];
  daily_quota: number | null;
  decided_by: string | null;
  reason: string | null;
}

/** The terms of a grant to be made. */
export interface GrantTerms {
  consumer: string;
  dataset: string;
  /** By the names of any version; the grant has their concepts. */
  fields: string[];
  plainFields: string[];
  /** Fields that may be verified and not read. */
  verifyFields?: string[];
  purposes: string[];
  validFrom: Date;
  /** Exclusive. */
  validUntil: Date;
  requires?: string[];
  /** Subjects a day. */
  dailyQuota?: number;
  status?: 'active' | 'suspended';
  reason?: string;
}

/**
 * Makes a grant.
 *
 * @returns its id, and the index of its entry
 * @throws UserError naming what is unknown or contradictory in the terms
 */
export async function addGrant(
  database: Database,
  catalogue: Catalogue,
  actor: Actor,
  terms: GrantTerms,
): Promise<{ id: string; entry: number }> {
  const { provider, fields, plainFields, verifyFields } = await checkTerms(database, catalogue, terms);
  const id = randomUUID();
  const details = {
    consumer: terms.consumer,
    fields,
    plain_fields: plainFields,
    verify_fields: verifyFields,
    purposes: [...new Set(terms.purposes)].sort(),
    requires: [...new Set(terms.requires)].sort(),
    status: terms.status ?? 'active',
    valid_from: terms.validFrom.toISOString(),
    valid_until: terms.validUntil.toISOString(),
  };
  const entry = await database.transaction().execute(async (transaction) => {
    await transaction
      .insertInto('registry.grant')
      .values({
        ...details,
        id,
        dataset: terms.dataset,
        provider,
        daily_quota: terms.dailyQuota ?? null,
        legal_basis: null,
        valid_from: terms.validFrom,
        valid_until: terms.validUntil,
        due: null,
        decided_by: actor.client,
        reason: terms.reason ?? null,
      })
      .execute();
    return enterGrantAct(transaction, actor, { id, dataset: terms.dataset, provider }, 'grant-add', {
      ...details,
      daily_quota: terms.dailyQuota,
      reason: terms.reason,
    });
  });
  return { id, entry };
}

/** Revokes a grant for ever. @throws UserError when there is none, or it is revoked already */
export async function revokeGrant(
  database: Database,
  actor: Actor,
  id: string,
  reason: string | null,
): Promise<{ id: string; entry: number }> {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id))
    throw new UserError(`"${id}" is not the id of a grant`);
  return database.transaction().execute(async (transaction) => {
    const revoked = await transaction
      .updateTable('registry.grant')
      .set({ status: 'revoked', reason, decided_by: actor.client })
      .where('id', '=', id)
      .where('status', 'in', ['active', 'suspended'])
      .returning(['id', 'dataset', 'provider', 'consumer'])
      .executeTakeFirst();
    if (revoked === undefined) throw new UserError(`there is no grant ${id} that could be revoked`);
    const details = { consumer: revoked.consumer, ...(reason !== null && { reason }) };
    return { id, entry: await enterGrantAct(transaction, actor, revoked, 'grant-revoke', details) };
  });
}

export async function listGrants(
  database: Database,
  filter: { consumer?: string; dataset?: string },
): Promise<GrantSummary[]> {
  let query = database.selectFrom('registry.grant').selectAll().orderBy('consumer').orderBy('created_at');
  if (filter.consumer !== undefined) query = query.where('consumer', '=', filter.consumer);
  if (filter.dataset !== undefined) query = query.where('dataset', '=', filter.dataset);
  const now = new Date();
  return (await query.execute()).map((row) => ({
    id: row.id,
    consumer: row.consumer,
    dataset: row.dataset,
    fields: row.fields,
    plain_fields: row.plain_fields,
    verify_fields: row.verify_fields,
    purposes: row.purposes,
    legal_basis: row.legal_basis,
    status: statusOf(row, now),
    valid_from: row.valid_from.toISOString(),
    valid_until: row.valid_until.toISOString(),
    requires: row.requires,
    daily_quota: row.daily_quota,
    decided_by: row.decided_by,
    reason: row.reason,
  }));
}

/** Time ends what was in force, suspended or not. */
function statusOf(
  { status, valid_until }: { status: StoredGrantStatus; valid_until: Date },
  now: Date,
): GrantSummary['status'] {
  const inForce = status === 'active' || status === 'suspended';
  return inForce && valid_until <= now ? 'expired' : status;
}

/** What the terms come to: who provides, and the concepts, each once and sorted. */
interface CheckedTerms {
  provider: string;
  fields: string[];
  plainFields: string[];
  verifyFields: string[];
}

/** The concepts of names that some version of the dataset has. */
function conceptsOf(dataset: Dataset, names: readonly string[]): string[] {
  return [...new Set(names.map((name) => dataset.concepts.get(name)!.name))].sort();
}

async function checkTerms(
  database: Database,
  catalogue: Catalogue,
  terms: GrantTerms,
): Promise<CheckedTerms> {
  await requireDepartment(database, terms.consumer);
  const dataset = catalogue.findNewest(terms.dataset);
  if (dataset === null) {
    const known = [...new Set(catalogue.datasets.map(({ name }) => name))].join(', ');
    throw new UserError(`there is no dataset "${terms.dataset}"; there are ${known}`);
  }
  if (dataset.sharing === 'prohibited')
    throw new UserError(`the dataset ${dataset.name} is not to be shared`);
  const named = [...terms.fields, ...(terms.verifyFields ?? [])];
  const unknownFields = [...named, ...terms.plainFields].filter((name) => !dataset.concepts.has(name));
  if (unknownFields.length > 0)
    throw new UserError(
      `${dataset.name} has no field ${unknownFields.join(', ')}; it has ${[...dataset.fields.keys()].join(', ')}`,
    );
  const fields = conceptsOf(dataset, terms.fields);
  const plainFields = conceptsOf(dataset, terms.plainFields);
  const verifyFields = conceptsOf(dataset, terms.verifyFields ?? []);
  const ungranted = plainFields.filter((name) => !fields.includes(name));
  if (ungranted.length > 0)
    throw new UserError(`plain fields must be among the fields: ${ungranted.join(', ')} is not`);
  const purposes = await database.selectFrom('registry.purpose').select('code').execute();
  const unknownPurposes = terms.purposes.filter((code) => !purposes.some((purpose) => purpose.code === code));
  if (unknownPurposes.length > 0)
    throw new UserError(`there is no purpose ${unknownPurposes.join(', ')}; add it with "purpose add"`);
  const unknownDemands = (terms.requires ?? []).filter(
    (demand) => demand !== 'case' && demand !== 'official',
  );
  if (unknownDemands.length > 0)
    throw new UserError(`a grant can require case and official, not ${unknownDemands.join(', ')}`);
  if (named.length === 0 || terms.purposes.length === 0)
    throw new UserError('a grant names at least one field and one purpose');
  const quota = terms.dailyQuota ?? 1;
  if (!Number.isSafeInteger(quota) || quota < 1)
    throw new UserError('a daily quota is a whole number of subjects, at least 1');
  if (terms.validUntil <= terms.validFrom) throw new UserError('a grant must end after it begins');
  return { provider: dataset.provider, fields, plainFields, verifyFields };
}

function enterGrantAct(
  transaction: Transaction<Tables>,
  actor: Actor,
  grant: { id: string; dataset: string; provider: string },
  operation: ActOperation,
  details: Record<string, unknown>,
): Promise<number> {
  return enterAct(transaction, actor, {
    operation,
    provider: grant.provider,
    dataset: grant.dataset,
    grants: [grant.id],
    details,
  });
}
