import { randomUUID } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import { sql, type Transaction } from 'kysely';
import type pg from 'pg';
import type { Tables } from '../db/tables.ts';
import { UserError } from '../base/errors.ts';
import { encodeEntry, type Entry, type Leaf } from './entry.ts';

/** Who acts: a department's client by a request, or somebody at the command line. */
export interface Actor {
  client: string;
  consumer?: string;
  official?: Entry['official'];
  /** The request's, where there is one. */
  id?: string;
  time?: Date;
  trace_id?: string | undefined;
}

/** The person who runs the command line, as entries name them: account and host. */
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

/**
 * Acts that are entered in the transaction that carries them out, by their operation: the kind of the entry, and whether
 * it changes who may see what, so that every exchange decided before it is decided again. What is done without a line
 * here or below can't be entered, and `test/governing-acts.test.ts` asks of every command and route which of these it is.
 */
const enteredActs = {
  'department-add': { kind: 'client', changesAuthority: true },
  'client-add': { kind: 'client', changesAuthority: true },
  'client-revoke': { kind: 'client', changesAuthority: true },
  'idp-add': { kind: 'client', changesAuthority: true },
  'idp-keys': { kind: 'client', changesAuthority: true },
  'idp-remove': { kind: 'client', changesAuthority: true },
  'log-key-change': { kind: 'key', changesAuthority: true },
  'log-reopen': { kind: 'origin', changesAuthority: true },
  load: { kind: 'load', changesAuthority: false },
  migrate: { kind: 'migration', changesAuthority: true },
  archive: { kind: 'migration', changesAuthority: false },
  'log-export': { kind: 'query', changesAuthority: false },
  'dataset-impact': { kind: 'query', changesAuthority: false },
} as const satisfies Record<string, { kind: Entry['kind']; changesAuthority: boolean }>;

/** Acts that the database carries out by what their entries say, with the kind of the entry. */
const carriedOutActs = {
  'purpose-add': 'purpose',
  'grant-add': 'grant',
  'grant-apply': 'grant',
  'grant-approve': 'grant',
  'grant-reject': 'grant',
  'grant-suspend': 'grant',
  'grant-resume': 'grant',
  'grant-revoke': 'grant',
  'grant-withdraw': 'grant',
} as const satisfies Record<string, Entry['kind']>;

type EnteredOperation = keyof typeof enteredActs;
export type CarriedOutOperation = keyof typeof carriedOutActs;

/** The operations of acts that govern, as their entries name them. */
export const actOperations: string[] = [...Object.keys(enteredActs), ...Object.keys(carriedOutActs)];

/** What an act says of itself. Details have the whole terms, and never a secret. */
type Act<Operation> = Pick<
  Entry,
  'provider' | 'dataset' | 'version' | 'purpose' | 'grants' | 'records' | 'details'
> & {
  operation: Operation;
};
type EnteredAct = Act<EnteredOperation>;
export type CarriedOutAct = Act<CarriedOutOperation>;

/**
 * Enters an act that governs, in the transaction that carries it out: both become durable, or neither.
 *
 * @returns the entry's index
 */
export async function enterAct(
  transaction: Transaction<Tables>,
  actor: Actor,
  act: EnteredAct,
): Promise<number> {
  const { changesAuthority } = enteredActs[act.operation];
  const leaf = encodeEntered(actor, act);
  const { rows } = await sql<{ index: number }>`
    select audit.append_act(${leaf.bytes}, ${leaf.hash}, ${changesAuthority}) as index`.execute(transaction);
  return rows[0]!.index;
}

/** The same on a plain connection, inside the transaction that it has begun. */
export async function enterActBy(client: pg.ClientBase, actor: Actor, act: EnteredAct): Promise<number> {
  const { changesAuthority } = enteredActs[act.operation];
  const leaf = encodeEntered(actor, act);
  const { rows } = await client.query<{ index: number }>('select audit.append_act($1, $2, $3) as index', [
    leaf.bytes,
    leaf.hash,
    changesAuthority,
  ]);
  return rows[0]!.index;
}

/** What PostgreSQL answers to a write by a role that may only read, or on a replica. */
const mayNotWrite = ['42501', '25006'];
const maxAttempts = 10;

/**
 * Enters a look into the log. The connection needs the right to append, which the gateway's role has. Show nothing of
 * what was found before this resolves.
 *
 * @returns the entry's index
 * @throws UserError when the connection may not write, or authority changes all the time
 */
export async function enterLook(client: pg.ClientBase, actor: Actor, act: EnteredAct): Promise<number> {
  const leaf = encodeEntered(actor, act);
  try {
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const { rows } = await client.query<{ index: number | null }>(
        `select audit.append((select version from audit.authority where id = 1), array[$1::bytea],
           array[$2::bytea]) as index`,
        [leaf.bytes, leaf.hash],
      );
      if (rows[0]!.index !== null) return rows[0]!.index;
    }
  } catch (error) {
    if (!mayNotWrite.includes((error as { code?: string }).code ?? '')) throw error;
    throw new UserError(
      'what looks into the audit log is an entry of it, and this login may not write there: use one of ' +
        'onevisit_gateway, or ADMIN_DATABASE_URL',
      { cause: error },
    );
  }
  throw new UserError('the look could not be entered in the audit log: try again');
}

function encodeEntered(actor: Actor, act: EnteredAct): Leaf {
  return encode(enteredActs[act.operation].kind, actor, act);
}

/** The entry of an act that the database carries out. @throws RangeError when it is larger than a leaf may be */
export function encodeCarriedOut(actor: Actor, act: CarriedOutAct): Leaf {
  return encode(carriedOutActs[act.operation], actor, act);
}

function encode(kind: Entry['kind'], actor: Actor, act: Act<string>): Leaf {
  return encodeEntry({ id: randomUUID(), time: new Date(), ...act, ...actor, kind, outcome: 'done' });
}
