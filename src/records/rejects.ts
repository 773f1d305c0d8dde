import { type WriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import { stringify } from 'csv-stringify/sync';
import { UserError } from '../base/errors.ts';
import { spreadsheetCell } from '../base/spreadsheet-cell.ts';

/** Writes the rows that a load refused beside the file that they came from. */
export interface RejectsWriter {
  readonly count: number;
  readonly header: readonly string[];
  /** Says the names of the columns; comes before the first row. */
  begin(header: readonly string[]): void;
  write(line: number, reason: string, cells: readonly (string | number | null)[]): Promise<void>;
  /** Puts the file in its place; returns its path, or null when there was nothing to write. */
  finish(): Promise<string | null>;
  /** Leaves nothing behind. */
  abandon(): Promise<void>;
}

/** Makes the writer of `<file>.rejects.csv`, readable for its owner alone: the rows are personal data. */
export function createRejectsWriter(file: string): RejectsWriter {
  const path = `${file}.rejects.csv`;
  const unfinished = `${path}.partial`;
  let stream: WriteStream | null = null;
  let header: readonly string[] = [];
  let count = 0;
  let failure: UserError | null = null;

  async function writeRow(cells: readonly unknown[]): Promise<void> {
    stream ??= (await open(unfinished, 'w', 0o600).catch(refuse))
      .createWriteStream()
      .on('error', (error) => (failure = unwritable(error)));
    if (failure !== null) throw failure;
    if (!stream.write(stringify([cells.map(writeCell)]))) await once(stream, 'drain');
  }

  function unwritable(error: unknown): UserError {
    return new UserError(`cannot write ${path} (${(error as NodeJS.ErrnoException).code})`, { cause: error });
  }

  function refuse(error: unknown): never {
    throw unwritable(error);
  }

  async function close(): Promise<void> {
    if (stream === null) return;
    stream.end();
    await finished(stream).catch(refuse);
  }

  return {
    get count() {
      return count;
    },
    get header() {
      return header;
    },
    begin(names) {
      header = names;
    },
    async write(line, reason, cells) {
      if (count === 0) await writeRow(['line', 'reason', ...header]);
      count++;
      await writeRow([line, reason, ...cells]);
    },
    async finish() {
      await close();
      if (count === 0) {
        await rm(path, { force: true }).catch(refuse);
        return null;
      }
      await rename(unfinished, path).catch(refuse);
      return path;
    },
    async abandon() {
      await close().catch(() => undefined);
      await rm(unfinished, { force: true }).catch(() => undefined);
    },
  };
}

function writeCell(cell: unknown): unknown {
  return typeof cell === 'string' ? spreadsheetCell(cell) : cell;
}
