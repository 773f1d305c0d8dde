import type { Dataset } from '../catalogue/catalogue.ts';

/**
 * A record as the store has it: the dataset's fields in their order, null where a value is unknown; behind them the
 * day as of which it is attested, where the dataset tells it.
 */
export type StoredRecord = readonly unknown[];

/** The records of many subjects, by their ids. */
export type FoundRecords = Pick<ReadonlyMap<string, StoredRecord>, 'size' | 'get'>;

/** What the reader needs to know of a dataset. */
export type Readable = Pick<Dataset, 'name' | 'version' | 'key' | 'asOf'> & {
  fields: ReadonlyMap<string, unknown>;
};

/** The columns of a record, in its order. */
export function columnsOf({ fields, asOf }: Readable): string[] {
  return [...fields.keys(), ...(asOf === null ? [] : [asOf])];
}
