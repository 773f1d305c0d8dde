import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { enterAct, type Actor } from '../audit/act.ts';
import type { Database } from '../db/database.ts';
import { UserError } from '../base/errors.ts';
import type { ProvenLogin } from './assertion.ts';
import { parseKeySet } from './provider-keys.ts';

/** Who vouches for subjects, as lists show it. */
export interface ProviderSummary {
  issuer: string;
  kids: string[];
  added_at: string;
}

/**
 * Registers an identity provider, or gives one that is registered other keys.
 *
 * @param keySet a JSON Web Key Set (RFC 7517)
 * @throws UserError when issuer or key set is not well formed
 */
export async function setProvider(
  database: Database,
  actor: Actor,
  { issuer, keySet }: { issuer: string; keySet: string },
): Promise<{ kids: string[]; entry: number }> {
  if (!isIssuer(issuer))
    throw new UserError(
      'the issuer must be an http or https URL, without user, password, query and fragment',
    );
  const keys = parseKeySet(keySet);
  const kids = keys.map(({ kid }) => kid).sort();
  return database.transaction().execute(async (transaction) => {
    const known = await transaction
      .selectFrom('registry.identity_provider')
      .select('issuer')
      .where('issuer', '=', issuer)
      .executeTakeFirst();
    const stored = JSON.stringify(keys);
    await transaction
      .insertInto('registry.identity_provider')
      .values({ issuer, keys: stored })
      .onConflict((conflict) => conflict.column('issuer').doUpdateSet({ keys: stored }))
      .execute();
    const entry = await enterAct(transaction, actor, {
      operation: known === undefined ? 'idp-add' : 'idp-keys',
      details: { issuer, keys: keys.map(({ kid, jwk }) => ({ kid, jwk })) },
    });
    return { kids, entry };
  });
}

/** Takes an identity provider out: its assertions are worth nothing from now on. @throws UserError when there is none */
export async function removeProvider(
  database: Database,
  actor: Actor,
  issuer: string,
): Promise<{ entry: number }> {
  return database.transaction().execute(async (transaction) => {
    const removed = await transaction
      .deleteFrom('registry.identity_provider')
      .where('issuer', '=', issuer)
      .returning('issuer')
      .executeTakeFirst();
    if (removed === undefined) throw new UserError(`there is no identity provider "${issuer}"`);
    const act = { operation: 'idp-remove', details: { issuer } } as const;
    return { entry: await enterAct(transaction, actor, act) };
  });
}

export async function listProviders(database: Database): Promise<ProviderSummary[]> {
  const rows = await database
    .selectFrom('registry.identity_provider')
    .selectAll()
    .orderBy('issuer')
    .execute();
  return rows.map(({ issuer, keys, added_at }) => ({
    issuer,
    kids: keys.map(({ kid }) => kid).sort(),
    added_at: added_at.toISOString(),
  }));
}

/** Uses up a login assertion, over all gateways. @returns false when it was used before */
export async function useAssertion(
  database: Database,
  { issuer, id, expiresAt }: ProvenLogin,
): Promise<boolean> {
  const hashed = createHash('sha256').update(id).digest();
  const { rows } = await sql<{ used: boolean }>`
    select registry.use_assertion(${issuer}, ${hashed}, ${expiresAt}) as used`.execute(database);
  return rows[0]!.used;
}

/** Whether a text is the URL of an issuer, as entries and outputs may show it. */
function isIssuer(text: string): boolean {
  if (!URL.canParse(text) || !/^https?:\/\/[\x21-\x7e]{1,190}$/.test(text)) return false;
  const { username, password, search, hash } = new URL(text);
  return username === '' && password === '' && search === '' && hash === '';
}
