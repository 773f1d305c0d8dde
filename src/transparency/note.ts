import { ed25519Check, sha256Into } from '#crypto';
import type { CheckSignature } from './check-signature.ts';

/** A note that was signed: its text, which ends in a newline, and a line for each signature (C2SP signed-note). */
export interface Note {
  text: string;
  signatures: NoteSignature[];
}

export interface NoteSignature {
  name: string;
  keyId: number;
  bytes: Uint8Array;
}

/** Who may sign: a name, the key's short id, and how its signatures are checked. */
export interface Verifier {
  name: string;
  keyId: number;
  kind: KeyKind;
  /** The line that it was read from, by which it can be told from others. */
  line: string;
  check: CheckSignature;
  /** A log's key that has succeeded another, or was succeeded: which sizes of checkpoints it counts for. */
  above?: number;
  upTo?: number;
}

/** A log's key signs the text; a witness's signs it with the time at which it saw it (C2SP tlog-cosignature). */
export type KeyKind = 'log' | 'witness';

/** The byte that says a key's kind, in its id and in its verifier key. */
const kindBytes: Record<KeyKind, number> = { log: 1, witness: 4 };
/** A note is a few lines; what is longer is none of ours. */
const maxNoteChars = 1_000_000;
const maxSignatures = 100;
const publicKeyBytes = 32;
const timeBytes = 8;

/** What was not a note as it should be, or has no signature that counts. */
export class NoteError extends Error {
  override name = 'NoteError';
}

/** Writes a note. @throws NoteError when the text or a name can't stand in one */
export function formatNote({ text, signatures }: Note): string {
  checkNoteText(text);
  return `${text}\n${signatures.map(formatSignature).join('')}`;
}

/** The line of one signature, its newline included. @throws NoteError when the name can't stand in one */
export function formatSignature({ name, keyId, bytes }: NoteSignature): string {
  checkName(name);
  return `— ${name} ${encodeBase64(concat(bigEndian(keyId, 4), bytes))}\n`;
}

/** Takes a note apart. @throws NoteError when it is not written as one */
export function parseNote(note: string): Note {
  if (note.length > maxNoteChars) throw new NoteError('the note is too long');
  const split = note.lastIndexOf('\n\n');
  if (split < 0) throw new NoteError('the note has no empty line before its signatures');
  const text = note.slice(0, split + 1);
  checkNoteText(text);
  return { text, signatures: parseSignatures(note.slice(split + 2)) };
}

/** Reads the lines of signatures, as a witness answers them. @throws NoteError when they are not written as such */
export function parseSignatures(lines: string): NoteSignature[] {
  if (!lines.endsWith('\n')) throw new NoteError('the note does not end in a newline');
  const signatures = lines.slice(0, -1).split('\n').map(parseSignature);
  if (signatures.length > maxSignatures) throw new NoteError('the note has too many signatures');
  return signatures;
}

function parseSignature(line: string): NoteSignature {
  const [, name, base64] = /^— ([^\s+]+) (\S+)$/u.exec(line) ?? [];
  const bytes = base64 === undefined ? null : decodeBase64(base64);
  if (name === undefined || bytes === null || bytes.length < 5)
    throw new NoteError('the note has a line that is no signature');
  return { name, keyId: new DataView(bytes.buffer).getUint32(0), bytes: bytes.slice(4) };
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
  for (const signature of signatures) {
    const verifier = verifiers.find(
      ({ name, keyId }) => name === signature.name && keyId === signature.keyId,
    );
    if (verifier === undefined) continue;
    if (!checkSignature(verifier, text, signature.bytes))
      throw new NoteError(`the signature of ${verifier.name} is bad`);
    signers.push(verifier);
  }
  if (signers.length === 0) throw new NoteError('nobody who is known has signed the note');
  return { text, signers };
}

function checkSignature({ kind, check }: Verifier, text: string, bytes: Uint8Array): boolean {
  if (kind === 'log') return check(new TextEncoder().encode(text), bytes);
  if (bytes.length <= timeBytes) return false;
  const time = Number(new DataView(bytes.buffer).getBigUint64(0));
  return Number.isSafeInteger(time) && check(cosignedMessage(text, time), bytes.slice(timeBytes));
}

/** What a witness signs (C2SP tlog-cosignature). @param time seconds since 1970 */
export function cosignedMessage(text: string, time: number): Uint8Array {
  return new TextEncoder().encode(`cosignature/v1\ntime ${time}\n${text}`);
}

/** A witness's signature as it stands in a note: the time, and the signature of `cosignedMessage`. */
export function cosignatureBytes(time: number, signature: Uint8Array): Uint8Array {
  return concat(bigEndian(time, timeBytes), signature);
}

/** A verifier key: `name+keyid+base64(kind ‖ public key)`. @throws NoteError when the name can't stand in one */
export function formatVerifierKey(kind: KeyKind, name: string, publicKey: Uint8Array): string {
  checkName(name);
  const id = keyIdOf(kind, name, publicKey).toString(16).padStart(8, '0');
  return `${name}+${id}+${encodeBase64(concat(Uint8Array.of(kindBytes[kind]), publicKey))}`;
}

/** Reads a verifier key. @throws NoteError that says what is wrong with it */
export function parseVerifierKey(line: string): Verifier {
  const [, name, hexId, base64] = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/u.exec(line) ?? [];
  const data = base64 === undefined ? null : decodeBase64(base64);
  if (name === undefined || data === null) throw new NoteError('a verifier key is written name+keyid+base64');
  const kind = (Object.keys(kindBytes) as KeyKind[]).find((one) => kindBytes[one] === data[0]);
  if (kind === undefined || data.length !== 1 + publicKeyBytes)
    throw new NoteError('the verifier key is not one of Ed25519');
  const publicKey = data.slice(1);
  const keyId = keyIdOf(kind, name, publicKey);
  if (keyId !== Number.parseInt(hexId!, 16))
    throw new NoteError('the verifier key does not fit its own id: it was not copied whole, or was changed');
  return { name, keyId, kind, line, check: ed25519Check(publicKey) };
}

/** The first four bytes of SHA-256(name ‖ 0A ‖ kind ‖ public key), by which a signature names its key. */
export function keyIdOf(kind: KeyKind, name: string, publicKey: Uint8Array): number {
  const hash = new Uint8Array(32);
  sha256Into(
    concat(new TextEncoder().encode(`${name}\n`), Uint8Array.of(kindBytes[kind]), publicKey),
    hash,
    0,
  );
  return new DataView(hash.buffer).getUint32(0);
}

/** Base64 as RFC 4648 has it, with its padding. */
export function encodeBase64(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** Reads base64 as RFC 4648 has it, with its padding; null for anything else. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return null;
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return encodeBase64(bytes) === text ? bytes : null;
}

function concat(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function bigEndian(number: number, length: 4 | 8): Uint8Array {
  const view = new DataView(new ArrayBuffer(length));
  if (length === 4) view.setUint32(0, number);
  else view.setBigUint64(0, BigInt(number));
  return new Uint8Array(view.buffer);
}

function checkNoteText(text: string): void {
  if (!text.endsWith('\n')) throw new NoteError("the note's text does not end in a newline");
  if (!text.isWellFormed() || Array.from(text).some((character) => character < ' ' && character !== '\n'))
    throw new NoteError('the note holds a control character');
}

function checkName(name: string): void {
  if (!/^[^\s+]+$/u.test(name)) throw new NoteError('a name in a note has no space and no plus sign');
}
