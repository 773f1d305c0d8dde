import { sha256Into } from '#crypto';
import { hashBytes, type Hash } from '../../transparency/merkle.ts';
import { encodeBase64, NoteError, openNote, type Verifier } from '../../transparency/note.ts';

/** The format of an export of entries, and the first line of what is signed of it. */
export const exportFormat = 'onevisit-export/2';

/** What an export holds so far: signed with the log's key, so that nobody takes a line out of it unseen. */
export interface Manifest {
  /**
   * All entries at these indices that fit the filter are there: from `from` up to and without `below`. Where it is not
   * above `archived`, the export has come to its end.
   */
  from: number;
  below: number;
  /** Entries below this index were archived, and no export has them. */
  archived: number;
  count: number;
  /** SHA-256 over the filter's canonical JSON, base64. */
  filter_digest: string;
  /** The `Chain` over the entries, base64. */
  digest: string;
  /** The checkpoint that covers all of them. */
  size: number;
  root: string;
}

/** What is signed of a manifest, a line each. */
export function manifestText(manifest: Manifest): string {
  const { from, below, archived, count, filter_digest: filter, digest, size, root } = manifest;
  const lines = { from, below, archived, count, filter, digest, size, root };
  return `${[exportFormat, ...Object.entries(lines).map((line) => line.join(' '))].join('\n')}\n`;
}

/** The first line of a part of an NDJSON export. @param filter its canonical JSON */
export function headerLine(filter: string, below: number, checkpoint: string): string {
  const header = { format: exportFormat, filter: JSON.parse(filter) as object, below, checkpoint };
  return JSON.stringify({ export: header });
}

/** The line of an entry: its bytes stand in it as they are. @param proof each hash in base64 */
export function entryLine(
  { index, leafHash, proof }: { index: number; leafHash: string; proof: readonly string[] },
  bytes: string,
): string {
  return `${JSON.stringify({ index, leaf_hash: leafHash, proof }).slice(0, -1)},"entry":${bytes}}`;
}

/** What ends a page. @param next the cursor by which the export is continued; null at its end */
export function manifestLine(manifest: Manifest, note: string, next: string | null): string {
  return JSON.stringify(signedManifest(manifest, note, next));
}

/** A manifest with its signature, as lines and records have it. */
export function signedManifest(manifest: Manifest, note: string, next: string | null): object {
  const { from, below, archived, count, filter_digest, digest, size, root } = manifest;
  return { manifest: { from, below, archived, count, filter_digest, digest, size, root, note }, next };
}

/**
 * Checks that a log has signed a manifest.
 *
 * @param note comes from whoever shows it
 * @param origin the log's name
 * @throws NoteError when it has not
 */
export function checkManifest(
  manifest: Manifest,
  note: string,
  { origin, verifiers }: { origin: string; verifiers: readonly Verifier[] },
): void {
  const { text, signers } = openNote(note, verifiers);
  if (!signers.some(({ kind, name }) => kind === 'log' && name === origin))
    throw new NoteError(`the log ${origin} has not signed the manifest`);
  if (text !== manifestText(manifest)) throw new NoteError('what is signed is another manifest');
}

/** A digest over entries in their order: SHA-256(the digest before ‖ index, 8 bytes big-endian ‖ leaf hash). */
export interface Chain {
  add(index: number, leafHash: Hash): void;
  count(): number;
  /** Base64; of no entries, 32 zero bytes. */
  digest(): string;
}

export function startChain(): Chain {
  const link = new Uint8Array(hashBytes + 8 + hashBytes);
  const state = new Uint8Array(hashBytes);
  const view = new DataView(link.buffer);
  let count = 0;
  return {
    add(index, leafHash) {
      link.set(state, 0);
      view.setBigUint64(hashBytes, BigInt(index));
      link.set(leafHash, hashBytes + 8);
      sha256Into(link, state, 0);
      count++;
    },
    count: () => count,
    digest: () => encodeBase64(state),
  };
}

/** The digest of a filter. @param filter its canonical JSON */
export function filterDigest(filter: string): string {
  const digest = new Uint8Array(hashBytes);
  sha256Into(new TextEncoder().encode(filter), digest, 0);
  return encodeBase64(digest);
}
