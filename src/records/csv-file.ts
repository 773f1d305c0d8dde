import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline, Transform } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { UserError } from '../base/errors.ts';

/** A row of a CSV file, and the line on which it ends. */
export interface CsvRow {
  cells: string[];
  line: number;
}

/** A CSV file (RFC 4180, UTF-8), read as a stream. */
export interface CsvFile {
  /** The rows, the header among them. @throws UserError when the file is not readable as CSV */
  rows(): AsyncGenerator<CsvRow>;
  /** SHA-256 of the bytes read so far, hexadecimal; call it once. */
  sha256(): string;
}

/**
 * Opens a CSV file.
 *
 * @param onProgress hears how many bytes of how many are read
 * @throws UserError when there is no such file
 */
export async function openCsvFile(
  file: string,
  onProgress?: (bytes: number, total: number) => void,
): Promise<CsvFile> {
  const total = await sizeOf(file);
  const hash = createHash('sha256');
  let bytes = 0;

  const decoder = new TextDecoder('utf-8', { fatal: true });
  const decode = new Transform({
    readableObjectMode: true,
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      onProgress?.(bytes, total);
      try {
        done(null, decoder.decode(chunk, { stream: true }));
      } catch {
        done(new UserError(`${file} is not UTF-8: save it as such first`));
      }
    },
    flush(done) {
      try {
        done(null, decoder.decode());
      } catch {
        done(new UserError(`${file} is not UTF-8: save it as such first`));
      }
    },
  });
  const parser = parse({
    bom: true,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: 1024 * 1024,
  });

  async function* rows(): AsyncGenerator<CsvRow> {
    // An error of any part destroys the parser with it, so that reading the parser throws it.
    pipeline(createReadStream(file), decode, parser, () => undefined);
    let countedTwice = 0;
    try {
      for await (const { record, info } of parser as AsyncIterable<{
        record: string[];
        info: { lines: number };
      }>) {
        // The parser counts a quoted CR LF as two lines.
        for (const cell of record) countedTwice += cell.split('\r\n').length - 1;
        yield { cells: record, line: info.lines - countedTwice };
      }
    } catch (error) {
      throw asUserError(file, error);
    }
  }

  return { rows, sha256: () => hash.digest('hex') };
}

async function sizeOf(file: string): Promise<number> {
  const found = await stat(file).catch((error: unknown) => {
    throw asUserError(file, error);
  });
  if (!found.isFile()) throw new UserError(`${file} is not a file`);
  return found.size;
}

function asUserError(file: string, error: unknown): unknown {
  if (error instanceof CsvError)
    return new UserError(
      `${file} is not readable as CSV: ${error.code} near line ${(error as { lines?: number }).lines ?? '?'}`,
    );
  const { code } = error as NodeJS.ErrnoException;
  if (/^E[A-Z]+$/.test(code ?? '')) return new UserError(`cannot read ${file} (${code})`, { cause: error });
  return error;
}
