/** For tests of gateways and logs: the names and keys that the gateways of one test file have in common. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { Keys } from '../../src/base/keys.ts';

export const issuer = 'http://gateway.test';
export const logOrigin = 'onevisit.test/audit';
export const actor = { client: 'cli:tester@test' };
export const auditOfficeKeys = generateKeyPairSync('x25519');

export const keys: Keys = {
  token: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  log: generateKeyPairSync('ed25519').privateKey,
  logSecret: randomBytes(32),
  auditPublic: auditOfficeKeys.publicKey,
};
