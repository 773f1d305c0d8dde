import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { enterActBy, type Actor } from '../audit/act.ts';
import type { Dataset } from '../catalogue/catalogue.ts';
import { openDatabase } from '../db/database.ts';
import { quoteIdentifier } from '../db/identifier.ts';
import { UserError } from '../base/errors.ts';
import { openCsvFile, type CsvFile } from './csv-file.ts';
import { createRejectsWriter, type RejectsWriter } from './rejects.ts';
import { checkRow, type RecordRow } from './row.ts';

export interface LoadResult {
  dataset: string;
  /** Rows of the file, without the header. */
  rows: number;
  loaded: number;
  rejected: number;
  /** Rows that were loaded although their id fails its check digit. */
  warned: number;
  /** Where the rejected rows are; null when there are none. */
  rejects_file: string | null;
  /** SHA-256 of the file, hexadecimal. */
  sha256: string;
  /** Index of the load's entry in the audit log. */
  entry: number;
  /** The day as of which the provider attests the records. */
  as_of: string;
}

const statementTimeoutMs = 60 * 60_000;

/**
 * Loads a CSV file into a dataset: each row is validated, good ones are put into staging by COPY and replace or
 * join what the store has, bad ones go to `<file>.rejects.csv` with line and reason. All of it, with its entry in
 * the audit log, becomes durable at once, or nothing does.
 *
 * @param dataset in its newest version
 * @param options.asOf the day as of which the records are attested, YYYY-MM-DD; the server's day when absent
 * @param options.onProgress hears how many bytes of how many are read
 * @throws UserError when the file can't be read, or its header does not fit
 */
export async function loadCsv(
  adminUrl: string,
  dataset: Dataset,
  file: string,
  actor: Actor,
  options: { asOf?: string; onProgress?: (bytes: number, total: number) => void } = {},
): Promise<LoadResult> {
  const csv = await openCsvFile(file, options.onProgress);
  const { pool, close } = openDatabase(adminUrl, 'onevisit load', { maxConnections: 1, statementTimeoutMs });
  const rejects = createRejectsWriter(file);
  try {
    const client = await pool.connect();
    try {
      await client.query('begin');
      const rows = await stage(client, dataset, csv, rejects);
      await rejectRepeated(client, dataset, rejects);
      const { loaded, warned } = await countStaged(client);
      const as_of = options.asOf ?? (await today(client));
      await upsert(client, dataset, as_of);
      const result = { rows, loaded, rejected: rejects.count, warned, sha256: csv.sha256(), as_of };
      const entry = await enterActBy(client, actor, {
        operation: 'load',
        provider: dataset.provider,
        dataset: dataset.name,
        version: dataset.version,
        details: result,
      });
      const rejects_file = await rejects.finish();
      await client.query('commit');
      return { dataset: dataset.name, ...result, rejects_file, entry };
    } catch (error) {
      await client.query('rollback').catch(() => undefined);
      throw error;
    } finally {
      client.release();
    }
  } catch (error) {
    await rejects.abandon();
    throw error;
  } finally {
    await close();
  }
}

/**
 * Streams the file through validation into a staging table that ends with the transaction.
 *
 * @returns the number of rows, bad ones included
 */
async function stage(
  client: pg.PoolClient,
  dataset: Dataset,
  csv: CsvFile,
  rejects: RejectsWriter,
): Promise<number> {
  const columns = [...dataset.fields.keys()];
  const list = columns.map(quoteIdentifier).join(', ');
  await client.query(
    `create temp table staging on commit drop as
     select ${list}, 0::bigint as line_number, false as warned from ${storeTable(dataset)} with no data`,
  );
  let rows = 0;

  async function* copyLines(): AsyncGenerator<string> {
    let header: string[] | null = null;
    for await (const { cells, line } of csv.rows()) {
      if (header === null) {
        header = checkHeader(dataset, cells);
        rejects.begin(header);
        continue;
      }
      rows++;
      const row = checkRow(dataset, header, cells);
      if (row.faults.length > 0) await rejects.write(line, row.faults.join('; '), cells);
      else yield copyLine(row, columns, line);
    }
    if (header === null)
      throw new UserError('the file is empty: it needs a header row with the names of fields');
  }

  const target = client.query(copyFrom(`copy staging (${list}, line_number, warned) from stdin`));
  // What ends COPY is told to the server, whose log must not quote the file: it hears that it ended, not why.
  let reason: unknown = null;
  async function* quietly(): AsyncGenerator<string> {
    try {
      yield* copyLines();
    } catch (error) {
      reason = error;
      throw new Error('the load was given up', { cause: error });
    }
  }
  await pipeline(quietly, target).catch((error: unknown) => {
    throw reason ?? error;
  });
  return rows;
}

async function today(client: pg.PoolClient): Promise<string> {
  const { rows } = await client.query<{ today: string }>('select current_date as today');
  return rows[0]!.today;
}

async function countStaged(client: pg.PoolClient): Promise<{ loaded: number; warned: number }> {
  const { rows } = await client.query<{ loaded: number; warned: number }>(
    'select count(*) as loaded, count(*) filter (where warned) as warned from staging',
  );
  return rows[0]!;
}

/** PostgreSQL's text format of COPY: tabs between, \N for null, backslash before what would be read otherwise. */
function copyLine(row: RecordRow, columns: string[], line: number): string {
  const cells = columns.map((column) => {
    const value = row.values[column];
    if (value === undefined) return '\\N';
    return (value as string | number | boolean)
      .toString()
      .replaceAll('\\', '\\\\')
      .replaceAll('\t', '\\t')
      .replaceAll('\n', '\\n')
      .replaceAll('\r', '\\r');
  });
  return `${cells.join('\t')}\t${line}\t${row.warned}\n`;
}

/** A file without a header row has people's data where names are due: they are not repeated. */
function nameColumn(name: string): string {
  return /^[a-z_][a-z_ ]{0,62}$/i.test(name) ? `"${name}"` : 'something that is no name';
}

function checkHeader(dataset: Dataset, header: string[]): string[] {
  const names = header.map((name) => name.trim());
  const unknown = names.filter((name) => !dataset.fields.has(name));
  if (unknown.length > 0)
    throw new UserError(
      `the header names ${unknown.map(nameColumn).join(', ')}, which ${dataset.name} does not have; it has ${[...dataset.fields.keys()].join(', ')}`,
    );
  const repeated = names.filter((name, i) => names.indexOf(name) !== i);
  if (repeated.length > 0) throw new UserError(`the header names ${repeated.join(', ')} more than once`);
  const missing = [...dataset.fields.values()].filter(
    (field) => field.required && !names.includes(field.name),
  );
  if (missing.length > 0)
    throw new UserError(
      `the header lacks ${missing.map((field) => field.name).join(', ')}, which every record needs`,
    );
  return names;
}

const rejectPage = 1000;

/** Of rows with one id the first is loaded, the others are rejected. */
async function rejectRepeated(
  client: pg.PoolClient,
  dataset: Dataset,
  rejects: RejectsWriter,
): Promise<void> {
  await client.query('create index on staging (line_number)');
  await client.query(
    `create temp table repeated on commit drop as select line_number from (
       select line_number, row_number() over (partition by ${quoteIdentifier(dataset.key)} order by line_number) as nth
       from staging) numbered where nth > 1`,
  );
  await client.query('create index on repeated (line_number)');
  for (let last = 0; ;) {
    const { rows } = await client.query<Record<string, unknown> & { line_number: number }>(
      `with page as (select line_number from repeated where line_number > $1 order by line_number limit $2)
       delete from staging using page where staging.line_number = page.line_number returning staging.*`,
      [last, rejectPage],
    );
    if (rows.length === 0) return;
    rows.sort((a, b) => a.line_number - b.line_number);
    for (const row of rows) {
      const cells = rejects.header.map((name) => row[name] as string | number | null);
      await rejects.write(row.line_number, `${dataset.key}: an earlier line has the same`, cells);
    }
    last = rows.at(-1)!.line_number;
  }
}

/** In the order of ids, so that two loads at once wait for one another instead of locking each other out. */
async function upsert(client: pg.PoolClient, dataset: Dataset, asOf: string): Promise<void> {
  const columns = [...dataset.fields.keys()].map(quoteIdentifier);
  const attested = dataset.asOf === null ? [] : [quoteIdentifier(dataset.asOf)];
  const list = [...columns, ...attested].join(', ');
  const values = [...columns, ...attested.map(() => '$1::date')].join(', ');
  const others = [...columns, ...attested].filter((column) => column !== quoteIdentifier(dataset.key));
  const action =
    others.length === 0 ? 'nothing' : `update set ${others.map((c) => `${c} = excluded.${c}`).join(', ')}`;
  await client.query(
    `insert into ${storeTable(dataset)} (${list}) select ${values} from staging order by ${quoteIdentifier(dataset.key)}
     on conflict (${quoteIdentifier(dataset.key)}) do ${action}`,
    dataset.asOf === null ? [] : [asOf],
  );
}

/** The newest version of a dataset is what the store holds. */
function storeTable(dataset: Dataset): string {
  return `store.${quoteIdentifier(dataset.name)}`;
}
