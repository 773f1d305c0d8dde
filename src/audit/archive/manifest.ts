import { createHash } from 'node:crypto';
import { tileWidth } from '../../transparency/tiles.ts';

/** The file that says what an archive is, and the one that lists the others with their SHA-256, as `sha256sum` does. */
export const manifestName = 'archive.json';
export const listName = 'SHA256SUMS';
export const archiveFormat = 'onevisit-archive/1';

/** Entries from `first` up to and without `next`: as many as a power of two, beginning at a multiple of it. */
export interface EntryRange {
  first: number;
  next: number;
}

/** What `archive.json` says. */
export interface ArchiveManifest {
  format: typeof archiveFormat;
  origin: string;
  first: number;
  last: number;
  /** How many bytes its files have, but for the manifest and the list. */
  bytes: number;
  /** Time of the newest entry, RFC 3339. */
  newest: string;
  /** The first day on which the archive may be deleted. */
  keep_until: string;
  /** A signed checkpoint of the log, and the hashes that lead from the root over the entries to its root. */
  checkpoint: string;
  proof: string[];
  /** SHA-256 of SHA256SUMS, in hexadecimal. */
  sha256: string;
}

/** How the folder of an archive is called. */
export function archiveName({ first, next }: EntryRange): string {
  return `entries-${first}-${next - 1}`;
}

/** Null when it is none; what it says is not believed yet. */
export function parseManifest(text: string): ArchiveManifest | null {
  try {
    const read = JSON.parse(text) as Partial<ArchiveManifest>;
    const { first, last, proof, newest, keep_until: keepUntil } = read;
    if (read.format !== archiveFormat || !isCount(first) || !isCount(last) || !Array.isArray(proof))
      return null;
    if (!/^\d{4}-\d{2}-\d{2}$/.test(String(keepUntil)) || Number.isNaN(Date.parse(String(newest))))
      return null;
    return isTreeNode({ first, next: last + 1 }) ? (read as ArchiveManifest) : null;
  } catch {
    return null;
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Whether the entries are all those below one node of the tree, and whole tiles. */
export function isTreeNode({ first, next }: EntryRange): boolean {
  const span = next - first;
  return span >= tileWidth && Number.isInteger(Math.log2(span)) && first % span === 0;
}

/** SHA-256. */
export function sha256(content: Uint8Array): Buffer {
  return createHash('sha256').update(content).digest();
}
