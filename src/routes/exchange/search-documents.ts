import type { Dataset, Field } from '../../catalogue/catalogue.ts';
import { json, type OperationObject } from '../../http/openapi.ts';
import {
  bulkCodes,
  exampleRecord,
  exampleRequest,
  fieldsSchemaOf,
  pascal,
  recordSchema,
  refusals,
  releaseHeaders,
  requestParameters,
} from './dataset-documents.ts';
import { searchOperatorSchemas, listSearchOperators, searchBodySchema } from '../../exchange/search.ts';

/** `POST /v1/{dataset}/search` as its document tells it. */
export function searchOperation(dataset: Dataset): OperationObject {
  const { fields } = exampleRequest(dataset);
  const searchable = [...dataset.fields.values()].filter((field) => field.searchable);
  const { where, meta, limit, after } = searchBodySchema.properties;
  const schema = {
    ...searchBodySchema,
    properties: {
      where: {
        type: 'object',
        additionalProperties: false,
        minProperties: where.minProperties,
        maxProperties: where.maxProperties,
        properties: Object.fromEntries(searchable.map((field) => [field.name, soughtSchema(field)])),
        description: 'What must hold, all of it: a value, or what the text begins with or contains.',
      },
      fields: fieldsSchemaOf(dataset),
      meta,
      limit,
      after: { ...after, description: 'The `next` of the page before.' },
    },
  };
  const example = exampleWhere(searchable);
  return {
    operationId: `search${pascal(dataset.name)}`,
    summary: `Search records of ${dataset.title.en} (${dataset.title.zh})`,
    description:
      'Searches by the fields that the dataset marks searchable and that are granted. Pages come in the order of the ' +
      'field of which a prefix is sought, then of the ids; each is an exchange whose entry has every subject shown. A cursor is bound to client and search, and good ' +
      'for a day.',
    tags: ['Data requests'],
    parameters: requestParameters,
    requestBody: { required: true, content: json(schema, { where: example, fields, limit: 50 }) },
    responses: {
      200: {
        description: 'A page of records.',
        headers: releaseHeaders,
        content: json(
          {
            type: 'object',
            additionalProperties: false,
            required: ['items', 'next'],
            properties: {
              items: {
                type: 'array',
                items: recordSchema(dataset),
              },
              next: {
                type: ['string', 'null'],
                description: 'The cursor of the next page; null when there is none.',
              },
            },
          },
          { items: [exampleRecord(dataset)], next: null },
        ),
      },
      ...refusals(bulkCodes, 'payload-too-large', 'media-type-unsupported'),
    },
  };
}

function soughtSchema(field: Field): object {
  const { type, format, enum: values } = field.schema;
  const value = { type, ...(format === 'date' && { format }), ...(values !== undefined && { enum: values }) };
  const operators = listSearchOperators(field).flatMap((operator) =>
    operator === 'equals'
      ? []
      : [
          {
            type: 'object',
            additionalProperties: false,
            required: [operator],
            properties: { [operator]: searchOperatorSchemas[operator] },
          },
        ],
  );
  return operators.length === 0 ? value : { anyOf: [value, ...operators] };
}

function exampleWhere(searchable: Field[]): object {
  const free = searchable.find((field) => listSearchOperators(field).includes('contains'));
  if (free === undefined) return { [searchable[0]!.name]: searchable[0]!.schema.examples[0] };
  return { [free.name]: { contains: String(free.schema.examples[0]).slice(0, 2) } };
}
