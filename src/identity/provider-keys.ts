import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { UserError } from '../base/errors.ts';

/** A key by which an identity provider signs, with the one algorithm that it is used for. */
export interface ProviderKey {
  kid: string;
  alg: 'ES256' | 'RS256' | 'EdDSA';
  key: KeyObject;
}

/** A key as it is stored: its public members alone. */
export interface StoredProviderKey {
  kid: string;
  jwk: JsonWebKey;
}

const maxKeys = 20;
const minRsaBits = 2048;

/**
 * Reads a JSON Web Key Set (RFC 7517): its public signing keys.
 *
 * @throws UserError when it is none, or holds what can't be used or must not be shown
 */
export function parseKeySet(text: string): StoredProviderKey[] {
  const jwks = listKeys(text).filter(({ use }) => use !== 'enc');
  if (jwks.length === 0 || jwks.length > maxKeys)
    throw new UserError(`the key set must have 1 to ${maxKeys} signing keys`);
  const stored = jwks.map((jwk) => {
    if (typeof jwk.kid !== 'string' || jwk.kid === '' || jwk.kid.length > 200)
      throw new UserError('a key of the set has no kid');
    if ('d' in jwk || 'k' in jwk)
      throw new UserError(`the key "${jwk.kid}" is not a public one: keep it at the identity provider`);
    const { kid, key } = toProviderKey({ kid: jwk.kid, jwk });
    return { kid, jwk: key.export({ format: 'jwk' }) };
  });
  if (new Set(stored.map(({ kid }) => kid)).size < stored.length)
    throw new UserError('two keys of the set have the same kid');
  return stored;
}

function listKeys(text: string): JsonWebKey[] {
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch {
    throw new UserError('the key set is not JSON');
  }
  const keys = (set as { keys?: unknown } | null)?.keys;
  const isObject = (key: unknown): boolean => typeof key === 'object' && key !== null;
  if (!Array.isArray(keys) || !keys.every(isObject)) throw new UserError('the key set has no array "keys"');
  return keys as JsonWebKey[];
}

/** @throws UserError when it is no key of P-256, RSA of 2048 bits or more, or Ed25519 */
export function toProviderKey({ kid, jwk }: StoredProviderKey): ProviderKey {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    throw new UserError(`the key "${kid}" is not a public JSON Web Key`);
  }
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'ec' && namedCurve === 'prime256v1') return { kid, alg: 'ES256', key };
  if (key.asymmetricKeyType === 'rsa' && modulusLength >= minRsaBits) return { kid, alg: 'RS256', key };
  if (key.asymmetricKeyType === 'ed25519') return { kid, alg: 'EdDSA', key };
  throw new UserError(`the key "${kid}" must be of P-256, RSA of ${minRsaBits} bits or more, or Ed25519`);
}
