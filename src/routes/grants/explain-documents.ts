import { errorTable } from '../../base/error-table.ts';
import { json, ref, type OperationObject } from '../../http/openapi.ts';
import { refusalsOf } from '../refusals.ts';
import { fieldsSchema } from '../../exchange/request.ts';
import { answerHeaders } from '../answer.ts';

const code = { type: 'string', pattern: '^[a-z][a-z0-9_-]{1,62}$' } as const;

/** The body of a question. */
export const explainBodySchema = {
  type: 'object',
  additionalProperties: false,
  required: ['dataset', 'purpose'],
  properties: {
    consumer: {
      ...code,
      description: "Who would ask; the token's department when absent. Others: administrators alone.",
    },
    dataset: { ...code, description: 'Of what.' },
    version: { type: 'integer', minimum: 1, maximum: 999, description: 'The newest when absent.' },
    purpose: { ...code, description: 'For which purpose.' },
    operation: {
      type: 'string',
      enum: ['read', 'batch', 'verify', 'search'],
      default: 'read',
      description: 'How it would ask.',
    },
    fields: { ...fieldsSchema, description: 'For which fields; all that is granted when absent.' },
  },
} as const;

const text = (description: string): object => ({ type: 'string', description });
const answerProperties = {
  consumer: text('Who would ask.'),
  dataset: text('Of what.'),
  version: { type: 'integer', minimum: 1 },
  purpose: text('For which purpose.'),
  operation: { type: 'string', enum: ['read', 'batch', 'verify', 'search'] },
  allowed: { type: 'boolean', description: 'Whether it would be answered, as far as grants decide.' },
  code: {
    type: ['string', 'null'],
    enum: [...Object.keys(errorTable), null],
    description: 'What would refuse it.',
  },
  rule: { anyOf: [ref('schemas', 'Text'), { type: 'null' }], description: 'The rule that refuses it.' },
  granted_by: text('The department that can grant it.'),
  fields: {
    type: 'array',
    description: 'The fields asked for, or all of the version.',
    items: {
      type: 'object',
      required: ['name', 'allowed', 'masked', 'grants'],
      additionalProperties: false,
      properties: {
        name: { type: 'string' },
        allowed: { type: 'boolean' },
        masked: { type: 'boolean', description: 'Whether it would be released masked.' },
        grants: {
          type: 'array',
          items: { type: 'string', format: 'uuid' },
          description: 'The grants that allow it.',
        },
      },
    },
  },
  requires: {
    type: 'array',
    items: { type: 'string', enum: ['case', 'official'] },
    description: 'What the request would have to name.',
  },
  grants: {
    type: 'array',
    description: 'The grants in force for the purpose.',
    items: {
      type: 'object',
      required: ['id', 'valid_until', 'daily_quota'],
      additionalProperties: false,
      properties: {
        id: { type: 'string', format: 'uuid' },
        valid_until: { type: 'string', format: 'date-time' },
        daily_quota: { type: ['integer', 'null'], description: 'Subjects a day; null when any number.' },
      },
    },
  },
};

export const explainOperation: OperationObject = {
  operationId: 'explainGrants',
  summary: 'What would be decided of a data request, and why',
  description:
    'Decides by grants alone: nothing is read, entered or counted. Every department may ask for itself, an ' +
    'administrator for others.',
  tags: ['Catalogue and grants'],
  parameters: [ref('parameters', 'AcceptLanguage')],
  requestBody: {
    required: true,
    content: json(explainBodySchema, {
      dataset: 'example',
      purpose: 'marriage-registration',
      fields: ['name', 'ethnicity'],
    }),
  },
  responses: {
    200: {
      description: 'The decision.',
      headers: answerHeaders,
      content: json(
        {
          type: 'object',
          required: Object.keys(answerProperties),
          additionalProperties: false,
          properties: answerProperties,
        },
        {
          consumer: 'civil-affairs',
          dataset: 'example',
          version: 2,
          purpose: 'marriage-registration',
          operation: 'read',
          allowed: false,
          code: 'field-not-granted',
          rule: {
            zh: '所请求的每个字段都必须获得该用途的授权',
            en: 'every field asked for must be granted for the purpose',
          },
          granted_by: 'public-security',
          fields: [
            {
              name: 'name',
              allowed: true,
              masked: false,
              grants: ['0e7a9f3e-2a0b-4c8e-9d53-6d0a3f1a8b11'],
            },
            { name: 'ethnicity', allowed: false, masked: false, grants: [] },
          ],
          requires: [],
          grants: [
            {
              id: '0e7a9f3e-2a0b-4c8e-9d53-6d0a3f1a8b11',
              valid_until: '2027-12-30T16:00:00.000Z',
              daily_quota: null,
            },
          ],
        },
      ),
    },
    ...refusalsOf({ body: true }, 'invalid-request', 'unknown-field', 'not-found'),
  },
};
