import { createHash, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';

/** A note that was signed: its text, which ends in a newline, and a line for each signature (C2SP signed-note). */
export interface Note {
  text: string;
  signatures: NoteSignature[];
}

export interface NoteSignature {
  name: string;
  keyId: number;
  bytes: Buffer;
}

/** Who may sign: a name, the key's short id, and how its signatures are checked. */
export interface Verifier {
  name: string;
  keyId: number;
  publicKey: KeyObject;
}

/** The kinds of key that a verifier key may name. */
const ed25519 = 1;
/** A note is a few lines; what is longer is none of ours. */
const maxNoteChars = 1_000_000;
const maxSignatures = 100;

/** DER of an Ed25519 public key, up to the 32 bytes of the key (RFC 8410). */
const ed25519Spki = Buffer.from('302a300506032b6570032100', 'hex');

/** What was not a note as it should be, or has no signature that counts. */
export class NoteError extends Error {
  override name = 'NoteError';
}

/** Signs a text as `name`. @throws NoteError when the text or the name can't stand in a note */
export function signNote(text: string, name: string, key: KeyObject): string {
  checkText(text);
  checkName(name);
  const signature = sign(null, Buffer.from(text), key);
  const id = Buffer.alloc(4);
  id.writeUInt32BE(keyIdOf(name, rawPublicKey(key)));
  return `${text}\n— ${name} ${Buffer.concat([id, signature]).toString('base64')}\n`;
}

/** Takes a note apart. @throws NoteError when it is not written as one */
export function parseNote(note: string): Note {
  if (note.length > maxNoteChars) throw new NoteError('the note is too long');
  const split = note.lastIndexOf('\n\n');
  if (split < 0) throw new NoteError('the note has no empty line before its signatures');
  const text = note.slice(0, split + 1);
  const lines = note.slice(split + 2);
  checkText(text);
  if (!lines.endsWith('\n')) throw new NoteError('the note does not end in a newline');
  const signatures = lines.slice(0, -1).split('\n').map(parseSignature);
  if (signatures.length > maxSignatures) throw new NoteError('the note has too many signatures');
  return { text, signatures };
}

function parseSignature(line: string): NoteSignature {
  const [, name, base64] = /^— ([^\s+]+) (\S+)$/u.exec(line) ?? [];
  const bytes = base64 === undefined ? null : decodeBase64(base64);
  if (name === undefined || bytes === null || bytes.length < 5)
    throw new NoteError('the note has a line that is no signature');
  return { name, keyId: bytes.readUInt32BE(0), bytes: bytes.subarray(4) };
}

/**
 * Opens a note: its text, and which of the verifiers have signed it. Signatures of others are ignored.
 *
 * @throws NoteError when it is no note, a signature of a known key is bad, or none of the verifiers has signed
 */
export function openNote(
  note: string,
  verifiers: readonly Verifier[],
): { text: string; signers: Verifier[] } {
  const { text, signatures } = parseNote(note);
  const signers: Verifier[] = [];
  for (const { name, keyId, bytes } of signatures) {
    const verifier = verifiers.find((one) => one.name === name && one.keyId === keyId);
    if (verifier === undefined) continue;
    if (!verify(null, Buffer.from(text), verifier.publicKey, bytes))
      throw new NoteError(`the signature of ${name} is bad`);
    signers.push(verifier);
  }
  if (signers.length === 0) throw new NoteError('nobody who is known has signed the note');
  return { text, signers };
}

/** The verifier key of a signing key: `name+keyid+base64(01 ‖ public key)`. @throws NoteError */
export function verifierKey(name: string, key: KeyObject): string {
  checkName(name);
  const publicKey = rawPublicKey(key);
  const id = keyIdOf(name, publicKey).toString(16).padStart(8, '0');
  return `${name}+${id}+${Buffer.concat([Buffer.of(ed25519), publicKey]).toString('base64')}`;
}

/** Reads a verifier key. @throws NoteError that says what is wrong with it */
export function parseVerifierKey(line: string): Verifier {
  const [, name, hexId, base64] = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/u.exec(line) ?? [];
  const data = base64 === undefined ? null : decodeBase64(base64);
  if (name === undefined || data === null) throw new NoteError('a verifier key is written name+keyid+base64');
  if (data[0] !== ed25519 || data.length !== 33)
    throw new NoteError('the verifier key is not one of Ed25519');
  const publicKey = data.subarray(1);
  const keyId = keyIdOf(name, publicKey);
  if (keyId !== Number.parseInt(hexId!, 16))
    throw new NoteError('the verifier key does not fit its own id: it was not copied whole, or was changed');
  const spki = Buffer.concat([ed25519Spki, publicKey]);
  return { name, keyId, publicKey: createPublicKey({ key: spki, format: 'der', type: 'spki' }) };
}

/** The first four bytes of SHA-256(name ‖ 0A ‖ 01 ‖ public key). */
function keyIdOf(name: string, publicKey: Buffer): number {
  const named = Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(ed25519), publicKey]);
  return createHash('sha256').update(named).digest().readUInt32BE(0);
}

function rawPublicKey(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return publicKey.export({ type: 'spki', format: 'der' }).subarray(ed25519Spki.length);
}

/** Base64 as RFC 4648 has it, with its padding; null for anything else. */
export function decodeBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}

function checkText(text: string): void {
  if (!text.endsWith('\n')) throw new NoteError("the note's text does not end in a newline");
  if (!text.isWellFormed() || Array.from(text).some((character) => character < ' ' && character !== '\n'))
    throw new NoteError('the note holds a control character');
}

function checkName(name: string): void {
  if (!/^[^\s+]+$/u.test(name)) throw new NoteError('a name in a note has no space and no plus sign');
}
