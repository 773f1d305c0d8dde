import { sql, type Transaction } from 'kysely';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';
import { UserError } from '../base/errors.ts';
import { keyId } from '../base/keys.ts';
import { enterAct, type Actor } from './act.ts';
import type { Checkpoint } from '../transparency/checkpoint.ts';
import { NoteError, type Verifier } from '../transparency/note.ts';
import { signSuccession, verifierOf, type Signer } from '../transparency/node/sign.ts';
import { nextIndex } from './next-index.ts';
import { followSuccessions } from '../transparency/succession.ts';

/** What came of it. */
export interface LogKeyChange {
  /** The index of the entry that tells of it. */
  entry: number;
  from: Verifier;
  to: Verifier;
}

/**
 * Lets another key sign the log's checkpoints from now on. Those of the old key stay verifiable, by either of them:
 * both sign the succession.
 *
 * @throws UserError when `from` is not the key that signs now, or `to` has signed before
 */
export function changeLogKey(
  database: Database,
  actor: Actor,
  from: Signer,
  to: Signer,
): Promise<LogKeyChange> {
  return replaceLogKey(database, { from, to }, (transaction, { note, ...keys }) =>
    enterAct(transaction, actor, {
      operation: 'log-key-change',
      details: { from: keys.from.line, to: keys.to.line, succession: note },
    }),
  );
}

/** What is known of a log that can't go on under its origin. */
export interface LostLog {
  /** Why it can't. */
  reason: string;
  /** The last checkpoint that anybody has seen of it; null where nobody kept one. */
  last: { checkpoint: Checkpoint; note: string } | null;
}

/**
 * Opens a log anew, under another origin: its entries stay, and the first one that follows them tells of the old
 * origin and of the last checkpoint that was seen of it. Whoever kept that can see what is missing.
 *
 * @throws UserError as `changeLogKey`
 */
export function reopenLog(
  database: Database,
  actor: Actor,
  { from, to }: { from: Signer; to: Signer },
  { reason, last }: LostLog,
): Promise<LogKeyChange> {
  if (from.name === to.name)
    throw new UserError(`--origin: the log is ${from.name} already; a log is opened anew under another name`);
  return replaceLogKey(database, { from, to }, async (transaction, { note, ...keys }) => {
    // Nobody appends between the count and the entry that says it.
    await sql`select audit.lock_log()`.execute(transaction);
    const { rows } = await sql<{ entries: number }>`
      select ${sql.raw(nextIndex)} as entries`.execute(transaction);
    return enterAct(transaction, actor, {
      operation: 'log-reopen',
      details: {
        from: keys.from.line,
        to: keys.to.line,
        succession: note,
        reason,
        entries: rows[0]!.entries,
        ...(last !== null && { last_size: last.checkpoint.size, last_checkpoint: last.note }),
      },
    });
  });
}

async function replaceLogKey(
  database: Database,
  { from, to }: { from: Signer; to: Signer },
  enter: (
    transaction: Transaction<Tables>,
    keys: { from: Verifier; to: Verifier; note: string },
  ) => Promise<number>,
): Promise<LogKeyChange> {
  const keys = { from: verifierOf(from.name, from.key), to: verifierOf(to.name, to.key) };
  return database.transaction().execute(async (transaction) => {
    // Nobody publishes until this is done: the old key counts for what it has signed by now. Nor does anybody else let
    // another key follow it.
    await sql`lock table audit.checkpoint in share row exclusive mode`.execute(transaction);
    const { rows } = await sql<{ size: number }>`
      select coalesce(max(size), 0) as size from audit.checkpoint`.execute(transaction);
    await refuseUnlessCurrent(transaction, from, keys);
    const note = signSuccession(from, to, rows[0]!.size);
    const entry = await enter(transaction, { ...keys, note });
    await sql`insert into audit.succession (note) values (${note})`.execute(transaction);
    for (const [key, value] of [
      ['LOG_ORIGIN', to.name],
      ['LOG_KEY_FILE', keyId(to.key)],
    ] as const)
      await transaction.updateTable('registry.setting').set({ value }).where('key', '=', key).execute();
    return { entry, ...keys };
  });
}

async function refuseUnlessCurrent(
  transaction: Transaction<Tables>,
  from: Signer,
  keys: { from: Verifier; to: Verifier },
): Promise<void> {
  const rows = await transaction
    .selectFrom('registry.setting')
    .selectAll()
    .where('key', 'in', ['LOG_ORIGIN', 'LOG_KEY_FILE'])
    .execute();
  const settings = new Map(rows.map(({ key, value }) => [key, value]));
  if (settings.size < 2)
    throw new UserError('no gateway has signed this log yet: start one with the key that it should have');
  if (settings.get('LOG_ORIGIN') !== from.name)
    throw new UserError(`LOG_ORIGIN: this log is ${settings.get('LOG_ORIGIN')}, not ${from.name}`);
  if (settings.get('LOG_KEY_FILE') !== keyId(from.key))
    throw new UserError('LOG_KEY_FILE: is not the key that this log is signed with');
  const { rows: successions } = await sql<{
    note: string;
  }>`select note from audit.succession order by n`.execute(transaction);
  const chain = followStoredSuccessions(
    keys.from,
    successions.map(({ note }) => note),
  );
  if (chain.some(({ line }) => line === keys.to.line))
    throw new UserError(`the key ${keys.to.line} has signed this log before: make a new one`);
  if (from.name !== keys.to.name && chain.some(({ name }) => name === keys.to.name))
    throw new UserError(`--origin: the log was ${keys.to.name} before: give it a name that it never had`);
}

function followStoredSuccessions(trusted: Verifier, notes: string[]): Verifier[] {
  try {
    return followSuccessions(trusted, notes);
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    throw new UserError(`the successions of the log's keys do not hold: ${error.message}`);
  }
}
