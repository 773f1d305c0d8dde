import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type pg from 'pg';
import { UserError } from '../../base/errors.ts';
import { parseCheckpoint, type Checkpoint } from '../../transparency/checkpoint.ts';
import { databaseSource } from '../database-source.ts';
import { folderFiles } from '../../transparency/node/log-files.ts';
import { NoteError, parseNote } from '../../transparency/note.ts';
import { checkpointsPath, encodeBundle, successionsPath } from '../../transparency/tiles-source.ts';
import { equalHashes } from '../../transparency/merkle.ts';
import {
  readInTurn,
  levelWidth,
  type ReadTile,
  rootFromTiles,
  tilePath,
  tilesOfLevel,
  tileWidth,
} from '../../transparency/tiles.ts';
import { findLastCheckpoint, LogFaultError, tileReader } from '../stored-log.ts';

const checkpointsAFile = 1000;

/**
 * Writes a log to a folder as C2SP tlog-tiles lays it out, up to its last checkpoint, with the checkpoints that are
 * kept: all that a verifier needs beside the verifier key. An export that was broken off, or is of last month, goes on
 * where it ends.
 *
 * @param enter puts the export on the record, before anything is written
 * @returns the size of the checkpoint
 * @throws UserError when there is no checkpoint yet, an entry is missing, or the folder has another log
 */
export async function exportLog(
  client: pg.ClientBase,
  folder: string,
  progress: (done: number, total: number) => void,
  enter: (size: number) => Promise<unknown> = () => Promise.resolve(),
): Promise<{ size: number; origin: string }> {
  const last = await findLastCheckpoint(client);
  if (last === null)
    throw new UserError('the log has no checkpoint yet: a running gateway signs one a second');
  const { origin, size } = readCheckpoint(last.note, 'the last checkpoint in the database');
  const before = await checkFolder(folder, { origin, size }, readInTurn(tileReader(client, size)));
  await enter(size);
  const source = databaseSource(client);

  let n = await countFullTiles(folder, Math.floor(before / tileWidth));
  for await (const { leaves, leafHashes, archived } of source.tiles(size, n)) {
    if (archived === true)
      throw new UserError(
        `entry ${n * tileWidth} is archived: copy what the archives hold into the folder first (docs/retention.md)`,
      );
    const missing = leaves.indexOf(null);
    if (missing >= 0 || leafHashes === null)
      throw new UserError(
        `entry ${n * tileWidth + Math.max(0, missing)} is missing: see "onevisit audit verify"`,
      );
    await write(folder, tilePath(0, n, leaves.length), leafHashes);
    await write(
      folder,
      tilePath('entries', n, leaves.length),
      encodeBundle(leaves.map((leaf) => leaf!.subarray(1))),
    );
    n++;
    progress(Math.min(size, n * tileWidth), size);
  }
  const read = tileReader(client, size);
  for (let level = 1; levelWidth(size, level) > 0; level++)
    for (const tile of tilesOfLevel(size, level))
      await write(folder, tilePath(level, tile.n, tile.width), await read(tile).catch(notWhole));

  let lines: string[] = [];
  let file = 0;
  const flush = async (): Promise<void> => {
    await write(folder, checkpointsPath(file++), lines.join(''));
    lines = [];
  };
  for await (const { note, beside } of source.checkpoints()) {
    if (beside !== null && beside.size > size) break;
    lines.push(`${JSON.stringify(note)}\n`);
    if (lines.length === checkpointsAFile) await flush();
  }
  if (lines.length > 0) await flush();
  // An earlier export may have had more of them: old ones are thinned.
  while (await remove(folder, checkpointsPath(file))) file++;
  const successions = await source.successions();
  if (successions.length > 0)
    await write(folder, successionsPath, successions.map((note) => `${JSON.stringify(note)}\n`).join(''));
  // Last, so that a folder with a checkpoint has all that it covers.
  await write(folder, 'checkpoint', last.note);
  return { size, origin };
}

function notWhole(error: unknown): never {
  if (error instanceof LogFaultError) throw new UserError(error.message);
  throw error;
}

function readCheckpoint(note: string, what: string): Checkpoint {
  try {
    return parseCheckpoint(parseNote(note).text);
  } catch (error) {
    if (error instanceof NoteError) throw new UserError(`${what} is none: ${error.message}`);
    throw error;
  }
}

/**
 * @returns how many entries the folder has already, under a checkpoint that the log continues
 * @throws UserError when the folder has an export of another log, or a longer one
 */
async function checkFolder(
  folder: string,
  { origin, size }: { origin: string; size: number },
  read: ReadTile,
): Promise<number> {
  const note = await folderFiles(folder)('checkpoint');
  if (note === null) return 0;
  const there = readCheckpoint(Buffer.from(note).toString(), join(folder, 'checkpoint'));
  if (there.origin !== origin)
    throw new UserError(`${folder} has an export of another log, ${there.origin}: give another folder`);
  if (there.size > size)
    throw new UserError(
      `${folder} has an export of ${there.size} entries, and the log's last checkpoint is of ${size}: the log lost its ` +
        'end, or is another one; keep the export, and see "onevisit audit verify"',
    );
  if (!equalHashes(await rootFromTiles(there.size, read).catch(notWhole), there.root))
    throw new UserError(
      `${folder} has a checkpoint of ${there.size} entries, which the log does not continue: keep the export, and see ` +
        '"onevisit audit verify"',
    );
  return there.size;
}

/** How many full tiles are there already, from the first on without a gap. */
async function countFullTiles(folder: string, most: number): Promise<number> {
  for (let n = 0; n < most; n++)
    for (const kind of [0, 'entries'] as const)
      if ((await stat(join(folder, tilePath(kind, n, tileWidth))).catch(() => null)) === null) return n;
  return most;
}

/** @returns whether there was such a file */
async function remove(folder: string, path: string): Promise<boolean> {
  const file = join(folder, path);
  const there = (await stat(file).catch(() => null)) !== null;
  await rm(file, { force: true });
  return there;
}

/** A file is there whole or not at all. */
async function write(folder: string, path: string, content: Uint8Array | string): Promise<void> {
  const file = join(folder, path);
  const unfinished = `${file}.unfinished`;
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(unfinished, content);
    await rename(unfinished, file);
  } catch (error) {
    throw new UserError(`cannot write ${file} (${(error as NodeJS.ErrnoException).code})`, { cause: error });
  }
}
