import { hash } from 'node:crypto';
import type pg from 'pg';
import type { Dataset } from '../catalogue/catalogue.ts';
import { relationOf } from '../catalogue/relations.ts';
import { isDataError, type Link } from '../db/connection.ts';
import { quoteIdentifier } from '../db/identifier.ts';
import { asStoreUnavailable, ProblemError } from '../base/errors.ts';

/**
 * A record as the store has it: the dataset's fields in their order, null where a value is unknown; behind them the
 * day as of which it is attested, where the dataset tells it.
 */
export type StoredRecord = readonly unknown[];

/** Reads the records of one dataset in one version. */
export interface RecordReader {
  /**
   * Finds a record by its subject's id.
   *
   * @throws ProblemError store-unavailable, overloaded
   */
  find(id: string): Promise<StoredRecord | null>;
  /**
   * Finds the records of many subjects, by their ids, on other connections than those of single reads.
   *
   * @param ids without control characters
   * @param columns what is wanted: fields, and the day of attestation; beside them and the key, a record has nulls
   * @throws ProblemError store-unavailable
   */
  findMany(ids: readonly string[], columns: readonly string[]): Promise<FoundRecords>;
}

/** The records of many subjects, by their ids. */
export type FoundRecords = Pick<ReadonlyMap<string, StoredRecord>, 'size' | 'get'>;

interface WaitingRead {
  id: string;
  resolve: (record: StoredRecord | null) => void;
  reject: (error: unknown) => void;
}

/** Reads that wait or are under way; beyond that the gateway says that it is overloaded. */
const maxPending = 10_000;
/** Consumers ask for few lists of fields; whoever asks for ever others has each planned anew. */
const maxBulkNames = 50;
const maxBatch = 500;

/** What the reader needs to know of a dataset. */
export type Readable = Pick<Dataset, 'name' | 'version' | 'key' | 'asOf'> & {
  fields: ReadonlyMap<string, unknown>;
};

/** The columns of a record, in its order. */
export function columnsOf({ fields, asOf }: Readable): string[] {
  return [...fields.keys(), ...(asOf === null ? [] : [asOf])];
}

/** The statement that reads the records of a list of ids, in the order of the dataset's fields. */
export function readStatement(dataset: Readable): { name: string; rowMode: 'array'; text: string } {
  const { schema, name } = relationOf(dataset);
  return {
    name: `read-${schema}-${name}`,
    rowMode: 'array',
    text: `select ${columnsOf(dataset).map(quoteIdentifier).join(', ')} from ${quoteIdentifier(schema)}.${quoteIdentifier(name)} where ${quoteIdentifier(dataset.key)} = any($1::text[])`,
  };
}

/**
 * The statement that reads columns of many records, each as one JSON array: a thousand rows would be most of the work
 * of taking them. The ids come as lines of one text.
 */
function bulkText(dataset: Readable, columns: readonly string[]): string {
  const { schema, name } = relationOf(dataset);
  const arrays = columns.map((column) => `json_agg(${quoteIdentifier(column)})::text`).join(', ');
  return `select count(*), ${arrays} from ${quoteIdentifier(schema)}.${quoteIdentifier(name)}
    where ${quoteIdentifier(dataset.key)} = any(string_to_array($1, e'\\n'))`;
}

/**
 * The values of a JSON array as PostgreSQL writes it; there is none of no values. Texts that need no escape are cut
 * out, because JSON.parse keeps every short one until the next collection of all garbage.
 */
function readArray(json: string | null, count: number): unknown[] {
  if (json === null) return [];
  const inner = json.slice('["'.length, -'"]'.length);
  if (json.startsWith('["') && json.endsWith('"]') && !holdsMoreThanTexts.test(inner)) {
    const texts = inner.split('", "');
    // With a null among them there are fewer.
    if (texts.length === count) return texts;
  }
  return JSON.parse(json) as unknown[];
}

/** Escapes, arrays and objects, or what may be one. */
const holdsMoreThanTexts = /[\\[{]/;

/** Makes a reader whose concurrent reads of single records become one statement on the pipelined connection. */
export function createRecordReader(link: Link, bulk: pg.Pool, dataset: Readable): RecordReader {
  const statement = readStatement(dataset);
  const columnsOfRecord = columnsOf(dataset);
  const keyAt = columnsOfRecord.indexOf(dataset.key);
  let waiting: WaitingRead[] = [];
  let pending = 0;
  /** The names of statements that connections keep planned, by their texts; PostgreSQL looks at 63 characters. */
  const bulkNames = new Map<string, string>();

  function byId(rows: unknown[][]): Map<string, StoredRecord> {
    return new Map(rows.map((row) => [row[keyAt] as string, row]));
  }

  /** The records whose values stand in columns, the key's first. Each is made when it is asked for, and soon gone. */
  function byKey(columns: readonly string[], values: readonly unknown[][]): FoundRecords {
    const rows = new Map(values[0]!.map((key, row) => [key as string, row]));
    const unknown: unknown[] = columnsOfRecord.map(() => null);
    const places = columnsOfRecord.flatMap((column, at) => {
      const source = values[columns.indexOf(column)];
      return source === undefined ? [] : [{ at, source }];
    });
    return {
      size: rows.size,
      get(id) {
        const row = rows.get(id);
        if (row === undefined) return undefined;
        const record = [...unknown];
        for (const { at, source } of places) record[at] = source[row];
        return record;
      },
    };
  }

  function bulkStatement(columns: readonly string[]): { name?: string; rowMode: 'array'; text: string } {
    const text = bulkText(dataset, columns);
    if (!bulkNames.has(text)) {
      if (bulkNames.size >= maxBulkNames) return { rowMode: 'array', text };
      bulkNames.set(text, `read-many-${hash('sha256', text, 'base64url')}`);
    }
    return { name: bulkNames.get(text)!, rowMode: 'array', text };
  }

  async function query(ids: string[]): Promise<Map<string, StoredRecord>> {
    let client: pg.Client | null = null;
    try {
      client = await link.client();
      const { rows } = await client.query<unknown[]>({ ...statement, values: [ids] });
      return byId(rows);
    } catch (error) {
      if (client !== null && !isDataError(error)) link.discard(client);
      throw error;
    }
  }

  async function readBatch(batch: WaitingRead[]): Promise<void> {
    try {
      const records = await query(batch.map((request) => request.id));
      pending -= batch.length;
      for (const request of batch) request.resolve(records.get(request.id) ?? null);
    } catch (error) {
      // A value that the server can't take must not fail the reads beside it.
      if (isDataError(error) && batch.length > 1)
        await Promise.all(batch.map((request) => readBatch([request])));
      else {
        pending -= batch.length;
        for (const request of batch) request.reject(asStoreUnavailable(error));
      }
    }
  }

  function readWaiting(): void {
    const all = waiting;
    waiting = [];
    for (let i = 0; i < all.length; i += maxBatch) void readBatch(all.slice(i, i + maxBatch));
  }

  return {
    find(id) {
      if (pending >= maxPending) return Promise.reject(new ProblemError('overloaded'));
      pending++;
      return new Promise((resolve, reject) => {
        waiting.push({ id, resolve, reject });
        if (waiting.length === 1) setImmediate(readWaiting);
      });
    },
    async findMany(ids, columns) {
      if (ids.length === 0) return new Map();
      try {
        const wanted = [...new Set([dataset.key, ...columns])];
        const statement = { ...bulkStatement(wanted), values: [ids.join('\n')] };
        const { rows } = await bulk.query<[number, ...(string | null)[]]>(statement);
        const [count, ...arrays] = rows[0]!;
        return byKey(
          wanted,
          arrays.map((array) => readArray(array, count)),
        );
      } catch (error) {
        throw asStoreUnavailable(error);
      }
    },
  };
}
