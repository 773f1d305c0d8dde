import { createPublicKey, hash, verify } from 'node:crypto';
import type { CheckSignature } from '../check-signature.ts';

// What verifying needs of cryptography, from Node. `crypto-browser.ts` promises the same to browsers; which of the two
// `#crypto` stands for is said in package.json.

/** Writes the SHA-256 of bytes, 32 bytes, into `to` at `at`. */
export function sha256Into(bytes: Uint8Array, to: Uint8Array, at: number): void {
  // A digest as a string costs half of one as a buffer.
  const digest = hash('sha256', bytes, 'binary');
  for (let i = 0; i < digest.length; i++) to[at + i] = digest.charCodeAt(i);
}

/** DER of an Ed25519 public key, up to the 32 bytes of the key (RFC 8410). */
const ed25519Spki = Buffer.from('302a300506032b6570032100', 'hex');

/** Makes the check of an Ed25519 key's signatures (RFC 8032). @param publicKey 32 bytes */
export function ed25519Check(publicKey: Uint8Array): CheckSignature {
  const spki = Buffer.concat([ed25519Spki, publicKey]);
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  return (message, signature) => verify(null, message, key, signature);
}
