import { createCipheriv, createDecipheriv, createHash, randomBytes, type KeyObject } from 'node:crypto';

/**
 * Cursors of lists. They hold where the last of a page stands, which may be an id, or tell how much others do: so they
 * are sealed (AES-256-GCM). Nobody reads one, and one of another client or query is none. Good for a day.
 */

const lifetimeMs = 24 * 60 * 60 * 1000;
const nonceBytes = 12;
const tagBytes = 16;
/** When it ends, and how long the place is: the length of a cursor tells nearly nothing of that. */
const headBytes = 10;
const paddedTo = 32;

/**
 * Makes the cursor that continues a list behind a place.
 *
 * @param scope names client and query, so that no other list has the same
 */
export function sealCursor(key: KeyObject, scope: string, place: string, now: Date): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(digest(scope));
  const text = Buffer.from(place);
  const size = paddedTo * Math.ceil((headBytes + text.length) / paddedTo);
  const plain = Buffer.alloc(size);
  plain.writeBigUInt64BE(BigInt(now.getTime() + lifetimeMs));
  plain.writeUInt16BE(text.length, 8);
  plain.set(text, headBytes);
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([nonce, sealed, cipher.getAuthTag()]).toString('base64url');
}

/** Reads a cursor; null when it is another client's or query's, too old, or forged. Attacker-controlled input. */
export function openCursor(key: KeyObject, scope: string, cursor: string, now: Date): string | null {
  const bytes = Buffer.from(cursor, 'base64url');
  if (bytes.length < nonceBytes + headBytes + tagBytes) return null;
  try {
    const cipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes))
      .setAAD(digest(scope))
      .setAuthTag(bytes.subarray(-tagBytes));
    const plain = Buffer.concat([cipher.update(bytes.subarray(nonceBytes, -tagBytes)), cipher.final()]);
    if (Number(plain.readBigUInt64BE(0)) < now.getTime()) return null;
    return plain.toString('utf8', headBytes, headBytes + plain.readUInt16BE(8));
  } catch {
    return null;
  }
}

/** The same where the place is an index of the audit log. */
export function sealIndex(key: KeyObject, scope: string, index: number, now: Date): string {
  return sealCursor(key, scope, String(index), now);
}

/** Reads such a cursor, as `openCursor` does. */
export function openIndex(key: KeyObject, scope: string, cursor: string, now: Date): number | null {
  const place = openCursor(key, scope, cursor, now);
  return place === null ? null : Number(place);
}

function digest(scope: string): Buffer {
  return createHash('sha256').update(scope).digest();
}
