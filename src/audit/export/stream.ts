import type { KeyObject } from 'node:crypto';
import type { Database } from '../../db/database.ts';
import { countArchived } from '../archive/archived.ts';
import { csvRecord } from './csv.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import {
  entryLine,
  filterDigest,
  headerLine,
  manifestLine,
  manifestText,
  signedManifest,
  startChain,
  type Manifest,
} from './manifest.ts';
import { equalHashes, leafHash } from '../../transparency/merkle.ts';
import { encodeBase64 } from '../../transparency/note.ts';
import type { EntryFilter } from '../search/filter.ts';
import { findEntries, listEntries, type EntryPage, type FoundEntry } from '../search/find-entries.ts';
import { signNote } from '../../transparency/node/sign.ts';
import { inclusionProver } from '../../transparency/tiles.ts';
import { LogFaultError, tileReader, type PublishedCheckpoint, type Queryable } from '../stored-log.ts';

export interface Export {
  format: 'ndjson' | 'csv';
  filter: EntryFilter;
  /** The filter as entries tell it, without plain ids: canonical JSON. */
  filterText: string;
  /** Covers every entry of the export. */
  checkpoint: PublishedCheckpoint;
  /** The index below which it begins: the checkpoint's size, or where an earlier one was broken off. */
  below: number;
  /** Whether it goes on after an earlier one. */
  continues: boolean;
  /** Makes the cursor by which the export is continued below an index. */
  cursorAt: (index: number) => string;
  /** Whose log it is. */
  signer: { name: string; key: KeyObject };
  /** Called before each page is read. @throws when the client may no longer see any */
  beforePage: () => void;
}

/** How many entries are read, and held, at a time. */
const pageEntries = 64;
/** The text of a page is handed on in pieces of about this length. */
const pieceChars = 32 * 1024;

/**
 * The text of an export in pieces, page by page, newest entries first. Each page ends with a manifest of all before it,
 * and the cursor of the next; the one whose `next` is null is the end, and what has none was broken off. A page is read
 * when the one before is taken, by statements of its own.
 *
 * @throws LogFaultError when an entry is not what the log holds
 */
export async function* exportPages(
  { database, db }: { database: Database; db: Queryable },
  asked: Export,
): AsyncGenerator<string, void, undefined> {
  const { filter, checkpoint, below } = asked;
  const prove = inclusionProver(checkpoint.size, tileReader(db, checkpoint.size), encodeBase64);
  const chain = startChain();
  const lines = asked.format === 'ndjson' ? ndjsonLines(asked) : csvLines(asked);
  let written = [lines.begin()];
  for (let before: number | null = below; before !== null;) {
    asked.beforePage();
    const page: EntryPage =
      asked.filterText === '{}'
        ? await readPage({ database, db }, before)
        : await findEntries(database, filter, 'all', { before, limit: pageEntries });
    // Entries may be archived at any time: what counts is what no archive had when the page was read.
    const archived = await countArchived(db);
    for (const found of page.entries) {
      if (found.index < archived) break;
      const entry = parseEntry(found);
      chain.add(found.index, found.leafHash);
      written.push(lines.entry(found, entry, await prove(found.index)));
    }
    const next: number | null = page.next === null || page.next <= archived ? null : page.next;
    written.push(lines.manifest(manifestAt(next ?? Math.min(archived, before), archived), next));
    before = next;
    yield* piecesOf(written);
    written = [];
  }

  function manifestAt(from: number, archived: number): Manifest {
    return {
      from,
      below,
      archived,
      count: chain.count(),
      filter_digest: filterDigest(asked.filterText),
      digest: chain.digest(),
      size: checkpoint.size,
      root: encodeBase64(checkpoint.root),
    };
  }
}

/** The text of lines, in pieces that V8 keeps among young objects: larger ones would wait for a full collection. */
function* piecesOf(lines: readonly string[]): Generator<string> {
  let piece = '';
  for (const line of lines) {
    piece += line;
    if (piece.length < pieceChars) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}

/** What no filter leaves needs no search. @throws LogFaultError when an entry is missing that is not archived */
async function readPage(sources: { database: Database; db: Queryable }, before: number): Promise<EntryPage> {
  const { database, db } = sources;
  const archived = await countArchived(db);
  if (before <= archived) return { entries: [], next: null };
  try {
    const entries = await listEntries(database, Math.max(archived, before - pageEntries), before);
    const next = before - entries.length;
    return { entries, next: next <= archived ? null : next };
  } catch (error) {
    if (error instanceof LogFaultError && (await countArchived(db)) > archived)
      return readPage(sources, before);
    throw error;
  }
}

/** @throws LogFaultError unless the bytes are canonical JSON, from which they can be made again, and have the leaf hash */
function parseEntry({ index, bytes, leafHash: stored }: FoundEntry): Record<string, unknown> {
  if (!equalHashes(leafHash(bytes), stored))
    throw new LogFaultError(`entry ${index} was altered: its bytes have another leaf hash`);
  const text = bytes.toString();
  try {
    const entry = JSON.parse(text) as Record<string, unknown>;
    if (canonicalJson(entry) === text) return entry;
  } catch {
    // Said below: a parser's message quotes the entry.
  }
  throw new LogFaultError(`the bytes of entry ${index} are no entry`);
}

/** How the parts of an export are written. */
interface Lines {
  begin(): string;
  entry(found: FoundEntry, entry: Record<string, unknown>, proof: string[]): string;
  manifest(manifest: Manifest, next: number | null): string;
}

function ndjsonLines({ filterText, below, checkpoint, cursorAt, signer }: Export): Lines {
  return {
    begin: () => `${headerLine(filterText, below, checkpoint.note)}\n`,
    entry({ index, bytes, leafHash: hash }, _entry, proof) {
      return `${entryLine({ index, leafHash: hash.toString('base64'), proof }, bytes.toString())}\n`;
    },
    manifest(manifest, next) {
      const cursor = next === null ? null : cursorAt(next);
      return `${manifestLine(manifest, sign(manifest, signer), cursor)}\n`;
    },
  };
}

function sign(manifest: Manifest, { name, key }: Export['signer']): string {
  return signNote(manifestText(manifest), name, key);
}

/** The columns of a CSV export that are members of an entry by the same name. */
const memberColumns = (
  'time kind operation outcome code consumer client official provider dataset version purpose case fields ' +
  'records subjects trace_id id details'
).split(' ');
/** Excel takes a file without it for one in the machine's own encoding. */
const byteOrderMark = '\uFEFF';

function csvLines({ filterText, checkpoint, continues, cursorAt, signer }: Export): Lines {
  return {
    begin: () =>
      continues ? '' : byteOrderMark + csvRecord(['record', 'index', 'leaf_hash', ...memberColumns]),
    entry({ index, leafHash: hash }, entry) {
      const cells = memberColumns.map((name) => cellOf(entry[name]));
      return csvRecord(['entry', String(index), hash.toString('base64'), ...cells]);
    },
    manifest(manifest, next) {
      const cursor = next === null ? null : cursorAt(next);
      const signed = signedManifest(manifest, sign(manifest, signer), cursor);
      const details = { ...signed, filter: JSON.parse(filterText) as object, checkpoint: checkpoint.note };
      const empty = Array.from({ length: 2 + memberColumns.length - 1 }, () => '');
      return csvRecord(['manifest', ...empty, JSON.stringify(details)]);
    },
  };
}

/** Lists are words with a space between; an official is the id. */
function cellOf(value: unknown): string {
  if (value === undefined) return '';
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.join(' ');
  if (typeof value === 'object' && value !== null && 'proof' in value && 'id' in value)
    return String(value.id);
  return JSON.stringify(value);
}
