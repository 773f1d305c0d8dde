import type pg from 'pg';
import { relationOf } from '../catalogue/relations.ts';
import { isDataError, isServerError } from '../db/connection.ts';
import { quoteIdentifier } from '../db/identifier.ts';
import { asStoreUnavailable, ProblemError } from '../base/errors.ts';
import { columnsOf, type Readable, type StoredRecord } from './stored-record.ts';

/** What must hold of a field. */
export interface Condition {
  field: string;
  operator: 'equals' | 'prefix' | 'contains';
  value: string | number | boolean;
}

/** Where a record stands in the order of a search. */
export interface SearchPlace {
  /** The value of the leading field; null where ids lead. */
  lead: string | null;
  id: string;
}

/** Finds records of one dataset in one version. */
export interface RecordSearch {
  /**
   * The records of which all conditions hold: in the order of the field of which the beginning is sought, where one
   * is, then of their subjects' ids.
   *
   * @param after the place behind which to begin; null begins with the first
   * @throws ProblemError store-unavailable; overloaded when it takes longer than a statement may
   */
  (conditions: readonly Condition[], after: SearchPlace | null, limit: number): Promise<StoredRecord[]>;
}

/** SQLSTATE query_canceled. */
const canceled = '57014';

/** Makes the search of a dataset, on connections that nobody else waits for. */
export function createRecordSearch(pool: pg.Pool, dataset: Readable): RecordSearch {
  return async (conditions, after, limit) => {
    try {
      const { rows } = await pool.query<unknown[]>(searchStatement(dataset, conditions, after, limit));
      return rows;
    } catch (error) {
      // A value that the column can't hold is in no record.
      if (isDataError(error)) return [];
      const tooSlow = isServerError(error) && error.code === canceled;
      throw tooSlow ? new ProblemError('overloaded', {}, { cause: error }) : asStoreUnavailable(error);
    }
  };
}

/** The statement of a search; it has no name, because the best plan follows from the values. */
export function searchStatement(
  dataset: Readable,
  conditions: readonly Condition[],
  after: SearchPlace | null,
  limit: number,
): { rowMode: 'array'; text: string; values: unknown[] } {
  const { schema, name } = relationOf(dataset);
  const key = quoteIdentifier(dataset.key);
  const values: unknown[] = [];
  const parameter = (value: unknown): string => `$${values.push(value)}`;
  const all = conditions.map((condition) => conditionSql(condition, parameter));
  const leading = findLeadingField(dataset, conditions);
  const lead = leading === null ? null : quoteIdentifier(leading);
  if (after !== null)
    all.push(lead === null ? `${key} > ${parameter(after.id)}` : placeCondition(lead, key, after, parameter));
  return {
    rowMode: 'array',
    text: `select ${columnsOf(dataset).map(quoteIdentifier).join(', ')} from ${quoteIdentifier(schema)}.${quoteIdentifier(name)} where ${all.join(' and ')}
           order by ${lead === null ? key : `${lead} using ~<~, ${key}`} limit ${parameter(limit)}`,
    values,
  };
}

/**
 * The field that leads the order, by whose index the beginning of its values is found: in the order of the key a few
 * of them would be looked for among all records.
 */
export function findLeadingField(
  dataset: Pick<Readable, 'key'>,
  conditions: readonly Condition[],
): string | null {
  const field = conditions.find(({ operator }) => operator === 'prefix')?.field ?? null;
  return field === dataset.key ? null : field;
}

function placeCondition(
  lead: string,
  key: string,
  { lead: value, id }: SearchPlace,
  parameter: (value: unknown) => string,
): string {
  const last = parameter(value);
  return `${lead} ~>=~ ${last} and (${lead} ~>~ ${last} or ${key} > ${parameter(id)})`;
}

function conditionSql({ field, operator, value }: Condition, parameter: (value: unknown) => string): string {
  const column = quoteIdentifier(field);
  if (operator === 'equals') return `${column} = ${parameter(value)}`;
  if (operator === 'prefix') return `${column} like ${parameter(`${escapeLike(String(value))}%`)}`;
  const sought = parameter(value);
  // The index is of the characters; whether they stand together is seen by looking.
  return `string_to_array(${column}, null) @> string_to_array(${sought}::text, null)
          and strpos(${column}, ${sought}::text) > 0`;
}

function escapeLike(text: string): string {
  return text.replaceAll(/[\\%_]/g, String.raw`\$&`);
}
