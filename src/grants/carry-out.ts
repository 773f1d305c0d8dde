import { sql } from 'kysely';
import { encodeCarriedOut, type Actor, type CarriedOutAct } from '../audit/act.ts';
import type { Database } from '../db/database.ts';

/** A key under which a client has something done once, and a digest of the request that came with it. */
export interface OnceKey {
  key: Buffer;
  request: Buffer;
}

/** What was done: where its entry stands, and the purpose or grant as it was after it. */
export interface CarriedOut<T> {
  entry: number;
  answer: T;
}

/**
 * Does what an act on a purpose or grant says: the database carries it out by its entry, and appends that, or neither.
 *
 * @param under the version of the authority that the act was decided under, null at the command line; what is to be done
 *   once
 * @returns null when nothing is done: the authority has changed, the grant is not what it was, there is the purpose
 *   already, or the key came with another request
 */
export async function carryOut<T>(
  database: Database,
  actor: Actor,
  act: CarriedOutAct,
  under: { authority: number | null; once: OnceKey | null } = { authority: null, once: null },
): Promise<CarriedOut<T> | null> {
  const leaf = encodeCarriedOut(actor, act);
  const { rows } = await sql<CarriedOut<T>>`
    select entry, answer from registry.carry_out(${under.authority}, ${leaf.bytes}, ${leaf.hash},
      ${under.once?.key ?? null}, ${under.once?.request ?? null})`.execute(database);
  return rows[0] ?? null;
}
