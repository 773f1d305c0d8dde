import { createWriteStream, type WriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import { stringify } from 'csv-stringify/sync';

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

  async function writeRow(cells: readonly unknown[]): Promise<void> {
    stream ??= createWriteStream(unfinished, { mode: 0o600 });
    if (!stream.write(stringify([cells.map(neutralise)]))) await once(stream, 'drain');
  }

  async function close(): Promise<void> {
    if (stream === null) return;
    stream.end();
    await finished(stream);
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
        await rm(path, { force: true });
        return null;
      }
      await rename(unfinished, path);
      return path;
    },
    async abandon() {
      await close().catch(() => undefined);
      await rm(unfinished, { force: true });
    },
  };
}

/** A spreadsheet would take such a cell for a formula. */
function neutralise(cell: unknown): unknown {
  return typeof cell === 'string' && /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
}
