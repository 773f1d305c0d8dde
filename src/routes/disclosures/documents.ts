import { json, ref, type OperationObject } from '../../http/openapi.ts';
import { refusalsOf } from '../refusals.ts';
import { answerHeaders } from '../answer.ts';
import { pageSchema } from '../list-page.ts';

export const maxAssertionLength = 4096;

/** The body by which a portal asks for a subject's disclosures. */
export const disclosuresBodySchema = {
  type: 'object',
  additionalProperties: false,
  required: ['dataset', 'id'],
  properties: {
    dataset: {
      type: 'string',
      pattern: '^[a-z][a-z0-9_-]{1,62}$',
      description: 'The dataset whose subject asks.',
    },
    id: { type: 'string', minLength: 1, maxLength: 64, description: "The subject's id." },
    assertion: {
      type: 'string',
      minLength: 1,
      maxLength: maxAssertionLength,
      description:
        "The subject's own login assertion: a JWT of a registered identity provider. Required but in the sandbox.",
    },
    after: { type: ['string', 'null'], maxLength: 200, description: 'The `next` of the page before.' },
    limit: { type: 'integer', minimum: 1, maximum: 100, default: 50 },
  },
} as const;

const named = (description: string, nullable = false): object => ({
  type: nullable ? ['object', 'null'] : 'object',
  description,
  required: ['code', 'title'],
  additionalProperties: false,
  properties: { code: { type: 'string' }, title: ref('schemas', 'Text') },
});

const disclosureSchema = {
  type: 'object',
  required: ['id', 'time', 'department', 'dataset', 'operation', 'purpose', 'fields', 'outcome', 'refusal'],
  additionalProperties: false,
  properties: {
    id: { type: 'string', format: 'uuid', description: "The exchange's id, for questions about it." },
    time: { type: 'string', format: 'date-time' },
    department: named('Who asked.'),
    dataset: named(
      'What was asked for; another one than that of the subject where its record names the subject.',
    ),
    operation: { type: 'string', enum: ['read', 'batch', 'verify', 'search'] },
    purpose: named('For what; null where the request named no registered purpose.', true),
    fields: {
      type: 'array',
      items: named('A field.'),
      description: 'The fields released, verified or, in a refusal, asked for.',
    },
    outcome: {
      type: 'string',
      enum: ['released', 'absent', 'refused'],
      description: 'What the exchange came to as a whole.',
    },
    refusal: named('Why it was refused; null where it was not.', true),
  },
};

const example = {
  id: '5f0c3a52-6d1e-4b8e-9a5f-3f6f0a5c2b11',
  time: '2026-11-23T09:00:00.000Z',
  department: { code: 'civil-affairs', title: { zh: '民政厅', en: 'Civil Affairs' } },
  dataset: { code: 'example', title: { zh: '示例', en: 'Example' } },
  operation: 'read',
  purpose: { code: 'marriage-registration', title: { zh: '婚姻登记', en: 'Marriage registration' } },
  fields: [{ code: 'name', title: { zh: '姓名', en: 'Name' } }],
  outcome: 'released',
  refusal: null,
};

export const disclosuresOperation: OperationObject = {
  operationId: 'listDisclosures',
  summary: "Who asked for a subject's data, for the subject's own eyes, newest first",
  description:
    'Exchanges in which the subject was asked for, found or named, refusals and verifications among them; those of ' +
    "confidential purposes only after their days. The request carries the subject's own login assertion, which opens " +
    'one list: its first page uses it up, the others take it until it expires. Each look is an entry itself. A page ' +
    'may be short and still have `next`.',
  tags: ['Disclosures'],
  parameters: [
    {
      name: 'Exchange-Official',
      in: 'header',
      required: true,
      description: 'Id of the official, or of the self-service, that shows the list; percent-encoded UTF-8.',
      schema: { type: 'string', maxLength: 768 },
      example: 'self-service',
    },
    ref('parameters', 'AcceptLanguage'),
    ref('parameters', 'Traceparent'),
  ],
  requestBody: {
    required: true,
    content: json(disclosuresBodySchema, { dataset: 'example', id: '999901198804120024', limit: 20 }),
  },
  responses: {
    200: {
      description: 'The disclosures.',
      headers: answerHeaders,
      content: json(pageSchema(disclosureSchema), { items: [example], next: null }),
    },
    ...refusalsOf({ scope: true, body: true, official: true, log: true }, 'invalid-request', 'invalid-id'),
  },
};
