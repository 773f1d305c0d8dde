import type { Dataset } from '../../catalogue/catalogue.ts';
import { json, type OperationObject } from '../../http/openapi.ts';
import { batchBodySchema } from '../../exchange/batch.ts';
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

/** `POST /v1/{dataset}/batch` as its document tells it. */
export function batchOperation(dataset: Dataset): OperationObject {
  const { id, fields } = exampleRequest(dataset);
  const { properties, ...rest } = batchBodySchema;
  const schema = {
    ...rest,
    properties: {
      ids: {
        ...properties.ids,
        description: 'Ids as bodies of `read` have them; one that is not valid does not fail the others.',
      },
      fields: fieldsSchemaOf(dataset),
      meta: properties.meta,
    },
  };
  const record = recordSchema(dataset);
  const result = (status: string, more: Record<string, object> = {}): object => ({
    type: 'object',
    additionalProperties: false,
    required: ['id', 'status', ...Object.keys(more)],
    properties: { id: properties.ids.items, status: { type: 'string', const: status }, ...more },
  });
  return {
    operationId: `batch${pascal(dataset.name)}`,
    summary: `Read many records of ${dataset.title.en} (${dataset.title.zh})`,
    description:
      'One exchange with one entry for up to 1000 ids, in which each of them is a subject; where each record names ' +
      'another person, for as many as an entry has room for, and 400 names that limit. Answers them in the order ' +
      'asked. Few batches are in work at a time; one that finds no place is 503 `overloaded`.',
    tags: ['Data requests'],
    parameters: requestParameters,
    requestBody: { required: true, content: json(schema, { ids: [id], fields }) },
    responses: {
      200: {
        description: 'A result for each id, in the order asked.',
        headers: releaseHeaders,
        content: json(
          {
            type: 'object',
            additionalProperties: false,
            required: ['results'],
            properties: {
              results: {
                type: 'array',
                items: { oneOf: [result('found', { record }), result('absent'), result('invalid')] },
              },
            },
          },
          { results: [{ id, status: 'found', record: exampleRecord(dataset) }] },
        ),
      },
      ...refusals(bulkCodes, 'payload-too-large', 'media-type-unsupported'),
    },
  };
}
