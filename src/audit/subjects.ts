import { createHash, hash, type KeyObject, createSecretKey, hkdfSync } from 'node:crypto';
import { createMac, type Mac } from './mac.ts';

/** The keys that are derived from the log's permanent secret (HKDF-SHA-256). */
export interface LogSecrets {
  subjectMac: Mac;
  saltMac: Mac;
  /** Seals the cursors of lists. */
  cursorKey: KeyObject;
  /** The id of the subject key: entries name it. */
  subjectKeyId: string;
}

export function deriveLogSecrets(secret: Buffer): LogSecrets {
  const derive = (info: string): Buffer => Buffer.from(hkdfSync('sha256', secret, '', info, 32));
  const subjectKey = derive('onevisit/subject');
  return {
    subjectMac: createMac(subjectKey),
    saltMac: createMac(derive('onevisit/salt')),
    cursorKey: createSecretKey(derive('onevisit/sealed-cursor')),
    subjectKeyId: createHash('sha256').update(subjectKey).digest().subarray(0, 8).toString('base64url'),
  };
}

const subjectRefBytes = 16;

/**
 * A subject in an entry: HMAC-SHA-256 over dataset ‖ 00 ‖ id, its first 16 bytes, base64url. One whose id the consumer
 * neither named nor was shown has another, over dataset ‖ 00 ‖ id ‖ 00 ‖ "hidden": a consumer sees its own entries, and
 * could otherwise find the id by naming others until two are the same.
 */
export function subjectRef(secrets: LogSecrets, dataset: string, id: string, hidden = false): string {
  const text = `${dataset}\0${id}${hidden ? '\0hidden' : ''}`;
  return secrets.subjectMac(text).toString('base64url', 0, subjectRefBytes);
}

const bodyPrefix = Buffer.from('onevisit-body/1\0');

/** Binds the body sent to its entry, without storing it. The salt goes to the consumer alone. */
export function commitToBody(
  secrets: LogSecrets,
  entryId: string,
  body: string | Buffer,
): { salt: Buffer; commitment: string } {
  const salt = secrets.saltMac(entryId);
  return { salt, commitment: commitment(salt, typeof body === 'string' ? Buffer.from(body) : body) };
}

/** Whether this body, under this salt, is the one that an entry's `body` is bound to. */
export function opensCommitment(bound: string, salt: Uint8Array, body: Uint8Array): boolean {
  return commitment(salt, body) === bound;
}

function commitment(salt: Uint8Array, body: Uint8Array): string {
  return hash('sha256', Buffer.concat([bodyPrefix, salt, body]), 'base64url');
}
