import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** What a client may do at all; each is also a scope that its tokens can have. */
export const roles = ['exchange', 'provide', 'audit', 'disclose', 'admin'] as const;

/** One application of a department, with credentials. */
export interface Client {
  id: string;
  department: string;
  roles: string[];
  /** SHA-256 of the client secret; null for a client without one. */
  secretHash: Buffer | null;
}

const secretPrefix = 'ovs_';
const nobodysHash = randomBytes(32);

/** A new client secret of 256 random bits. */
export function newSecret(): string {
  return secretPrefix + randomBytes(32).toString('base64url');
}

/** The form in which a secret is stored: it is random, so one hash without salt or stretching suffices. */
export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** Compares in constant time; a client that is unknown takes as long as a wrong secret. */
export function isSecretOf(client: Client | undefined, secret: string): boolean {
  const equal = timingSafeEqual(hashSecret(secret), client?.secretHash ?? nobodysHash);
  return equal && client?.secretHash != null;
}
