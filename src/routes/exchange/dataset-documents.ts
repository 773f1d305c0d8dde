import type { ErrorCode } from '../../base/error-table.ts';
import type { Dataset, Field } from '../../catalogue/catalogue.ts';
import { readBodySchema } from '../../exchange/read.ts';
import { json, problems, ref } from '../../http/openapi.ts';

/** Errors of data requests that are entries in the audit log. */
export const enteredCodes: ErrorCode[] = [
  'invalid-request',
  'invalid-id',
  'unknown-field',
  'purpose-required',
  'purpose-unknown',
  'case-required',
  'official-required',
  'scope-missing',
  'no-grant',
  'grant-expired',
  'grant-suspended',
  'purpose-not-granted',
  'field-not-granted',
  'record-absent',
  'quota-exceeded',
];

/** Where many ids are asked for, one that is not valid or has no record does not fail the others. */
export const bulkCodes = enteredCodes.filter((code) => code !== 'invalid-id' && code !== 'record-absent');

const besideCodes: ErrorCode[] = [
  'token-missing',
  'token-invalid',
  'token-expired',
  'rate-limited',
  'audit-unavailable',
  'store-unavailable',
  'overloaded',
];

/** Headers that name the entry of an exchange. */
export const entryHeaders = {
  'Exchange-Entry': ref('headers', 'ExchangeEntry'),
  'Exchange-Leaf': ref('headers', 'ExchangeLeaf'),
};

export function refusals(entered: ErrorCode[], ...more: ErrorCode[]): Record<string, object> {
  return problems([...entered, ...besideCodes, ...more], (code): Record<string, object> =>
    entered.includes(code) ? entryHeaders : {},
  );
}

export const requestParameters = [
  ref('parameters', 'ExchangePurpose'),
  ref('parameters', 'ExchangeCase'),
  ref('parameters', 'ExchangeOfficial'),
  ref('parameters', 'Prefer'),
  ref('parameters', 'AcceptLanguage'),
  ref('parameters', 'Traceparent'),
];

export const releaseHeaders = {
  'Exchange-Id': ref('headers', 'ExchangeId'),
  ...entryHeaders,
  'Exchange-Salt': ref('headers', 'ExchangeSalt'),
  'Exchange-Masked': ref('headers', 'ExchangeMasked'),
  'Cache-Control': ref('headers', 'NoStore'),
};

export function recordResponse(dataset: Dataset): object {
  return {
    description: 'The record, with exactly the fields asked for; unknown values are null.',
    headers: releaseHeaders,
    content: json(recordSchema(dataset), exampleRecord(dataset)),
  };
}

/** A released record: the fields asked for, and where they come from when that was asked. */
export function recordSchema(dataset: Dataset): object {
  const fields = [...dataset.fields.values()];
  const meta = {
    type: 'object',
    additionalProperties: false,
    description: 'Of each field, where its value comes from; when `meta` was asked for.',
    properties: Object.fromEntries(fields.map(({ name }) => [name, ref('schemas', 'Provenance')])),
  };
  return {
    type: 'object',
    additionalProperties: false,
    properties: { ...Object.fromEntries(fields.map((field) => [field.name, valueSchema(field)])), meta },
  };
}

/** What a released value may be: null when unknown, and of no fixed pattern where it may be masked. */
function valueSchema(field: Field): object {
  const {
    type,
    title,
    description,
    'x-zh': zh,
    format,
    pattern,
    minLength,
    enum: values,
    ...rest
  } = field.schema;
  const { examples: _, ...bounds } = rest;
  const texts = { title, description: `${description} ${zh.title}：${zh.description}` };
  if (field.mask !== null) return { type: [type, 'null'], ...texts, ...bounds };
  const shape = { ...(format !== undefined && { format }), ...defined({ pattern, minLength }) };
  if (Array.isArray(values)) return { type: [type, 'null'], ...texts, ...bounds, enum: [...values, null] };
  return { type: [type, 'null'], ...texts, ...bounds, ...shape };
}

export function fieldsSchemaOf(dataset: Dataset): object {
  const items = { type: 'string', enum: [...dataset.fields.keys()] };
  return { ...readBodySchema.properties.fields, uniqueItems: true, items };
}

export function keySchema(dataset: Dataset): object {
  const { type, format, minLength, maxLength, description, examples } = dataset.fields.get(
    dataset.key,
  )!.schema;
  return { type, ...defined({ format, minLength, maxLength }), description, examples };
}

export function exampleRequest(dataset: Dataset): { id: unknown; fields: string[] } {
  const released = [...dataset.fields.values()].filter((field) => field.mask === null).slice(0, 3);
  return {
    id: dataset.fields.get(dataset.key)!.schema.examples[0],
    fields: released.map((field) => field.name),
  };
}

export function exampleRecord(dataset: Dataset): object {
  return Object.fromEntries(
    exampleRequest(dataset).fields.map((name) => [name, dataset.fields.get(name)!.schema.examples[0]]),
  );
}

function defined(members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

export function pascal(name: string): string {
  return name
    .split('_')
    .map((word) => word[0]!.toUpperCase() + word.slice(1))
    .join('');
}
