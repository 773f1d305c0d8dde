import { createDecipheriv, createPublicKey, diffieHellman, hkdfSync } from 'node:crypto';
import type pg from 'pg';
import { auditOfficeKeys } from '../helper.ts';

export type LogEntry = Record<string, unknown>;

/** The log's entries, from its bytes alone. */
export async function readLog(pool: pg.Pool): Promise<LogEntry[]> {
  const { rows } = await pool.query<{ bytes: Buffer }>('select bytes from audit.entry order by index');
  return rows.map(({ bytes }) => JSON.parse(bytes.toString()) as LogEntry);
}

function openBox(key: Buffer, box: string, additional: string): Buffer {
  const bytes = Buffer.from(box, 'base64url');
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12));
  decipher.setAAD(Buffer.from(additional)).setAuthTag(bytes.subarray(-16));
  return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
}

function rawPublic(x: string): Buffer {
  return Buffer.from(x, 'base64url');
}

/** As the audit office does it: the entry of the key, and the private key that no gateway holds. */
export function unwrapKey(log: LogEntry[], dataKey: unknown): Buffer {
  const entry = log.find(({ kind, data_key: id }) => kind === 'key' && id === dataKey)!;
  const { ephemeral, wrapped } = entry.details as { ephemeral: string; wrapped: string };
  const office = createPublicKey(auditOfficeKeys.privateKey).export({ format: 'jwk' }).x!;
  const shared = diffieHellman({
    privateKey: auditOfficeKeys.privateKey,
    publicKey: createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: ephemeral }, format: 'jwk' }),
  });
  const salt = Buffer.concat([rawPublic(ephemeral), rawPublic(office)]);
  const wrappingKey = Buffer.from(hkdfSync('sha256', shared, salt, 'onevisit/data-key', 32));
  return openBox(wrappingKey, wrapped, dataKey as string);
}

/** The subjects of an entry as the audit office reads them, from the log and its own key alone. */
export function openSeal(log: LogEntry[], entry: LogEntry, additional = entry.id as string): string {
  return openBox(unwrapKey(log, entry.data_key), entry.sealed as string, additional).toString();
}
