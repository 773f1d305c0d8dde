import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type pg from 'pg';
import { UserError } from '../../base/errors.ts';
import {
  archiveFormat,
  archiveName,
  listName,
  manifestName,
  sha256,
  type ArchiveManifest,
  type EntryRange,
} from './manifest.ts';
import { databaseSource } from '../database-source.ts';
import { syncFolder, writeDurably } from '../../base/durable-file.ts';
import { encodeBase64 } from '../../transparency/note.ts';
import type { NewestEntries, Retention } from './retention.ts';
import { encodeBundle, successionsPath } from '../../transparency/tiles-source.ts';
import { readInTurn, proveInclusion, tilePath, tileWidth, type ReadTile } from '../../transparency/tiles.ts';
import { tileReader, type PublishedCheckpoint } from '../stored-log.ts';

/**
 * Writes entries to a folder, durably: their bundles and hashes as C2SP tlog-tiles lays them out, a checkpoint with the
 * proof that it covers them, and a manifest. The folder has its name only when all of it is there.
 *
 * @throws UserError when an entry is missing, or a file can't be written
 */
export async function writeArchive(
  client: pg.ClientBase,
  range: EntryRange,
  options: {
    out: string;
    checkpoint: PublishedCheckpoint & { origin: string };
    retention: Retention;
    onProgress?: (done: number) => void;
  },
): Promise<void> {
  const { out, checkpoint, retention, onProgress = () => undefined } = options;
  const folder = join(out, archiveName(range));
  const unfinished = `${folder}.unfinished`;
  const files = startFiles(unfinished);
  const newest: NewestEntries = new Map();
  try {
    await rm(unfinished, { recursive: true, force: true });
    const source = databaseSource(client);
    let n = range.first / tileWidth;
    for await (const { leaves, leafHashes } of source.tiles(range.next, n)) {
      const missing = leaves.indexOf(null);
      if (missing >= 0 || leafHashes === null)
        throw new UserError(`entry ${n * tileWidth + Math.max(0, missing)} is missing: see "audit verify"`);
      const entries = leaves.map((leaf) => leaf!.subarray(1));
      for (const entry of entries) noteTime(newest, entry);
      await files.write(tilePath('entries', n, tileWidth), encodeBundle(entries));
      await files.write(tilePath(0, n, tileWidth), leafHashes);
      n++;
      onProgress(n * tileWidth - range.first);
    }
    await files.write('checkpoint', Buffer.from(checkpoint.note));
    const successions = await source.successions();
    if (successions.length > 0)
      await files.write(
        successionsPath,
        Buffer.from(successions.map((note) => `${JSON.stringify(note)}\n`).join('')),
      );
    const proof = await proveRange(range, checkpoint.size, readInTurn(tileReader(client, checkpoint.size)));
    const list = Buffer.from(files.list());
    await files.write(listName, list);
    const manifest: ArchiveManifest = {
      format: archiveFormat,
      origin: checkpoint.origin,
      first: range.first,
      last: range.next - 1,
      bytes: files.bytes() - list.length,
      newest: newestOf(newest).toISOString(),
      keep_until: retention.keepUntil(newest),
      checkpoint: checkpoint.note,
      proof,
      sha256: sha256(list).toString('hex'),
    };
    await files.write(manifestName, Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
    await files.sync();
    await rename(unfinished, folder);
    await syncFolder(out);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof UserError || !/^E[A-Z]+$/.test(code ?? '')) throw error;
    throw new UserError(`cannot write ${folder} (${code})`, { cause: error });
  }
}

/** The hashes that lead from the root over a range to that of the tree, in base64. */
export async function proveRange(
  { first, next }: EntryRange,
  size: number,
  read: ReadTile,
): Promise<string[]> {
  const proof = await proveInclusion(first, size, read);
  // What leads from the entry up to the root over the range is left out.
  return proof.slice(Math.log2(next - first)).map(encodeBase64);
}

/** Keeps in mind when an entry was made, and about which dataset it is. */
function noteTime(newest: NewestEntries, bytes: Uint8Array): void {
  const { dataset, time } = readDatasetAndTime(bytes);
  const known = newest.get(dataset);
  if (known === undefined || known < time) newest.set(dataset, time);
}

function readDatasetAndTime(bytes: Uint8Array): { dataset: string | null; time: Date } {
  try {
    const { time, dataset } = JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>;
    const read = new Date(String(time));
    if (!Number.isNaN(read.getTime()))
      return { dataset: typeof dataset === 'string' ? dataset : null, time: read };
  } catch {
    // Said below.
  }
  // Bytes that are not a valid entry must not stop the archive: the time is taken from the neighbouring entries.
  return { dataset: null, time: new Date(0) };
}

function newestOf(newest: NewestEntries): Date {
  return new Date(Math.max(...[...newest.values()].map((time) => time.getTime())));
}

/** Files that are written durably, with their digests. */
function startFiles(folder: string): {
  write(path: string, content: Uint8Array): Promise<void>;
  list(): string;
  bytes(): number;
  sync(): Promise<void>;
} {
  const folders = new Set<string>();
  const lines: string[] = [];
  let bytes = 0;
  return {
    async write(path, content) {
      const parent = dirname(join(folder, path));
      if (!folders.has(parent)) await mkdir(parent, { recursive: true });
      for (let each = parent; each.length >= folder.length; each = dirname(each)) folders.add(each);
      await writeDurably(join(folder, path), content);
      lines.push(`${sha256(content).toString('hex')}  ${path}\n`);
      bytes += content.length;
    },
    list: () => lines.join(''),
    bytes: () => bytes,
    async sync() {
      for (const each of folders) await syncFolder(each);
    },
  };
}
