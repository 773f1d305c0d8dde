import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { UserError } from '../../base/errors.ts';
import { enterActBy, type Actor } from '../act.ts';
import { archiveName, manifestName, sha256, type ArchiveManifest, type EntryRange } from './manifest.ts';
import { countArchived } from './archived.ts';
import type { VerifiedArchive } from './verify-archive.ts';

/** Exchanges wait for no more than this, once an attempt. */
const lockTimeoutMs = 250;
const attempts = 60;
const pauseMs = 1000;
const lockNotAvailable = '55P03';

/**
 * Takes a partition out of the database, in one transaction with the entry that says so. Its archive is verified before
 * each attempt, because the folder may change while others use the partition.
 *
 * @returns what was verified, and the index of that entry
 * @throws UserError when the archive does not hold, or others use the partition all the time
 */
export async function detachPartition(
  client: pg.ClientBase,
  { partition, first, next }: EntryRange & { partition: string },
  { folder, verify, actor }: { folder: string; verify: () => Promise<VerifiedArchive>; actor: Actor },
): Promise<{ manifest: ArchiveManifest; digest: Buffer; entry: number }> {
  const name = archiveName({ first, next });
  for (let attempt = 1; ; attempt++) {
    const { manifest, digest } = await verify();
    await client.query('begin');
    try {
      await client.query(`set local lock_timeout = ${lockTimeoutMs}`);
      await client.query('select audit.detach_partition($1, $2, $3)', [partition, first, next]);
      const entry = await enterActBy(client, actor, {
        operation: 'archive',
        details: {
          first,
          last: next - 1,
          name,
          digest: digest.toString('hex'),
          keep_until: manifest.keep_until,
        },
      });
      await client.query(
        `insert into audit.archive (first, next, name, digest, newest, keep_until) values ($1, $2, $3, $4, $5, $6)`,
        [first, next, name, digest, manifest.newest, manifest.keep_until],
      );
      const kept = await readFile(join(folder, manifestName)).catch(() => null);
      if (kept === null || !sha256(kept).equals(digest))
        throw new UserError(`${folder} was altered since it was verified`);
      await client.query('commit');
      return { manifest, digest, entry };
    } catch (error) {
      await client.query('rollback');
      if ((error as pg.DatabaseError).code !== lockNotAvailable) throw error;
      if (attempt >= attempts)
        throw new UserError(
          `${partition} is in use all the time: ${name} is written and verified, run the same again`,
          { cause: error },
        );
      await sleep(pauseMs);
    }
  }
}

const blocksAtOnce = 200;
const rowsAtOnce = 5000;

/** Takes archived entries out of the search tables, in short steps. */
export async function forgetArchived(client: pg.ClientBase): Promise<void> {
  const archived = await countArchived(client);
  const { rows } = await client.query<{ lowest: number | null }>(
    'select min(index) as lowest from audit.find',
  );
  const { lowest } = rows[0]!;
  if (lowest === null || lowest >= archived) return;
  // Subjects first: as long as anything is left, the next run finds it by the rows of audit.find.
  for (let block: number | null = 0; block !== null;) {
    const step: pg.QueryResult<{ next: number | null }> = await client.query(
      'select audit.forget_subjects($1, $2, $3) as next',
      [archived, block, blocksAtOnce],
    );
    block = step.rows[0]!.next;
  }
  for (let at = lowest; at < archived; at += rowsAtOnce)
    await client.query('delete from audit.find where index >= $1 and index < $2', [
      at,
      Math.min(archived, at + rowsAtOnce),
    ]);
}
