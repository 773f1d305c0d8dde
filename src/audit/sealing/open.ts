import { createDecipheriv, createPublicKey, diffieHellman, hkdfSync, type KeyObject } from 'node:crypto';
import { keyId } from '../../base/keys.ts';
import { rawPublicKey } from '../../transparency/node/sign.ts';
import { wrapAlgorithm, wrapInfo } from './seal.ts';

/** A data key as its entry has it: wrapped to the audit office's key. */
export interface WrappedKey {
  algorithm: string;
  /** Id of the audit office's key that it is wrapped to. */
  audit_key: string;
  /** Public half of the key that was made for the wrapping alone, base64url. */
  ephemeral: string;
  wrapped: string;
}

/** Why a seal does not open. Its message names no personal data. */
export class SealError extends Error {
  override name = 'SealError';
}

/**
 * Unwraps a data key on the audit office's machine.
 *
 * @param id the data key's, which it is bound to
 * @param privateKey the audit office's X25519 key, which no gateway holds
 * @throws SealError when it is wrapped to another key, or altered
 */
export function unwrapDataKey(key: WrappedKey, id: string, privateKey: KeyObject): Buffer {
  if (key.algorithm !== wrapAlgorithm)
    throw new SealError(`the data key is not wrapped by ${wrapAlgorithm}: a newer program opens it`);
  const own = keyId(privateKey);
  if (key.audit_key !== own)
    throw new SealError(`it is sealed for the audit office's key ${key.audit_key}, and this is ${own}`);
  try {
    const ephemeral = Buffer.from(key.ephemeral, 'base64url');
    const publicKey = createPublicKey({
      key: { kty: 'OKP', crv: 'X25519', x: key.ephemeral },
      format: 'jwk',
    });
    const shared = diffieHellman({ privateKey, publicKey });
    const salt = Buffer.concat([ephemeral, rawPublicKey(privateKey)]);
    const wrappingKey = Buffer.from(hkdfSync('sha256', shared, salt, wrapInfo, 32));
    return openBox(wrappingKey, key.wrapped, id);
  } catch (error) {
    throw new SealError('the wrapped data key was altered, or is that of another id', { cause: error });
  }
}

/**
 * The subjects of an entry, in the order in which they were sealed.
 *
 * @throws SealError when the seal was altered, or is that of another entry or data key
 */
export function openSeal(sealed: string, dataKey: Buffer, entryId: string): string[] {
  try {
    return openBox(dataKey, sealed, entryId).toString().split('\n');
  } catch (error) {
    throw new SealError('the seal was altered, or is that of another entry or data key', { cause: error });
  }
}

/** What AES-256-GCM sealed: nonce ‖ ciphertext ‖ tag, base64url. @throws Error when it does not authenticate */
function openBox(key: Buffer, box: string, additional: string): Buffer {
  const bytes = Buffer.from(box, 'base64url');
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12), { authTagLength: 16 });
  decipher.setAAD(Buffer.from(additional)).setAuthTag(bytes.subarray(-16));
  return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
}
