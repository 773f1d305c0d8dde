import type pg from 'pg';
import { byteaArray } from '../db/binary-array.ts';
import { isDataError, openLink } from '../db/connection.ts';
import { ProblemError } from '../base/errors.ts';
import type { Leaf } from './entry.ts';

/** The way into the audit log. */
export interface Appender {
  /**
   * Gives an entry its index, durably.
   *
   * @param authority the version of who-may-see-what that the entry was decided under
   * @returns the index once it has committed; null, with nothing inserted, when the authority has changed
   * @throws ProblemError audit-unavailable when the append failed or its outcome is unknown; overloaded when too many
   *   wait, or this one waited too long for its turn
   */
  append(leaf: Leaf, authority: number): Promise<number | null>;
  close(): Promise<void>;
}

interface WaitingEntry {
  leaf: Leaf;
  authority: number;
  sinceMs: number;
  resolve: (index: number | null) => void;
  reject: (error: unknown) => void;
}

const maxWaiting = 10_000;
/** An entry that has waited longer when a batch is made up is refused: its client has probably given up. */
const maxWaitMs = 5000;
const maxBatchEntries = 1000;
const maxBatchBytes = 4 * 1024 * 1024;

/** What "durable" rests on, whatever the server, the role or the URL say: warnings come, commits are flushed. */
const durableSession = `
  set client_min_messages = warning;
  select set_config('synchronous_commit', 'on', false)
    where current_setting('synchronous_commit') in ('off', 'local')`;

/** The statement that appends entries decided under one authority. */
export const appendStatement = {
  name: 'audit-append',
  text: 'select audit.append($1::bigint, $2::bytea[], $3::bytea[]) as base',
};

/**
 * Opens the appender on a connection of its own. All entries that wait go in one statement, and one statement
 * is outstanding at a time, because a notice does not say which statement it belongs to.
 */
export function openAppender(config: pg.ClientConfig, onBatch: (entries: number) => void): Appender {
  let waiting: WaitingEntry[] = [];
  let appending = false;
  let notices = 0;
  /** Why the batch before failed; null when it went well. */
  let lastFailure: unknown = null;
  const link = openLink(config, async (client) => {
    client.on('notice', () => notices++);
    await client.query(durableSession);
  });

  async function appendWaiting(): Promise<void> {
    while (waiting.length > 0) {
      giveUpLate();
      if (waiting.length > 0) await appendBatch(takeBatch());
    }
    appending = false;
  }

  function giveUpLate(): void {
    const oldestMs = performance.now() - maxWaitMs;
    const firstInTime = waiting.findIndex(({ sinceMs }) => sinceMs >= oldestMs);
    for (const entry of waiting.splice(0, firstInTime < 0 ? waiting.length : firstInTime))
      entry.reject(
        lastFailure === null
          ? new ProblemError('overloaded')
          : new ProblemError('audit-unavailable', {}, { cause: lastFailure }),
      );
  }

  /** The entries at the head that were decided under one authority, within the limits. */
  function takeBatch(): WaitingEntry[] {
    const authority = waiting[0]!.authority;
    let sizeBytes = 0;
    let end = 0;
    while (end < waiting.length && end < maxBatchEntries && waiting[end]!.authority === authority) {
      sizeBytes += waiting[end]!.leaf.bytes.length;
      if (end > 0 && sizeBytes > maxBatchBytes) break;
      end++;
    }
    const batch = waiting.slice(0, end);
    waiting = waiting.slice(end);
    return batch;
  }

  async function appendBatch(batch: WaitingEntry[]): Promise<void> {
    try {
      const base = await appendOnce(batch);
      lastFailure = null;
      if (base !== null) onBatch(batch.length);
      batch.forEach((entry, i) => entry.resolve(base === null ? null : base + i));
    } catch (error) {
      // Bad data aborts the statement before it can commit: whose entry is good must not suffer for it.
      if (isDataError(error) && batch.length > 1) {
        const middle = batch.length >> 1;
        await appendBatch(batch.slice(0, middle));
        await appendBatch(batch.slice(middle));
        return;
      }
      lastFailure = error;
      for (const entry of batch) entry.reject(new ProblemError('audit-unavailable', {}, { cause: error }));
    }
  }

  /** Done means: the statement returned an index, and no notice came with it. Nothing is ever retried. */
  async function appendOnce(batch: WaitingEntry[]): Promise<number | null> {
    const client = await link.client();
    const noticesBefore = notices;
    try {
      const { rows } = await client.query<{ base: number | null }>({
        ...appendStatement,
        values: [
          batch[0]!.authority,
          byteaArray(batch.map(({ leaf }) => leaf.bytes)),
          byteaArray(batch.map(({ leaf }) => leaf.hash)),
        ],
      });
      if (notices !== noticesBefore) throw new Error('a notice came with the append: its outcome is unknown');
      const base = rows[0]?.base;
      if (base === undefined) throw new Error('the append returned nothing');
      return base;
    } catch (error) {
      if (!isDataError(error)) link.discard(client);
      throw error;
    }
  }

  return {
    append(leaf, authority) {
      if (waiting.length >= maxWaiting) return Promise.reject(new ProblemError('overloaded'));
      return new Promise((resolve, reject) => {
        waiting.push({ leaf, authority, sinceMs: performance.now(), resolve, reject });
        if (appending) return;
        appending = true;
        setImmediate(() => void appendWaiting());
      });
    },
    close: () => link.close(),
  };
}
