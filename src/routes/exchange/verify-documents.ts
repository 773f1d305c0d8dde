import type { Dataset, Field } from '../../catalogue/catalogue.ts';
import type { ErrorCode } from '../../base/error-table.ts';
import { json, type OperationObject } from '../../http/openapi.ts';
import { listClaimOperators, claimOperatorSchemas } from '../../exchange/claims.ts';
import {
  enteredCodes,
  exampleRequest,
  keySchema,
  pascal,
  refusals,
  releaseHeaders,
  requestParameters,
} from './dataset-documents.ts';
import { verifyBodySchema } from '../../exchange/verify.ts';

/** A verification answers also where there is no such record, and the number of tries is limited. */
const verifyCodes: ErrorCode[] = [...enteredCodes.filter((code) => code !== 'record-absent'), 'guess-limit'];

const { 'Exchange-Masked': _masked, ...verifyHeaders } = releaseHeaders;

const verdictSchema = { type: 'string', enum: ['match', 'mismatch', 'unknown'] };

/** `POST /v1/{dataset}/verify` as its document tells it. */
export function verifyOperation(dataset: Dataset): OperationObject {
  const { id, fields } = exampleRequest(dataset);
  const all = [...dataset.fields.values()];
  const { properties, ...rest } = verifyBodySchema;
  const { propertyNames: _, additionalProperties: _any, ...bounds } = properties.claims;
  const claims = {
    ...bounds,
    additionalProperties: false,
    properties: Object.fromEntries(all.map((field) => [field.name, claimSchemaOf(field)])),
    description: 'What is claimed of each field: that it equals a value, or what operators say.',
  };
  const field = fields.find((name) => name !== dataset.key)!;
  const example = { id, claims: { [field]: dataset.fields.get(field)!.schema.examples[0] } };
  return {
    operationId: `verify${pascal(dataset.name)}`,
    summary: `Verify claims about a record of ${dataset.title.en} (${dataset.title.zh})`,
    description:
      'Tells of each claim whether it holds, never a value. A grant may allow this for fields that it does not allow ' +
      'to be read. Texts are compared after Unicode normalisation (NFKC). A department has five attempts a day for ' +
      'each subject. Of a subject that is not there every claim is unknown.',
    tags: ['Data requests'],
    parameters: requestParameters,
    requestBody: {
      required: true,
      content: json({ ...rest, properties: { id: keySchema(dataset), claims } }, example),
    },
    responses: {
      200: {
        description: 'What each claim came to. The answer is equally long whatever it says.',
        headers: verifyHeaders,
        content: json(
          {
            type: 'object',
            additionalProperties: false,
            required: ['id', 'results'],
            properties: {
              id: keySchema(dataset),
              results: {
                type: 'object',
                additionalProperties: false,
                properties: Object.fromEntries(all.map(({ name }) => [name, verdictSchema])),
              },
            },
          },
          { id, results: { [field]: 'match' } },
        ),
      },
      ...refusals(verifyCodes, 'payload-too-large', 'media-type-unsupported'),
    },
  };
}

/** What may be claimed of a field: a value such as it has, or what one of its operators says, or several. */
function claimSchemaOf(field: Field): object {
  const { type, format } = field.schema;
  const value = { type, ...(format === 'date' && { format }), ...(type === 'string' && { maxLength: 1024 }) };
  const operators = listClaimOperators(field).map((operator) => {
    const schema = claimOperatorSchemas[operator];
    const operand = 'items' in schema ? { ...schema, items: value } : schema;
    return { type: 'object', required: [operator], properties: { [operator]: operand } };
  });
  return { anyOf: [value, ...operators], unevaluatedProperties: false };
}
