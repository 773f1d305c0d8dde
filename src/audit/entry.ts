import type { ErrorCode } from '../base/error-table.ts';
import { canonicalJson } from '../base/canonical-json.ts';
import { leafHash } from '../transparency/merkle.ts';

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
