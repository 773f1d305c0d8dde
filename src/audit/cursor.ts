import { createHmac, timingSafeEqual } from 'node:crypto';
import type { LogSecrets } from './entry.ts';

/** Cursors of lists: opaque, bound to client and query, good for a day. */

const lifetimeMs = 24 * 60 * 60 * 1000;
const macBytes = 16;

/** Makes the cursor that continues a list below an index. `scope` names client and query. */
export function makeCursor(secrets: LogSecrets, scope: string, index: number, now: Date): string {
  const payload = Buffer.alloc(16);
  payload.writeBigUInt64BE(BigInt(index), 0);
  payload.writeBigUInt64BE(BigInt(now.getTime() + lifetimeMs), 8);
  return Buffer.concat([payload, mac(secrets, scope, payload)]).toString('base64url');
}

/** Reads a cursor; null when it is another client's or query's, too old, or forged. Attacker-controlled input. */
export function readCursor(secrets: LogSecrets, scope: string, cursor: string, now: Date): number | null {
  const bytes = Buffer.from(cursor, 'base64url');
  if (bytes.length !== 16 + macBytes) return null;
  const payload = bytes.subarray(0, 16);
  if (!timingSafeEqual(mac(secrets, scope, payload), bytes.subarray(16))) return null;
  if (Number(payload.readBigUInt64BE(8)) < now.getTime()) return null;
  return Number(payload.readBigUInt64BE(0));
}

function mac(secrets: LogSecrets, scope: string, payload: Buffer): Buffer {
  return createHmac('sha256', secrets.cursorKey).update(payload).update(scope).digest().subarray(0, macBytes);
}
