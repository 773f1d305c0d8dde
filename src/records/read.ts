import type pg from 'pg';
import { relationOf } from '../catalogue/relations.ts';
import { isDataError, type Link } from '../db/connection.ts';
import { quoteIdentifier } from '../db/identifier.ts';
import { asStoreUnavailable, ProblemError } from '../base/errors.ts';
import { createBulkReader } from './read-many.ts';
import { type StoredRecord, columnsOf, type FoundRecords, type Readable } from './stored-record.ts';

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

interface WaitingRead {
  id: string;
  resolve: (record: StoredRecord | null) => void;
  reject: (error: unknown) => void;
}

/** Reads that wait or are under way; beyond that the gateway says that it is overloaded. */
const maxPending = 10_000;
const maxBatch = 500;

/** The statement that reads the records of a list of ids, in the order of the dataset's fields. */
export function readStatement(dataset: Readable): { name: string; rowMode: 'array'; text: string } {
  const { schema, name } = relationOf(dataset);
  return {
    name: `read-${schema}-${name}`,
    rowMode: 'array',
    text: `select ${columnsOf(dataset).map(quoteIdentifier).join(', ')} from ${quoteIdentifier(schema)}.${quoteIdentifier(name)} where ${quoteIdentifier(dataset.key)} = any($1::text[])`,
  };
}

/** Makes a reader whose concurrent reads of single records become one statement on the pipelined connection. */
export function createRecordReader(link: Link, bulk: pg.Pool, dataset: Readable): RecordReader {
  const statement = readStatement(dataset);
  const columnsOfRecord = columnsOf(dataset);
  const keyAt = columnsOfRecord.indexOf(dataset.key);
  let waiting: WaitingRead[] = [];
  let pending = 0;

  function byId(rows: unknown[][]): Map<string, StoredRecord> {
    return new Map(rows.map((row) => [row[keyAt] as string, row]));
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
    findMany: createBulkReader(bulk, dataset),
  };
}
