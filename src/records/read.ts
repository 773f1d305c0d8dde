import type pg from 'pg';
import type { Dataset } from '../catalogue/catalogue.ts';
import { relationOf } from '../catalogue/relations.ts';
import { isDataError, type Link } from '../db/connection.ts';
import { quote } from '../db/identifier.ts';
import { Problem } from '../errors.ts';

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
   * @throws Problem store-unavailable, overloaded
   */
  find(id: string): Promise<StoredRecord | null>;
  /**
   * Finds the records of many subjects, by their ids, on other connections than those of single reads.
   *
   * @param ids without control characters
   * @param columns what is wanted: fields, and the day of attestation; beside them and the key, a record has nulls
   * @throws Problem store-unavailable
   */
  findMany(ids: readonly string[], columns: readonly string[]): Promise<ReadonlyMap<string, StoredRecord>>;
}

interface Waiting {
  id: string;
  resolve: (record: StoredRecord | null) => void;
  reject: (error: unknown) => void;
}

/** Reads that wait or are under way; beyond that the gateway says that it is overloaded. */
const maxPending = 10_000;
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
    text: `select ${columnsOf(dataset).map(quote).join(', ')} from ${quote(schema)}.${quote(name)} where ${quote(dataset.key)} = any($1::text[])`,
  };
}

/**
 * The statement that reads columns of many records, each as one JSON array: a thousand rows would be most of the work
 * of taking them. The ids come as lines of one text.
 */
function bulkStatement(dataset: Readable, columns: readonly string[]): { rowMode: 'array'; text: string } {
  const { schema, name } = relationOf(dataset);
  const arrays = columns.map((column) => `json_agg(${quote(column)})`).join(', ');
  return {
    rowMode: 'array',
    text: `select ${arrays} from ${quote(schema)}.${quote(name)}
      where ${quote(dataset.key)} = any(string_to_array($1, e'\\n'))`,
  };
}

/** Makes a reader whose concurrent reads of single records become one statement on the pipelined connection. */
export function createRecordReader(link: Link, bulk: pg.Pool, dataset: Readable): RecordReader {
  const statement = readStatement(dataset);
  const columnsOfRecord = columnsOf(dataset);
  const keyAt = columnsOfRecord.indexOf(dataset.key);
  let waiting: Waiting[] = [];
  let pending = 0;

  function byId(rows: unknown[][]): Map<string, StoredRecord> {
    return new Map(rows.map((row) => [row[keyAt] as string, row]));
  }

  /** The records whose values stand in columns, the key's first; that is null where there are none. */
  function byKey(
    columns: readonly string[],
    values: [string[] | null, ...unknown[][]],
  ): Map<string, StoredRecord> {
    const keys = values[0] ?? [];
    const unknown = columnsOfRecord.map(() => null);
    const places = columnsOfRecord.flatMap((column, at) => {
      const source = values[columns.indexOf(column)];
      return source == null ? [] : [{ at, source }];
    });
    const records = new Map<string, StoredRecord>();
    for (let i = 0; i < keys.length; i++) {
      const record: unknown[] = [...unknown];
      for (const { at, source } of places) record[at] = source[i];
      records.set(keys[i]!, record);
    }
    return records;
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

  async function readBatch(batch: Waiting[]): Promise<void> {
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
        for (const request of batch) request.reject(new Problem('store-unavailable', {}, { cause: error }));
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
      if (pending >= maxPending) return Promise.reject(new Problem('overloaded'));
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
        const statement = { ...bulkStatement(dataset, wanted), values: [ids.join('\n')] };
        const { rows } = await bulk.query<[string[] | null, ...unknown[][]]>(statement);
        return byKey(wanted, rows[0]!);
      } catch (error) {
        throw new Problem('store-unavailable', {}, { cause: error });
      }
    },
  };
}
