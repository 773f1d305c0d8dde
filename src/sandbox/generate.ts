import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { stringify } from 'csv-stringify/sync';
import citizensSchema from '../../schemas/v2/citizens.json' with { type: 'json' };
import enterprisesSchema from '../../schemas/v1/enterprises.json' with { type: 'json' };
import { citizens, enterprises, layOut, type Citizen, type Enterprise, type Province } from './province.ts';

/** A CSV file of one dataset's records. */
export interface GeneratedFile {
  dataset: string;
  path: string;
  /** Records, without the header row. */
  rows: number;
}

const rowsOfChunk = 1000;

/**
 * Writes the province's registers to `citizens.csv` and `enterprises.csv` in the directory, which it makes if
 * need be: a header row of property names in the order of the schema, then a row a record; an empty cell is null.
 * Files that are already there are replaced once both new ones are complete, and stay as they are on an error.
 * `onProgress` hears after every thousand rows or so, and at the end, how many of all rows are written.
 * Rejects with a RangeError for numbers that no province can have.
 */
export async function generateCsv(
  province: Province,
  directory: string,
  onProgress?: (rows: number, total: number) => void,
): Promise<{ files: GeneratedFile[] }> {
  layOut(province);
  const total = province.citizens + province.enterprises;
  let written = 0;

  /** A string for every thousand records, made when the file has room for it. */
  function* csv<T extends object>(records: Iterable<T>, columns: (keyof T)[]): Generator<string> {
    let rows: unknown[][] = [columns];
    for (const record of records) {
      rows.push(columns.map((column) => record[column]));
      written++;
      if (rows.length < rowsOfChunk) continue;
      yield stringify(rows);
      rows = [];
      onProgress?.(written, total);
    }
    yield stringify(rows);
  }

  const citizenColumns = Object.keys(citizensSchema.properties) as (keyof Citizen)[];
  const enterpriseColumns = Object.keys(enterprisesSchema.properties) as (keyof Enterprise)[];
  const texts = [csv(citizens(province), citizenColumns), csv(enterprises(province), enterpriseColumns)];
  const files = (['citizens', 'enterprises'] as const).map((dataset) => ({
    dataset,
    path: join(directory, `${dataset}.csv`),
    rows: province[dataset],
  }));

  await mkdir(directory, { recursive: true });
  try {
    for (const [i, file] of files.entries()) {
      await pipeline(Readable.from(texts[i]!), createWriteStream(partialPath(file)));
    }
    for (const file of files) await rename(partialPath(file), file.path);
  } catch (error) {
    for (const file of files) await rm(partialPath(file), { force: true });
    throw error;
  }
  onProgress?.(total, total);
  return { files };
}

function partialPath(file: GeneratedFile): string {
  return `${file.path}.partial`;
}
