import { createPublicKey, sign, type KeyObject } from 'node:crypto';
import { checkpointText, type Checkpoint } from '../checkpoint.ts';
import {
  cosignatureBytes,
  cosignedMessage,
  formatNote,
  formatSignature,
  formatVerifierKey,
  keyIdOf,
  parseNote,
  parseVerifierKey,
  type KeyKind,
  type Verifier,
} from '../note.ts';
import { successionText } from '../succession.ts';

// What needs a private key, always one of Ed25519.

/** A key with the name that it signs under. */
export interface Signer {
  name: string;
  key: KeyObject;
}

/** Signs a text as `name`. @throws NoteError when the text or the name can't stand in a note */
export function signNote(text: string, name: string, key: KeyObject): string {
  return signByAll(text, [{ name, key }]);
}

function signByAll(text: string, signers: readonly Signer[]): string {
  const signatures = signers.map(({ name, key }) => ({
    name,
    keyId: keyIdOf('log', name, rawPublicKey(key)),
    bytes: sign(null, Buffer.from(text), key),
  }));
  return formatNote({ text, signatures });
}

/** Signs that one key of a log succeeds another above a size, with both. @throws NoteError as `signNote` */
export function signSuccession(from: Signer, to: Signer, size: number): string {
  const text = successionText(verifierKey(from.name, from.key), verifierKey(to.name, to.key), size);
  return signByAll(text, [from, to]);
}

/** Signs a checkpoint as a note, under a key whose name is the origin. @throws NoteError as `signNote` */
export function signCheckpoint(checkpoint: Checkpoint, key: KeyObject): string {
  return signNote(checkpointText(checkpoint), checkpoint.origin, key);
}

/**
 * A witness's signature line under a note (C2SP tlog-cosignature): that it has seen this, and nothing that this does
 * not continue, until `at`.
 *
 * @throws NoteError when it is no note
 */
export function cosign(note: string, name: string, key: KeyObject, at: Date): string {
  const time = Math.floor(at.getTime() / 1000);
  const signature = sign(null, cosignedMessage(parseNote(note).text, time), key);
  const keyId = keyIdOf('witness', name, rawPublicKey(key));
  return formatSignature({ name, keyId, bytes: cosignatureBytes(time, signature) });
}

/** The verifier key of a signing key: what others check its signatures with. @throws NoteError */
export function verifierKey(name: string, key: KeyObject, kind: KeyKind = 'log'): string {
  return formatVerifierKey(kind, name, rawPublicKey(key));
}

/** The verifier of a signing key. @throws NoteError */
export function verifierOf(name: string, key: KeyObject, kind: KeyKind = 'log'): Verifier {
  return parseVerifierKey(verifierKey(name, key, kind));
}

/** The 32 bytes of an Ed25519 or X25519 key's public half, of either half. */
export function rawPublicKey(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
}
