import type { Dataset } from '../../catalogue/catalogue.ts';
import { json, type OperationObject } from '../../http/openapi.ts';
import { readBodySchema } from '../../exchange/read.ts';
import {
  requestParameters,
  enteredCodes,
  exampleRequest,
  fieldsSchemaOf,
  pascal,
  refusals,
  keySchema,
  recordResponse,
} from './dataset-documents.ts';
import { metaSchema } from '../../exchange/request.ts';

/** `POST /v1/{dataset}/read` as its document tells it. */
export function readOperation(dataset: Dataset): OperationObject {
  return {
    operationId: `read${pascal(dataset.name)}`,
    summary: `Read a record of ${dataset.title.en} (${dataset.title.zh})`,
    description: `${dataset.description.en}\n\n${dataset.description.zh}\n\nAnswers exactly the fields asked for, or all that the live grants for the purpose allow.`,
    tags: ['Data requests'],
    parameters: requestParameters,
    requestBody: { required: true, content: json(readRequestSchema(dataset), exampleRequest(dataset)) },
    responses: {
      200: recordResponse(dataset),
      ...refusals(enteredCodes, 'payload-too-large', 'media-type-unsupported'),
    },
  };
}

/** `GET /v1/{dataset}/{id}` as its document tells it, where ids may be in URLs. */
export function getOperation(dataset: Dataset): OperationObject {
  return {
    operationId: `get${pascal(dataset.name)}`,
    summary: `Read a record of ${dataset.title.en} (${dataset.title.zh}) by GET`,
    tags: ['Data requests'],
    parameters: [
      {
        name: 'id',
        in: 'path',
        required: true,
        description: dataset.fields.get(dataset.key)!.schema.description,
        schema: keySchema(dataset),
      },
      {
        name: 'fields',
        in: 'query',
        required: false,
        description: 'Fields to release, separated by commas; all that are granted when absent.',
        schema: { type: 'string' },
        example: exampleRequest(dataset).fields.join(','),
      },
      ...requestParameters,
    ],
    responses: { 200: recordResponse(dataset), ...refusals(enteredCodes) },
  };
}

function readRequestSchema(dataset: Dataset): object {
  return {
    ...readBodySchema,
    properties: { id: keySchema(dataset), fields: fieldsSchemaOf(dataset), meta: metaSchema },
  };
}
