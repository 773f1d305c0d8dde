import * as ed25519 from '@noble/ed25519';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import type { CheckSignature } from './check-signature.ts';

// What verifying needs of cryptography, for browsers: see `crypto-node.ts`. Their own SubtleCrypto answers later only,
// which would make each of the millions of hashes of a log wait.

ed25519.hashes.sha512 = sha512;

/** Writes the SHA-256 of bytes, 32 bytes, into `to` at `at`. */
export function sha256Into(bytes: Uint8Array, to: Uint8Array, at: number): void {
  to.set(sha256(bytes), at);
}

/** Makes the check of an Ed25519 key's signatures (RFC 8032). @param publicKey 32 bytes */
export function ed25519Check(publicKey: Uint8Array): CheckSignature {
  return (message, signature) => {
    // The library throws at signatures that have another length.
    if (signature.length !== 64) return false;
    return ed25519.verify(signature, message, publicKey, { zip215: false });
  };
}
