import { randomUUID } from 'node:crypto';
import type { Actor, CarriedOutAct } from '../audit/act.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { Database } from '../db/database.ts';
import { UserError } from '../base/errors.ts';
import { requireDepartment } from '../identity/departments-and-clients.ts';
import { carryOut } from './carry-out.ts';
import { grantIdPattern, type GrantRow } from './find-grants.ts';
import { conceptsOf, findFaults, sortUnique } from './terms.ts';

/** The terms of a grant that an administrator makes at once. */
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

/** What somebody at a command line can do about a fault of these members. */
const remedies: Record<string, string> = { '#/purposes': '; add it with "purpose add"' };

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
  await requireDepartment(database, terms.consumer);
  const purposes = await database.selectFrom('registry.purpose').select('code').execute();
  const [fault] = findFaults(
    catalogue,
    purposes.map(({ code }) => code),
    {
      dataset: terms.dataset,
      fields: terms.fields,
      plain_fields: terms.plainFields,
      verify_fields: terms.verifyFields ?? [],
      purposes: terms.purposes,
      requires: terms.requires ?? [],
      ...(terms.dailyQuota !== undefined && { daily_quota: terms.dailyQuota }),
    },
  );
  if (fault !== undefined)
    throw new UserError(`${fault.detail.en}${remedies[fault.pointer.replace(/\/\d+$/, '')] ?? ''}`);
  if (terms.validUntil <= terms.validFrom) throw new UserError('a grant must end after it begins');
  const dataset = catalogue.findNewest(terms.dataset)!;
  const id = randomUUID();
  const done = await carryOut(database, actor, {
    operation: 'grant-add',
    provider: dataset.provider,
    dataset: dataset.name,
    grants: [id],
    details: {
      consumer: terms.consumer,
      fields: conceptsOf(dataset, terms.fields),
      plain_fields: conceptsOf(dataset, terms.plainFields),
      verify_fields: conceptsOf(dataset, terms.verifyFields),
      purposes: sortUnique(terms.purposes),
      requires: sortUnique(terms.requires),
      status: terms.status ?? 'active',
      valid_from: terms.validFrom.toISOString(),
      valid_until: terms.validUntil.toISOString(),
      daily_quota: terms.dailyQuota,
      reason: terms.reason,
    },
  });
  return { id, entry: done!.entry };
}

/** Revokes a grant for ever. @throws UserError when there is none, or it is revoked already */
export async function revokeGrant(
  database: Database,
  actor: Actor,
  id: string,
  reason: string | null,
): Promise<{ id: string; entry: number }> {
  if (!grantIdPattern.test(id)) throw new UserError(`"${id}" is not the id of a grant`);
  const query = database
    .selectFrom('registry.grant')
    .select(['id', 'consumer', 'dataset', 'provider', 'status'])
    .where('id', '=', id)
    .where('status', 'in', ['active', 'suspended']);
  for (;;) {
    const grant = await query.executeTakeFirst();
    if (grant === undefined) throw new UserError(`there is no grant ${id} that could be revoked`);
    // Nothing is done when it is no longer what it was: it may be suspended now, or revoked.
    const done = await carryOut(database, actor, revocation(grant, reason));
    if (done !== null) return { id: grant.id, entry: done.entry };
  }
}

/** The act of revoking a grant. */
function revocation(
  grant: Pick<GrantRow, 'id' | 'consumer' | 'dataset' | 'provider' | 'status'>,
  reason: string | null,
) {
  const { consumer, dataset, provider, status } = grant;
  return {
    operation: 'grant-revoke',
    provider,
    dataset,
    grants: [grant.id],
    details: { consumer, was: status, status: 'revoked', ...(reason !== null && { reason }) },
  } as const satisfies CarriedOutAct;
}
