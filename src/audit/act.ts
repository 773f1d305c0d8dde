import { randomUUID } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import { sql, type Transaction } from 'kysely';
import type pg from 'pg';
import type { Tables } from '../db/tables.ts';
import { encodeEntry, type Entry, type Leaf } from './entry.ts';

/** Who acts: a department's client, or somebody at the command line. */
export interface Actor {
  client: string;
  consumer?: string;
}

/** Whoever runs the command line, as entries name them. */
export function commandLineActor(): Actor {
  return { client: `cli:${userName()}@${hostname()}` };
}

/** In a container an account may have a number alone. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.()}`;
  }
}

/** What an act says of itself. */
type Act = Pick<
  Entry,
  'kind' | 'operation' | 'provider' | 'dataset' | 'version' | 'purpose' | 'grants' | 'details'
>;

/** A load changes nobody's rights; after any other act, every exchange decided before it is decided again. */
function changesAuthority(act: Act): boolean {
  return act.kind !== 'load';
}

/**
 * Enters an act that governs, in the transaction that carries it out: both become durable, or neither.
 *
 * @returns the entry's index
 */
export async function enterAct(transaction: Transaction<Tables>, actor: Actor, act: Act): Promise<number> {
  const leaf = encodeAct(actor, act);
  const { rows } = await sql<{ index: number }>`
    select audit.append_act(${leaf.bytes}, ${leaf.hash}, ${changesAuthority(act)}) as index`.execute(
    transaction,
  );
  return rows[0]!.index;
}

/** The same on a plain connection, inside the transaction that it has begun. */
export async function enterActBy(client: pg.ClientBase, actor: Actor, act: Act): Promise<number> {
  const leaf = encodeAct(actor, act);
  const { rows } = await client.query<{ index: number }>('select audit.append_act($1, $2, $3) as index', [
    leaf.bytes,
    leaf.hash,
    changesAuthority(act),
  ]);
  return rows[0]!.index;
}

function encodeAct(actor: Actor, act: Act): Leaf {
  return encodeEntry({ ...act, ...actor, id: randomUUID(), time: new Date(), outcome: 'done' });
}
