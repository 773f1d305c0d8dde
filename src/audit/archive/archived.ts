import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ProblemError, UserError } from '../../base/errors.ts';
import { manifestName, sha256 } from './manifest.ts';
import { folderFiles } from '../../transparency/node/log-files.ts';
import type { ReadLogFile } from '../../transparency/tiles-source.ts';
import { tilePath, tileWidth } from '../../transparency/tiles.ts';
import { rethrowAsAuditUnavailable, type Queryable } from '../stored-log.ts';

/** How many entries, from the first on, were moved to archives. */
export async function countArchived(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ next: number }>({
    text: 'select coalesce(max(next), 0) as next from audit.archive',
  });
  return rows[0]!.next;
}

/**
 * The problem of an entry that is not there. Where entries were archived, it says which: the size of the log is public,
 * so this says nothing about the exchanges of others.
 *
 * @param index the entry that was asked for, where that is known: what is not archived is not said to be
 */
export async function entryNotFound(db: Queryable, index: number | null = null): Promise<ProblemError> {
  const archived = await countArchived(db).catch(rethrowAsAuditUnavailable);
  if (archived === 0 || (index !== null && index >= archived)) return new ProblemError('not-found');
  return new ProblemError('not-found', {
    archived: {
      en: ` Entries up to ${archived - 1} were archived: ask the audit office for them.`,
      zh: `序号不大于 ${archived - 1} 的记录已归档，请向审计部门查询。`,
    },
  });
}

/**
 * The bundles of archived entries, from a folder of archives.
 *
 * @throws UserError when the folder can't be read, or has no archive
 */
export function archiveFiles(folder: string): ReadLogFile {
  const archives = namesIn(folder).flatMap((name) => {
    const match = /^entries-(\d+)-(\d+)$/.exec(name);
    return match === null ? [] : [{ name, first: Number(match[1]), last: Number(match[2]) }];
  });
  if (archives.length === 0) throw new UserError(`${folder}: has no archive, a folder entries-…`);
  const byPath = new Map<string, ReadLogFile>();
  for (const { name, first, last } of archives) {
    const read = folderFiles(join(folder, name));
    for (let n = first / tileWidth; n * tileWidth <= last; n++)
      byPath.set(tilePath('entries', n, tileWidth), read);
  }
  return (path) => byPath.get(path)?.(path) ?? Promise.resolve(null);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    throw new UserError(`cannot read ${folder} (${(error as NodeJS.ErrnoException).code})`, { cause: error });
  }
}

/**
 * Requires each manifest that the folder has to be the one that the log has entered.
 *
 * @throws UserError naming the first that is another
 */
export async function requireManifests(db: Queryable, folder: string): Promise<void> {
  const { rows } = await db.query<{ name: string; digest: Buffer }>({
    text: 'select name, digest from audit.archive order by first',
  });
  for (const { name, digest } of rows) {
    const manifest = await folderFiles(join(folder, name))(manifestName);
    if (manifest !== null && !sha256(manifest).equals(digest))
      throw new UserError(`${join(folder, name, manifestName)} is not the manifest that the log has entered`);
  }
}

/** A log whose entries are looked for in archives where it lacks them. */
export function withArchives(read: ReadLogFile, archives: ReadLogFile): ReadLogFile {
  return async (path) =>
    (await read(path)) ?? (path.startsWith('tile/entries/') ? await archives(path) : null);
}
