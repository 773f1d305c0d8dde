import { listParameters, pageSchema } from '../list-page.ts';
import { json, ref, type OperationObject } from '../../http/openapi.ts';
import { refusalsOf } from '../refusals.ts';
import { maxConfidentialDays } from '../../grants/purposes.ts';
import { demands } from '../../grants/terms.ts';
import { headers } from './grant-documents.ts';
import { answerHeaders } from '../answer.ts';

const title = { type: 'string', minLength: 1, maxLength: 500 } as const;

/** A purpose, as the API has it. */
export const purposeBodySchema = {
  type: 'object',
  additionalProperties: false,
  required: ['code', 'title', 'legal_basis'],
  properties: {
    code: { type: 'string', pattern: '^[a-z][a-z0-9-]{1,62}$', description: 'What requests name it by.' },
    title: {
      type: 'object',
      additionalProperties: false,
      required: ['zh', 'en'],
      properties: { zh: title, en: title },
    },
    legal_basis: { type: 'string', minLength: 1, maxLength: 500, description: 'The law, and its article.' },
    requires: {
      type: 'array',
      maxItems: 2,
      items: { type: 'string', enum: demands },
      description: 'What each data request for it must name.',
    },
    confidential_days: {
      type: 'integer',
      minimum: 0,
      maximum: maxConfidentialDays,
      default: 0,
      description: 'For how many days after an exchange its subjects are not told.',
    },
  },
} as const;

const purposeSchema = { ...purposeBodySchema, required: Object.keys(purposeBodySchema.properties) };

const example = {
  code: 'marriage-registration',
  title: { zh: '婚姻登记', en: 'Marriage registration' },
  legal_basis: '婚姻登记条例',
  requires: [],
  confidential_days: 0,
};

export const listOperation: OperationObject = {
  operationId: 'listPurposes',
  summary: 'The registered purposes',
  tags: ['Catalogue and grants'],
  parameters: [...listParameters, ref('parameters', 'AcceptLanguage')],
  responses: {
    200: {
      description: 'A page of purposes, by code.',
      headers: answerHeaders,
      content: json(pageSchema(purposeSchema), { items: [example], next: null }),
    },
    ...refusalsOf({ store: true }, 'invalid-request'),
  },
};

export const addOperation: OperationObject = {
  operationId: 'addPurpose',
  summary: 'Register a purpose',
  description:
    'For administrators. What is registered is never changed; registering it is an entry of kind `purpose`.',
  tags: ['Catalogue and grants'],
  parameters: [
    ref('parameters', 'IdempotencyKey'),
    ref('parameters', 'ExchangeOfficial'),
    ref('parameters', 'AcceptLanguage'),
    ref('parameters', 'Traceparent'),
  ],
  requestBody: { required: true, content: json(purposeBodySchema, example) },
  responses: {
    201: {
      description: 'It is registered.',
      headers: { ...headers, 'Exchange-Entry': ref('headers', 'ExchangeEntry') },
      content: json(purposeSchema, example),
    },
    ...refusalsOf(
      { scope: true, body: true, log: true },
      'invalid-request',
      'purpose-exists',
      'idempotency-key-reused',
    ),
  },
};
