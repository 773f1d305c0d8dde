import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type pg from 'pg';
import { UserError } from '../../base/errors.ts';
import type { Actor } from '../act.ts';
import { archiveName, isTreeNode, type ArchiveManifest, type EntryRange } from './manifest.ts';
import { countArchived } from './archived.ts';
import { expectValid } from '../expect-valid.ts';
import { openCheckpoint } from '../../transparency/checkpoint.ts';
import { requireRoot } from '../publishing/continuity.ts';
import { syncAll, syncFolder } from '../../base/durable-file.ts';
import { detachPartition, forgetArchived } from './detach-partition.ts';
import { readSuccessions } from '../log-keys.ts';
import type { Verifier } from '../../transparency/note.ts';
import type { NewestEntries, Retention } from './retention.ts';
import { trustSuccessions } from '../../transparency/succession.ts';
import { readInTurn } from '../../transparency/tiles.ts';
import { findLastCheckpoint, findLastEntry, LogFaultError, tileReader } from '../stored-log.ts';
import { verifyArchive, type VerifiedArchive } from './verify-archive.ts';
import { writeArchive } from './write-archive.ts';

/** A partition of the log all of whose entries are older than a moment. */
export interface Archivable extends EntryRange {
  /** The partition, as SQL names it. */
  partition: string;
  newest: Date;
  keepUntil: string;
}

/**
 * Lists the partitions that may be archived, the oldest first: those from the oldest on whose entries are all of before
 * the moment, indexed, and covered by a checkpoint; never the one that the log goes on in.
 *
 * @throws UserError when a partition is not made as the log makes them
 */
export async function listArchivable(
  client: pg.ClientBase,
  before: Date,
  retention: Retention,
): Promise<Archivable[]> {
  const { rows: partitions } = await client.query<{ partition: string; bound: string }>(
    `select c.oid::regclass::text as partition, pg_get_expr(c.relpartbound, c.oid) as bound
     from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'audit.entry'::regclass`,
  );
  const { rows: marks } = await client.query<{ indexed: number }>('select audit.indexed() as indexed');
  const covered = (await findLastCheckpoint(client))?.size ?? 0;
  const end = Math.min(marks[0]!.indexed, covered, (await findLastEntry(client)) ?? 0);
  let at = await countArchived(client);

  const found: Archivable[] = [];
  const ranges = partitions.map(({ partition, bound }) => ({ partition, ...readBound(bound) }));
  for (const range of ranges.toSorted((a, b) => a.first - b.first)) {
    if (range.next > end) break;
    if (range.first !== at || !isTreeNode(range))
      throw new UserError(`${range.partition} is not the partition of the log's entries from ${at} on`);
    const newestOfEach = await readNewest(client, range);
    const newest = new Date(Math.max(...[...newestOfEach.values()].map((time) => time.getTime())));
    if (!(newest < before)) break;
    found.push({ ...range, newest, keepUntil: retention.keepUntil(newestOfEach) });
    at = range.next;
  }
  return found;
}

function readBound(bound: string): EntryRange {
  const [, first, next] = /^FOR VALUES FROM \('(\d+)'\) TO \('(\d+)'\)$/.exec(bound) ?? [];
  return { first: Number(first), next: Number(next) };
}

async function readNewest(client: pg.ClientBase, { first, next }: EntryRange): Promise<NewestEntries> {
  const { rows } = await client.query<{ dataset: string | null; newest: Date }>(
    `select dataset, max(at) as newest from audit.find
     where index >= $1 and index < $2 and at is not null group by dataset`,
    [first, next],
  );
  return new Map(rows.map(({ dataset, newest }) => [dataset, newest]));
}

export interface ArchiveOptions {
  out: string;
  /** Only entries of before this moment are archived. */
  before: Date;
  /** The keys that the log's checkpoints are trusted by. */
  keys: readonly Verifier[];
  retention: Retention;
  actor: Actor;
  onProgress?: (done: number, total: number, what: string) => void;
}

/** A partition that is in an archive now, and no longer in the database. */
export interface Archived {
  folder: string;
  manifest: ArchiveManifest;
  /** SHA-256 of the manifest. */
  digest: Buffer;
  /** The entry that says so. */
  entry: number;
}

/**
 * Moves whole partitions to archives, the oldest first: each is written, read again and verified against a checkpoint
 * of this log, and only then leaves the database, in one transaction with the entry that says so. Broken off anywhere,
 * nothing is lost, and the next run goes on.
 *
 * @throws UserError when what was written is not what the log has: the partition stays
 */
export async function archivePartitions(
  client: pg.ClientBase,
  parts: readonly Archivable[],
  options: ArchiveOptions,
): Promise<Archived[]> {
  const { out, actor } = options;
  if (parts.length > 0 && (await mkdir(out, { recursive: true })) !== undefined)
    await syncFolder(dirname(out));
  const done: Archived[] = [];
  for (const part of parts) {
    const folder = join(out, archiveName(part));
    if (!existsSync(folder)) await writePartition(client, part, options);
    const verify = async (): Promise<VerifiedArchive> => {
      const verified = await verifyPartition(client, { folder, part }, options);
      // The archive may come from an earlier run: it is flushed to the disk before anything leaves the database.
      await syncAll(folder);
      await syncFolder(out);
      return verified;
    };
    done.push({ folder, ...(await detachPartition(client, part, { folder, verify, actor })) });
  }
  await forgetArchived(client);
  return done;
}

async function writePartition(
  client: pg.ClientBase,
  part: Archivable,
  { out, keys, retention, onProgress }: ArchiveOptions,
): Promise<void> {
  const last = (await findLastCheckpoint(client))!;
  const trusted = trustSuccessions(keys, await readSuccessions(client));
  const { origin } = expectValid("the log's last checkpoint", () => openCheckpoint(last.note, trusted));
  await writeArchive(client, part, {
    out,
    checkpoint: { ...last, origin },
    retention,
    onProgress: (at) => onProgress?.(at, part.next - part.first, 'writing entries'),
  });
}

/** Reads all of the archive of a partition. @throws UserError when it is not what is to leave the database */
async function verifyPartition(
  client: pg.ClientBase,
  { folder, part }: { folder: string; part: Archivable },
  { before, keys, onProgress }: ArchiveOptions,
): Promise<VerifiedArchive> {
  const verified = await verifyArchive(folder, keys, (at) =>
    onProgress?.(at, part.next - part.first, 'verifying entries'),
  );
  await requireSameLog(client, folder, verified);
  const { manifest } = verified;
  if (manifest.first !== part.first || manifest.last !== part.next - 1)
    throw new UserError(`${folder} has entries ${manifest.first} to ${manifest.last}`);
  if (!(new Date(manifest.newest) < before))
    throw new UserError(`${folder} has entries of ${manifest.newest}`);
  if (manifest.keep_until < part.keepUntil)
    throw new UserError(
      `${folder} says that it may be deleted from ${manifest.keep_until} on, not ${part.keepUntil}: remove it`,
    );
  return verified;
}

/** An archive may be of another log, or of this one before it was put back. @throws UserError */
async function requireSameLog(
  client: pg.ClientBase,
  folder: string,
  { checkpoint }: VerifiedArchive,
): Promise<void> {
  const size = (await findLastCheckpoint(client))?.size ?? 0;
  try {
    if (checkpoint.size > size) throw new LogFaultError(`the log's last checkpoint is of ${size} entries`);
    await requireRoot(checkpoint, readInTurn(tileReader(client, size)), `in ${folder}`);
  } catch (error) {
    if (error instanceof LogFaultError) throw new UserError(`${folder} is of another log: ${error.message}`);
    throw error;
  }
}
