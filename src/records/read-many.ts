import { hash } from 'node:crypto';
import type pg from 'pg';
import { relationOf } from '../catalogue/relations.ts';
import { quoteIdentifier } from '../db/identifier.ts';
import { columnsOf, type FoundRecords, type Readable } from './stored-record.ts';
import { asStoreUnavailable } from '../base/errors.ts';

/** Consumers ask for few lists of fields; a list beyond these is planned anew each time. */
const maxBulkNames = 50;

/** @throws ProblemError store-unavailable */
type FindMany = (ids: readonly string[], columns: readonly string[]) => Promise<FoundRecords>;

/** Makes what reads the records of many subjects, by a statement for each list of columns. */
export function createBulkReader(bulk: pg.Pool, dataset: Readable): FindMany {
  const columnsOfRecord = columnsOf(dataset);
  /** The names of statements that connections keep planned, by their texts; PostgreSQL looks at 63 characters. */
  const bulkNames = new Map<string, string>();

  function bulkStatement(columns: readonly string[]): { name?: string; rowMode: 'array'; text: string } {
    const text = bulkText(dataset, columns);
    if (!bulkNames.has(text)) {
      if (bulkNames.size >= maxBulkNames) return { rowMode: 'array', text };
      bulkNames.set(text, `read-many-${hash('sha256', text, 'base64url')}`);
    }
    return { name: bulkNames.get(text)!, rowMode: 'array', text };
  }

  return async function findMany(ids, columns) {
    if (ids.length === 0) return new Map();
    try {
      const wanted = [...new Set([dataset.key, ...columns])];
      const statement = { ...bulkStatement(wanted), values: [ids.join('\n')] };
      const { rows } = await bulk.query<[number, ...(string | null)[]]>(statement);
      const [count, ...arrays] = rows[0]!;
      const values = arrays.map((array) => readArray(array, count));
      return byKey(columnsOfRecord, wanted, values);
    } catch (error) {
      throw asStoreUnavailable(error);
    }
  };
}

/** The records whose values stand in columns, the key's first. Each is made when it is asked for, and soon gone. */
function byKey(
  columnsOfRecord: readonly string[],
  columns: readonly string[],
  values: readonly unknown[][],
): FoundRecords {
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
