import { createCipheriv, createDecipheriv, hash, randomBytes, type KeyObject } from 'node:crypto';
import { invalidBody } from './validation.ts';

/**
 * Cursors of lists. A cursor holds the place of a page's last item. That place may be an id, or may show how much others
 * do, so cursors are sealed (AES-256-GCM). A cursor is valid for one client and one query, for a day.
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
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(hash('sha256', scope, 'buffer'));
  const text = Buffer.from(place);
  const size = paddedTo * Math.ceil((headBytes + text.length) / paddedTo);
  const plain = Buffer.alloc(size);
  plain.writeBigUInt64BE(BigInt(now.getTime() + lifetimeMs));
  plain.writeUInt16BE(text.length, 8);
  plain.set(text, headBytes);
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([nonce, sealed, cipher.getAuthTag()]).toString('base64url');
}

/** Opens a cursor; null when it is another client's or query's, too old, or forged. Attacker-controlled input. */
export function openCursor(key: KeyObject, scope: string, cursor: string, now: Date): string | null {
  const bytes = Buffer.from(cursor, 'base64url');
  if (bytes.length < nonceBytes + headBytes + tagBytes) return null;
  try {
    const cipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes))
      .setAAD(hash('sha256', scope, 'buffer'))
      .setAuthTag(bytes.subarray(-tagBytes));
    const plain = Buffer.concat([cipher.update(bytes.subarray(nonceBytes, -tagBytes)), cipher.final()]);
    if (Number(plain.readBigUInt64BE(0)) < now.getTime()) return null;
    return plain.toString('utf8', headBytes, headBytes + plain.readUInt16BE(8));
  } catch {
    return null;
  }
}

/**
 * Reads the cursor of a request. Takes attacker-controlled input.
 *
 * @returns the place behind which the list goes on; null where the request has none
 * @throws ProblemError invalid-request
 */
export function readCursor(
  key: KeyObject,
  scope: string,
  cursor: string | null | undefined,
  now: Date,
): string | null {
  if (cursor === null || cursor === undefined) return null;
  const place = openCursor(key, scope, cursor, now);
  if (place !== null) return place;
  throw invalidBody('#/after', {
    en: 'is not a cursor of this query by this client, or older than a day',
    zh: '不是该客户端此次查询的游标，或已超过一天',
  });
}

/** The same where the place is an index of the audit log. */
export function readIndexCursor(...cursor: Parameters<typeof readCursor>): number | null {
  const place = readCursor(...cursor);
  return place === null ? null : Number(place);
}
