import type { Dataset, Field } from '../catalogue/catalogue.ts';
import type { Fault } from '../base/errors.ts';
import { isCleanText } from '../http/headers.ts';
import type { StoredRecord } from '../records/stored-record.ts';
import { findLeadingField, type Condition, type SearchPlace } from '../records/search.ts';
import { batchLimit } from './batch.ts';
import { fits, operatorFault, typeFault, type Scalar } from './claims.ts';
import { readCursor, sealCursor } from '../http/cursor.ts';
import { checkFields, type Rights } from './rights.ts';
import type { ExchangeOperation, Subject } from './operation.ts';
import { distinct, listPersons } from './named-persons.ts';
import { createBodyReader, fieldNamePattern, fieldsSchema, invalidRequest, metaSchema } from './request.ts';

/** What is sought of a field: that it equals something, begins with it, or contains it. */
type Sought = Scalar | { prefix: string } | { contains: string };

/** What a search asks: the records of whomever the conditions fit. */
export interface RecordSearchBody {
  where: Record<string, Sought>;
  /** The fields asked for, as sent; all that are granted when absent. */
  fields?: string[];
  /** Whether each record tells where its values come from. */
  meta?: boolean;
  limit?: number;
  after?: string | null;
}

const maxConditions = 10;
const maxLimit = 200;
const defaultLimit = 50;
const maxSoughtLength = 128;
/** The value that leads the order is in it. More than 2,704 bytes fit no index of PostgreSQL (BTMaxItemSize, nbtree.h). */
const maxCursorLength = 8192;

export const searchOperatorSchemas = {
  prefix: {
    type: 'string',
    minLength: 1,
    maxLength: maxSoughtLength,
    description: 'The text begins with this.',
  },
  contains: {
    type: 'string',
    minLength: 2,
    maxLength: maxSoughtLength,
    description: 'The text contains this: two characters at least.',
  },
} as const;

/** The body of a search. Other members are refused. */
export const searchBodySchema = {
  type: 'object',
  additionalProperties: false,
  required: ['where'],
  properties: {
    where: {
      type: 'object',
      minProperties: 1,
      maxProperties: maxConditions,
      propertyNames: { pattern: fieldNamePattern },
      additionalProperties: {
        anyOf: [
          { type: 'string', minLength: 1, maxLength: maxSoughtLength },
          { type: 'number' },
          { type: 'boolean' },
          {
            type: 'object',
            additionalProperties: false,
            minProperties: 1,
            maxProperties: 1,
            properties: searchOperatorSchemas,
          },
        ],
      },
    },
    fields: fieldsSchema,
    meta: metaSchema,
    limit: { type: 'integer', minimum: 1, maximum: maxLimit, default: defaultLimit },
    after: { type: ['string', 'null'], maxLength: maxCursorLength },
  },
} as const;

/** Whether a dataset has any field to search by. */
export function isSearchable(dataset: Dataset): boolean {
  return [...dataset.fields.values()].some(({ searchable }) => searchable);
}

/** How a searchable field may be sought: texts by their beginning, free texts by any part. */
export function listSearchOperators({
  schema: { type, format, enum: values, pattern },
}: Field): Condition['operator'][] {
  if (type !== 'string' || format === 'date' || values !== undefined) return ['equals'];
  return format === undefined && pattern === undefined
    ? ['equals', 'prefix', 'contains']
    : ['equals', 'prefix'];
}

/** Whomever conditions fit, a page at a time; each page is an exchange. */
export const search: ExchangeOperation<RecordSearchBody> = {
  name: 'search',
  bulk: true,
  allows: 'read',
  readBody: createBodyReader<RecordSearchBody>(searchBodySchema),
  listSubjects: () => [],
  listFields: ({ where, fields = [] }) => [...Object.keys(where), ...fields],
  checkBody(rights, { where, fields }) {
    const sought = Object.keys(where).sort();
    const pointerTo = (name: string, i: number): string =>
      i < sought.length ? `#/where/${name}` : `#/fields/${i - sought.length}`;
    checkFields(rights, [...sought, ...(fields ?? [])], pointerTo);
    checkWhere(rights, where);
    return { fields: checkFields(rights, fields), besides: sought };
  },
  async release({ dataset, search: find, cursorKey, project }, permission, occasion) {
    const { body, fields, masked } = permission;
    const limit = Math.min(body.limit ?? defaultLimit, batchLimit(dataset, fields));
    const conditions = conditionsOf(body.where);
    const scope = scopeOf(dataset, occasion.client, body);
    const after = placeAfter(readCursor(cursorKey, scope, body.after, occasion.now));
    // The whole page is charged before anything is read: a refusal must not tell how many there are.
    await occasion.charge(limit);
    const found = await find(conditions, after, limit + 1);
    const shown = found.slice(0, limit);
    occasion.refund(limit - Math.max(1, shown.length));

    const key = dataset.fields.get(dataset.key)!.at;
    const isShown = (name: string): boolean => fields.includes(name) && !masked.includes(name);
    const hidden = !isShown(dataset.key);
    const last = found.length > limit ? shown.at(-1) : undefined;
    const next =
      last === undefined
        ? null
        : sealCursor(cursorKey, scope, JSON.stringify(placeOf(dataset, conditions, last)), occasion.now);
    const items = shown.map(project(fields, masked, body.meta));
    const subjects = shown.flatMap((record): Subject[] => [
      { dataset: dataset.name, id: record[key] as string, hidden },
      ...listPersons(dataset, record, fields, isShown),
    ]);
    return {
      body: JSON.stringify({ items, next }),
      records: shown.length,
      subjects: distinct(subjects),
      details: { where: Object.fromEntries(conditions.map(({ field, operator }) => [field, operator])) },
    };
  },
};

/** What a cursor is bound to: who asks, and for what in which order; not how many are shown on a page. */
function scopeOf({ name, version }: Dataset, client: string, { where, fields }: RecordSearchBody): string {
  const sorted = Object.entries(where).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(['search', client, name, version, sorted, fields ?? null]);
}

function placeAfter(place: string | null): SearchPlace | null {
  return place === null ? null : (JSON.parse(place) as SearchPlace);
}

function placeOf(dataset: Dataset, conditions: readonly Condition[], record: StoredRecord): SearchPlace {
  const lead = findLeadingField(dataset, conditions);
  const valueOf = (name: string): string => record[dataset.fields.get(name)!.at] as string;
  return { lead: lead === null ? null : valueOf(lead), id: valueOf(dataset.key) };
}

/** In the order of their fields' names: what is sent in another order is the same search. */
function conditionsOf(where: RecordSearchBody['where']): Condition[] {
  const sorted = Object.entries(where).sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([field, sought]) => {
    if (typeof sought !== 'object') return { field, operator: 'equals', value: sought };
    return 'prefix' in sought
      ? { field, operator: 'prefix', value: sought.prefix }
      : { field, operator: 'contains', value: sought.contains };
  });
}

/** @throws ProblemError invalid-request naming the conditions that make no sense */
function checkWhere({ dataset }: Rights, where: RecordSearchBody['where']): void {
  const errors = conditionsOf(where).flatMap((condition): Fault[] => {
    const fault = findFault(dataset, condition);
    return fault === null ? [] : [fault];
  });
  if (errors.length > 0)
    throw invalidRequest({ en: 'a condition can not be searched by', zh: '有条件不可用于查询' }, errors);
}

/** What is wrong with a condition; it never repeats what is sought. */
function findFault(dataset: Dataset, { field: name, operator, value }: Condition): Fault | null {
  const field = dataset.fields.get(name)!;
  const pointer = `#/where/${name}`;
  if (!field.searchable) {
    const names = [...dataset.fields.values()].filter(({ searchable }) => searchable).map((one) => one.name);
    const detail = {
      en: `is not searchable: use ${names.join(', ') || 'another way to ask'}`,
      zh: `不可查询，可用：${names.join('、') || '其他方式'}`,
    };
    return { pointer, detail };
  }
  const operators = listSearchOperators(field);
  if (!operators.includes(operator))
    return { pointer: `${pointer}/${operator}`, detail: operatorFault(operators) };
  if (operator === 'equals' && !fits(field, value)) return { pointer, detail: typeFault(field) };
  const values = field.schema.enum as string[] | undefined;
  if (values !== undefined && !values.includes(String(value)))
    return {
      pointer,
      detail: { en: `is not one of ${values.join(', ')}`, zh: `不是下列值之一：${values.join('、')}` },
    };
  if (typeof value === 'string' && !isCleanText(value))
    return { pointer, detail: { en: 'has control characters', zh: '含有控制字符' } };
  return null;
}
