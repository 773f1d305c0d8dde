import { createHash, createSecretKey, hash, hkdfSync, type KeyObject } from 'node:crypto';
import type { ErrorCode } from '../errors.ts';
import { createMac, createMacOfMany, macBytes, type Mac, type MacOfMany } from './mac.ts';
import { leafHash } from './merkle.ts';

/** The audit log's bytes, in the format `onevisit-entry/1`: canonical JSON, hashed as RFC 6962 leaves. */
export const entryFormat = 'onevisit-entry/1';
export const maxEntryBytes = 65_535;

/** What an entry may be of. */
export const entryKinds = [
  'exchange',
  'grant',
  'purpose',
  'client',
  'key',
  'load',
  'query',
  'open',
  'migration',
  'origin',
] as const;

/** What an entry may say. Members without a value are left out. */
export interface Entry {
  kind: (typeof entryKinds)[number];
  /** A version 4 UUID: its random bits keep an entry from being guessed from its leaf hash. */
  id: string;
  time: Date;
  trace_id?: string | undefined;
  consumer?: string | undefined;
  client?: string | undefined;
  official?: { id: string; proof: 'asserted' | 'proven' } | undefined;
  provider?: string | undefined;
  dataset?: string | undefined;
  version?: number | undefined;
  operation?: string | undefined;
  purpose?: string | undefined;
  case?: string | undefined;
  grants?: string[] | undefined;
  fields?: string[] | undefined;
  subjects?: string[] | undefined;
  sealed?: string | undefined;
  data_key?: string | undefined;
  subject_key?: string | undefined;
  outcome?: 'released' | 'absent' | 'refused' | 'done' | undefined;
  code?: ErrorCode | undefined;
  records?: number | undefined;
  body?: string | undefined;
  details?: Record<string, unknown> | undefined;
}

/** An entry as it is stored: the bytes, and the hash of the leaf that they are. */
export interface Leaf {
  bytes: Buffer;
  hash: Buffer;
}

/** Encodes an entry. @throws RangeError when it is larger than a leaf may be; TypeError as `canonicalJson` */
export function encodeEntry(entry: Entry): Leaf {
  const bytes = Buffer.from(entryJson(entry));
  if (bytes.length > maxEntryBytes)
    throw new RangeError(`an entry has ${bytes.length} bytes, at most ${maxEntryBytes} are allowed`);
  return { bytes, hash: Buffer.from(leafHash(bytes).buffer) };
}

/**
 * The entry as canonical JSON. Where its members are in canonical order from the start, and no string holds what
 * entries don't take, the engine's own JSON is that already.
 */
function entryJson(entry: Entry): string {
  const time = entry.time.toISOString();
  const simple = entry.details === undefined && isInteger(entry.version) && isInteger(entry.records);
  if (simple) {
    const json = JSON.stringify({
      body: entry.body,
      case: entry.case,
      client: entry.client,
      code: entry.code,
      consumer: entry.consumer,
      data_key: entry.data_key,
      dataset: entry.dataset,
      fields: entry.fields,
      format: entryFormat,
      grants: entry.grants,
      id: entry.id,
      kind: entry.kind,
      official: entry.official && { id: entry.official.id, proof: entry.official.proof },
      operation: entry.operation,
      outcome: entry.outcome,
      provider: entry.provider,
      purpose: entry.purpose,
      records: entry.records,
      sealed: entry.sealed,
      subject_key: entry.subject_key,
      subjects: entry.subjects,
      time,
      trace_id: entry.trace_id,
      version: entry.version,
    } satisfies Record<Exclude<keyof Entry, 'details'> | 'format', unknown>);
    if (!mayHoldRefusedCharacters.test(json)) return json;
  }
  return canonicalJson({ ...entry, format: entryFormat, time });
}

/** U+0000 and lone surrogates, as JSON.stringify escapes them; a backslash before a "u" of the text fits as well. */
const mayHoldRefusedCharacters = /\\u(?:0000|d[89a-f])/;

function isInteger(value: number | undefined): boolean {
  return value === undefined || Number.isSafeInteger(value);
}

/**
 * Canonical JSON (RFC 8785) of objects, arrays, strings, booleans and integers; undefined members are left out.
 *
 * @throws TypeError on any other value, and on strings with lone surrogates or U+0000
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'string') {
    if (!value.isWellFormed() || value.includes('\0'))
      throw new TypeError('entries take no lone surrogates and no U+0000: PostgreSQL could not read them');
    return JSON.stringify(value);
  }
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (isPlainObject(value)) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    members.sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([name, member]) => `${canonicalJson(name)}:${canonicalJson(member)}`).join(',')}}`;
  }
  throw new TypeError(`canonical JSON takes no ${value === null ? 'null' : typeof value}`);
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The keys that are derived from the log's permanent secret (HKDF-SHA-256). */
export interface LogSecrets {
  subjectMac: Mac;
  subjectMacOfMany: MacOfMany;
  saltMac: Mac;
  /** Seals the cursors of lists. */
  cursorKey: KeyObject;
  /** The id of the subject key: entries name it. */
  subjectKeyId: string;
}

export function deriveLogSecrets(secret: Buffer): LogSecrets {
  const derive = (info: string): Buffer => Buffer.from(hkdfSync('sha256', secret, '', info, 32));
  const subjectKey = derive('onevisit/subject');
  let macOfMany: MacOfMany | null = null;
  return {
    subjectMac: createMac(subjectKey),
    // Most processes never see many subjects at once, and its code takes memory.
    subjectMacOfMany: (texts) => (macOfMany ??= createMacOfMany(subjectKey))(texts),
    saltMac: createMac(derive('onevisit/salt')),
    cursorKey: createSecretKey(derive('onevisit/sealed-cursor')),
    subjectKeyId: createHash('sha256').update(subjectKey).digest().subarray(0, 8).toString('base64url'),
  };
}

/**
 * A subject in an entry: HMAC-SHA-256 over dataset ‖ 00 ‖ id, its first 16 bytes, base64url. One whose id the consumer
 * neither named nor was shown has another, over dataset ‖ 00 ‖ id ‖ 00 ‖ "hidden": a consumer sees its own entries, and
 * could otherwise find the id by naming others until two are the same.
 */
export function subjectRef(secrets: LogSecrets, dataset: string, id: string, hidden = false): string {
  return secrets.subjectMac(subjectText(dataset, id, hidden)).toString('base64url', 0, subjectRefBytes);
}

/** The same of each of many subjects, in their order. */
export function subjectRefs(
  secrets: LogSecrets,
  subjects: readonly { dataset: string; id: string; hidden?: boolean }[],
): string[] {
  if (subjects.length < few)
    return subjects.map(({ dataset, id, hidden }) => subjectRef(secrets, dataset, id, hidden));
  const texts = subjects.map(({ dataset, id, hidden }) => subjectText(dataset, id, hidden));
  const codes = secrets.subjectMacOfMany(texts);
  return texts.map((_, i) => codes.toString('base64url', i * macBytes, i * macBytes + subjectRefBytes));
}

const subjectRefBytes = 16;
/** So few are sooner hashed one after the other. */
const few = 8;

function subjectText(dataset: string, id: string, hidden = false): string {
  return `${dataset}\0${id}${hidden ? '\0hidden' : ''}`;
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
