/** For tests of sealed entries: opens them as the audit office does. */
import type pg from 'pg';
import { openSeal as open, unwrapDataKey, type WrappedKey } from '../../src/audit/sealing/open.ts';
import { auditOfficeKeys } from './keys.ts';

export type LogEntry = Record<string, unknown>;

/** The log's entries, from its bytes alone. */
export async function readLog(pool: pg.Pool): Promise<LogEntry[]> {
  const { rows } = await pool.query<{ bytes: Buffer }>('select bytes from audit.entry order by index');
  return rows.map(({ bytes }) => JSON.parse(bytes.toString()) as LogEntry);
}

/** As the audit office does it: the entry of the key, and the private key that no gateway holds. */
export function unwrapKey(log: LogEntry[], dataKey: unknown): Buffer {
  const entry = log.find(({ kind, data_key: id }) => kind === 'key' && id === dataKey)!;
  return unwrapDataKey(entry.details as WrappedKey, dataKey as string, auditOfficeKeys.privateKey);
}

/** The subjects of an entry as the audit office reads them, from the log and its own key alone. */
export function openSeal(log: LogEntry[], entry: LogEntry, additional = entry.id as string): string {
  return open(entry.sealed as string, unwrapKey(log, entry.data_key), additional).join('\n');
}
