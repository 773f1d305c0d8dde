import { openCheckpoint, type Checkpoint } from '../../transparency/checkpoint.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import {
  checkManifest,
  entryLine,
  exportFormat,
  filterDigest,
  headerLine,
  manifestLine,
  startChain,
  type Manifest,
} from './manifest.ts';
import { equalHashes, leafHash, verifyInclusion, type Hash, isIndex } from '../../transparency/merkle.ts';
import { encodeBase64, NoteError, type Verifier } from '../../transparency/note.ts';
import { readHash } from './read-hash.ts';
import type { Finding } from '../../transparency/verify-log.ts';

export interface ExportVerdict {
  entries: number;
  /** The sizes of the checkpoints that the entries are proven under: one for each part. */
  sizes: number[];
  /** The filter that the log says it used, as the export has it. */
  filter: unknown;
  /** From which entry on the export has what fits: those before it were archived. */
  from: number;
  findings: Finding[];
  /** Whether there was more to find than is told. */
  more: boolean;
}

/** The file is no export, or a line of it can't be read. Its message quotes nothing of the file. */
export class ExportFormatError extends Error {
  override name = 'ExportFormatError';
}

/** What is known of a part of an export: from a header to the next. */
interface Part {
  checkpoint: Checkpoint;
  filter: string;
  below: number;
  chain: ReturnType<typeof startChain>;
  /** The index of the last entry, or the `from` of the last manifest, whichever came later. */
  last: number;
  /** Whether the last line was a manifest, and how far that goes. */
  closedAt: number | null;
  /** Whether that manifest says that the export is at its end. */
  ended: boolean;
  /** The `from` of the manifest before: between it and the next one a line was taken out. */
  sinceIndex: number;
}

const maxFindings = 100;

/**
 * Checks an NDJSON export of entries: every entry against its leaf hash, the proof that the checkpoint holds it, and
 * the order; every manifest against the entries before it and the log's signature. Parts that continue one another may
 * stand in one file.
 *
 * @param lines come from whoever shows them
 * @throws ExportFormatError, NoteError when a checkpoint is not the log's
 */
export async function verifyExport(
  lines: AsyncIterable<string>,
  { verifiers, progress }: { verifiers: readonly Verifier[]; progress?: (entries: number) => void },
): Promise<ExportVerdict> {
  const findings: Finding[] = [];
  let more = false;
  const find = (index: number | null, what: string): void => {
    if (findings.length < maxFindings) findings.push({ index, what });
    else more = true;
  };
  let part: Part | null = null;
  let [number, entries] = [0, 0];
  const sizes: number[] = [];

  for await (const line of lines) {
    number++;
    const members = readLine(line, number);
    const expectText = (written: string): void => {
      if (written !== line)
        find(null, `line ${number} is not as an export has it: something was added to it`);
    };
    if ('export' in members) {
      part = openPart(members.export, part, { number, verifiers, find, expectText });
      sizes.push(part.checkpoint.size);
    } else if (part === null)
      throw new ExportFormatError('the first line is no header of an export: NDJSON is expected');
    else if ('manifest' in members) checkPage(part, members, { verifiers, find, expectText });
    else {
      checkEntry(part, members, { number, find, expectText });
      entries++;
      if (entries % 1000 === 0) progress?.(entries);
    }
  }
  if (part === null) throw new ExportFormatError('the file is empty');
  if (part.closedAt === null)
    find(
      part.last,
      `no manifest follows entry ${part.last}: the export was broken off, or its end is missing`,
    );
  else if (!part.ended)
    find(part.closedAt, `the export ends at entry ${part.closedAt}, and is to be continued below it`);
  const from = part.closedAt ?? part.last;
  return { entries, sizes, filter: JSON.parse(part.filter), from, findings, more };
}

type ReportFault = (index: number | null, what: string) => void;
/** Holds a line against what it must be, byte by byte. */
type ExpectText = (written: string) => void;

function readLine(line: string, number: number): Record<string, unknown> {
  try {
    const members: unknown = JSON.parse(line);
    if (typeof members === 'object' && members !== null) return members as Record<string, unknown>;
  } catch {
    // Said below: the parser's message quotes the line.
  }
  throw new ExportFormatError(`line ${number} is no JSON object: it was broken off, or altered`);
}

function openPart(
  header: unknown,
  before: Part | null,
  {
    number,
    verifiers,
    find,
    expectText,
  }: { number: number; verifiers: readonly Verifier[]; find: ReportFault; expectText: ExpectText },
): Part {
  const { format, filter: given, below, checkpoint: note } = (header ?? {}) as Record<string, unknown>;
  const filter = canonical(given);
  if (format !== exportFormat || !isIndex(below) || typeof note !== 'string' || filter === null)
    throw new ExportFormatError(`line ${number} is no header of ${exportFormat}`);
  expectText(headerLine(filter, below, note));
  const checkpoint = openCheckpoint(note, verifiers);
  if (before === null && below !== checkpoint.size)
    find(below, `the export begins below entry ${below}: it continues another, whose lines come first`);
  if (before !== null) {
    if (before.closedAt !== below)
      find(below, `line ${number} goes on below entry ${below}, where no manifest before it ends`);
    if (before.filter !== filter) find(below, `line ${number} goes on with another filter`);
    if (before.checkpoint.origin !== checkpoint.origin) find(below, `line ${number} is of another log`);
  }
  if (below > checkpoint.size)
    find(below, `the checkpoint of ${checkpoint.size} entries has no entry ${below - 1}`);
  return {
    checkpoint,
    filter,
    below,
    chain: startChain(),
    last: below,
    closedAt: null,
    ended: false,
    sinceIndex: below,
  };
}

function checkEntry(
  part: Part,
  members: Record<string, unknown>,
  { number, find, expectText }: { number: number; find: ReportFault; expectText: ExpectText },
): void {
  const { index, leaf_hash: leafHashText, proof, entry } = members;
  const bytes = canonical(entry);
  const hashes = Array.isArray(proof) ? proof.map(readHash) : [null];
  if (!isIndex(index) || bytes === null || hashes.includes(null))
    throw new ExportFormatError(`line ${number} is no entry with its index, leaf hash and proof`);
  expectText(entryLine({ index, leafHash: String(leafHashText), proof: proof as string[] }, bytes));
  const hash = leafHash(new TextEncoder().encode(bytes));
  const stored = readHash(leafHashText);
  if (stored === null || !equalHashes(hash, stored))
    find(index, `entry ${index} was altered: its bytes do not have the leaf hash beside them`);
  else if (!verifyInclusion(hashes as Hash[], { index, hash }, part.checkpoint))
    find(
      index,
      `the checkpoint of ${part.checkpoint.size} entries does not hold this entry at index ${index}`,
    );
  if (index >= part.last)
    find(index, `entry ${index} stands after entry ${part.last}, or twice: lines were moved`);
  else if (part.filter === '{}' && index < part.last - 1)
    find(part.last - 1, `${describeRange(index + 1, part.last)} missing`);
  part.chain.add(index, hash);
  part.last = index;
  part.closedAt = null;
}

function checkPage(
  part: Part,
  { manifest: given, next }: Record<string, unknown>,
  {
    verifiers,
    find,
    expectText,
  }: { verifiers: readonly Verifier[]; find: ReportFault; expectText: ExpectText },
): void {
  const { note, ...manifest } = (given ?? {}) as Manifest & { note: unknown };
  const from = isIndex(manifest.from) ? manifest.from : part.last;
  const range = `between ${from} and ${part.sinceIndex}`;
  try {
    checkManifest(manifest, typeof note === 'string' ? note : '', {
      origin: part.checkpoint.origin,
      verifiers,
    });
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    find(from, `the manifest of the entries ${range} does not hold: ${error.message}`);
  }
  const { checkpoint, chain } = part;
  if (manifest.size !== checkpoint.size || manifest.root !== encodeBase64(checkpoint.root))
    find(from, `the manifest of the entries ${range} is of another checkpoint than the export`);
  if (manifest.below !== part.below || manifest.filter_digest !== filterDigest(part.filter))
    find(from, `the manifest of the entries ${range} is of another filter or range than the export`);
  if (manifest.count !== chain.count())
    find(
      from,
      `of ${manifest.count} entries ${chain.count()} are here: a line ${range} was removed or added`,
    );
  else if (manifest.digest !== chain.digest())
    find(from, `an entry ${range} is not the one that the manifest was made of, or lines were moved`);
  if (from > part.last) find(from, `entry ${part.last} is beyond the manifest that follows it`);
  if (part.filter === '{}' && from < part.last) find(from, `${describeRange(from, part.last)} missing`);
  part.ended = from <= manifest.archived;
  const cursor = typeof next === 'string' ? next : null;
  if (part.ended !== (cursor === null)) find(from, `the manifest of the entries ${range} was altered`);
  expectText(manifestLine(manifest, String(note), cursor));
  part.closedAt = from;
  part.sinceIndex = from;
  part.last = Math.min(part.last, from);
}

function describeRange(first: number, end: number): string {
  return end - first === 1 ? `entry ${first} is` : `the entries from ${first} to ${end - 1} are`;
}

function canonical(value: unknown): string | null {
  try {
    return typeof value === 'object' ? canonicalJson(value) : null;
  } catch {
    return null;
  }
}
