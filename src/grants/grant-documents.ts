import type { ErrorCode } from '../errors.ts';
import { listParameters, pageSchema } from '../list-page.ts';
import { admissionCodes, json, problems, ref, type Operation } from '../openapi.ts';
import { applicationBodySchema, renewalBodySchema, stepBodySchemas } from './grant-body-documents.ts';
import type { GrantStep } from './lifecycle.ts';
import { demands } from './terms.ts';

const statuses = ['applied', 'active', 'rejected', 'withdrawn', 'suspended', 'revoked'] as const;
export const grantStatuses = [...statuses, 'expired'] as const;

const id = { type: 'string', format: 'uuid' };
const time = { type: 'string', format: 'date-time' };
const names = { type: 'array', items: { type: 'string' } };
const nullable = (schema: { type: string }, description: string): object => ({
  ...schema,
  type: [schema.type, 'null'],
  description,
});

const grantProperties = {
  id,
  consumer: { type: 'string', description: 'Who may see.' },
  dataset: { type: 'string', description: 'Of what.' },
  provider: { type: 'string', description: 'Who decides.' },
  fields: { ...names, description: 'Which fields may be read, as the catalogue has them in `granted_as`.' },
  plain_fields: { ...names, description: 'Which of them are not masked.' },
  verify_fields: { ...names, description: 'Which fields may be verified and not read.' },
  purposes: { ...names, description: 'For which purposes.' },
  legal_basis: nullable({ type: 'string' }, 'The law that allows it; null where an administrator made it.'),
  justification: {
    ...nullable({ type: 'object' }, 'Why each field is needed; null where an administrator made it.'),
    additionalProperties: { type: 'string' },
  },
  expected_volume: nullable({ type: 'integer' }, 'Subjects a day that the consumer reckons with.'),
  status: {
    type: 'string',
    enum: grantStatuses,
    description: 'What it is now; `expired` when its time is over, decided or not.',
  },
  valid_from: nullable(time, 'Since when; null until it is approved.'),
  valid_until: { ...time, description: 'Until when, exclusive.' },
  requires: { type: 'array', items: { type: 'string', enum: demands } },
  daily_quota: nullable({ type: 'integer' }, 'Subjects a day that may be asked for; null when any number.'),
  due: nullable(time, 'By when the provider decides; after that an administrator may.'),
  renews: nullable(id, 'The grant that it continues.'),
  decided_by: nullable({ type: 'string' }, 'The client that decided last.'),
  reason: nullable({ type: 'string' }, 'The reason given with the last step.'),
};
const grantSchema = {
  type: 'object',
  required: Object.keys(grantProperties),
  additionalProperties: false,
  properties: grantProperties,
};
const actSchema = {
  type: 'object',
  required: ['entry', 'id', 'time', 'act', 'department', 'client', 'official', 'status', 'details'],
  additionalProperties: false,
  properties: {
    entry: { type: 'integer', minimum: 0, description: 'Where its entry stands in the audit log.' },
    id: { ...id, description: "The entry's id." },
    time,
    act: {
      type: 'string',
      description: '`apply`, `approve` and so on; `add` where an administrator made it.',
    },
    department: { type: ['string', 'null'], description: 'Who acted; null at the command line.' },
    client: { type: 'string' },
    official: { type: ['string', 'null'] },
    status: { type: 'string', enum: statuses, description: 'What the grant was from then on.' },
    details: { type: 'object', additionalProperties: true, description: 'The terms, as the entry has them.' },
  },
};

const application = {
  dataset: 'example',
  fields: ['name', 'birth_date'],
  purposes: ['marriage-registration'],
  legal_basis: '婚姻登记条例',
  justification: { name: 'It is entered in the certificate', birth_date: 'The legal age is checked' },
  expected_volume: 400,
  valid_until: '2027-12-31',
};
const example = {
  id: '0e7a9f3e-2a0b-4c8e-9d53-6d0a3f1a8b11',
  consumer: 'civil-affairs',
  dataset: 'example',
  provider: 'public-security',
  fields: ['birth_date', 'name'],
  plain_fields: [],
  verify_fields: [],
  purposes: ['marriage-registration'],
  legal_basis: '婚姻登记条例',
  justification: application.justification,
  expected_volume: 400,
  status: 'applied',
  valid_from: null,
  valid_until: '2027-12-30T16:00:00.000Z',
  requires: [],
  daily_quota: null,
  due: '2026-12-10T16:00:00.000Z',
  renews: null,
  decided_by: null,
  reason: null,
};

const headers = { 'Exchange-Id': ref('headers', 'ExchangeId'), 'Cache-Control': ref('headers', 'NoStore') };
const doneHeaders = { ...headers, 'Exchange-Entry': ref('headers', 'ExchangeEntry') };
const language = ref('parameters', 'AcceptLanguage');
const idParameter = {
  name: 'id',
  in: 'path',
  required: true,
  description: 'The id of a grant or an application.',
  schema: id,
  example: example.id,
};
const actParameters = [
  ref('parameters', 'IdempotencyKey'),
  ref('parameters', 'ActingOfficial'),
  language,
  ref('parameters', 'Traceparent'),
];
const refusals: ErrorCode[] = ['scope-missing', 'store-unavailable', ...admissionCodes];
const actRefusals: ErrorCode[] = [
  'invalid-request',
  'official-required',
  'idempotency-key-reused',
  'payload-too-large',
  'media-type-unsupported',
  'audit-unavailable',
  ...refusals,
];
const tags = ['Catalogue and grants'];

export const applyOperation: Operation = {
  operationId: 'applyForGrant',
  summary: 'Apply for a grant',
  description:
    "For consumers. The dataset's provider decides by `due`: one working day where the dataset is shared " +
    'unconditionally, ten where conditionally; after that an administrator may as well. Applying is an entry of kind `grant`.',
  tags,
  parameters: actParameters,
  requestBody: { required: true, content: json(applicationBodySchema, application) },
  responses: {
    201: {
      description: 'The application.',
      headers: { ...doneHeaders, Location: { description: 'Where it is.', schema: { type: 'string' } } },
      content: json(grantSchema, example),
    },
    ...problems(['unknown-field', ...actRefusals]),
  },
};

export const renewOperation: Operation = {
  operationId: 'renewGrant',
  summary: 'Apply for the continuation of a grant',
  description:
    'For the consumer: a new application for the same fields and purposes, which cites the old grant. That one stays ' +
    'as it is.',
  tags,
  parameters: [idParameter, ...actParameters],
  requestBody: { required: true, content: json(renewalBodySchema, { valid_until: '2028-12-31' }) },
  responses: {
    201: {
      description: 'The application.',
      headers: { ...doneHeaders, Location: { description: 'Where it is.', schema: { type: 'string' } } },
      content: json(grantSchema, { ...example, renews: '5b0c1b7e-6f0e-4a55-9a2e-3a1c1c7d1f02' }),
    },
    ...problems(['unknown-field', 'not-found', 'grant-state-conflict', 'step-not-yours', ...actRefusals]),
  },
};

export const listOperation: Operation = {
  operationId: 'listGrants',
  summary: 'Grants and applications, the newest first',
  description: 'Consumers see their own, providers those on their datasets, administrators and auditors all.',
  tags,
  parameters: [
    ...(['consumer', 'dataset'] as const).map((name) => ({
      name,
      in: 'query',
      required: false,
      description: `Only those of this ${name}.`,
      schema: { type: 'string', pattern: '^[a-z][a-z0-9_-]{1,62}$' },
      example: name === 'consumer' ? 'civil-affairs' : 'example',
    })),
    {
      name: 'status',
      in: 'query',
      required: false,
      description: 'Only those that are this now.',
      schema: { type: 'string', enum: grantStatuses },
      example: 'applied',
    },
    ...listParameters,
    language,
  ],
  responses: {
    200: {
      description: 'A page of them.',
      headers,
      content: json(pageSchema(grantSchema), { items: [example], next: null }),
    },
    ...problems(['invalid-request', ...refusals]),
  },
};

export const grantOperation: Operation = {
  operationId: 'getGrant',
  summary: 'A grant or an application',
  tags,
  parameters: [idParameter, language],
  responses: {
    200: { description: 'The grant.', headers, content: json(grantSchema, example) },
    ...problems(['not-found', ...refusals]),
  },
};

export const historyOperation: Operation = {
  operationId: 'getGrantHistory',
  summary: 'What was done to a grant, and by whom',
  tags,
  parameters: [idParameter, ...listParameters, language],
  responses: {
    200: {
      description: 'A page of acts, the oldest first.',
      headers,
      content: json(pageSchema(actSchema), {
        items: [
          {
            entry: 57,
            id: '5f0c3a52-6d1e-4b8e-9a5f-3f6f0a5c2b11',
            time: '2026-11-26T08:00:00.000Z',
            act: 'apply',
            department: 'civil-affairs',
            client: 'civil-affairs-2b7f',
            official: 'clerk-17',
            status: 'applied',
            details: { consumer: 'civil-affairs', status: 'applied' },
          },
        ],
        next: null,
      }),
    },
    ...problems(['invalid-request', 'not-found', ...refusals]),
  },
};

const stepTexts: Readonly<Record<GrantStep, [summary: string, description: string, example: object]>> = {
  approve: [
    'Approve an application',
    "For the dataset's provider, or an administrator once it is overdue: as it is, or with fewer fields, an earlier end, " +
      'a daily quota and demands. Nobody decides an application of their own department.',
    { fields: ['name'], plain_fields: ['name'], daily_quota: 500, requires: ['case'] },
  ],
  reject: [
    'Reject an application',
    "For the dataset's provider, or an administrator once it is overdue.",
    { reason: 'The law that is named does not ask for these fields' },
  ],
  suspend: [
    'Suspend a grant',
    "For the dataset's provider: from the entry on nothing is released by it.",
    { reason: 'Many requests without a case' },
  ],
  resume: ['Let a suspended grant work again', "For the dataset's provider.", {}],
  revoke: [
    'Revoke a grant for ever',
    "For the dataset's provider or an administrator: from the entry on nothing is released by it.",
    { reason: 'The matter was handed to another department' },
  ],
  withdraw: ['Withdraw an application, or give a grant up', 'For the consumer.', {}],
};

/** The operation of a step. */
export function stepOperation(step: GrantStep): Operation {
  const [summary, description, body] = stepTexts[step];
  const schema = stepBodySchemas[step];
  return {
    operationId: `${step}Grant`,
    summary,
    description: `${description} The act is an entry of kind \`grant\`.`,
    tags,
    parameters: [idParameter, ...actParameters],
    requestBody: { required: 'required' in schema, content: json(schema, body) },
    responses: {
      200: {
        description: 'The grant as it is now.',
        headers: doneHeaders,
        content: json(grantSchema, example),
      },
      ...problems([
        ...(step === 'approve' ? (['unknown-field'] as const) : []),
        'not-found',
        'grant-state-conflict',
        'step-not-yours',
        ...actRefusals,
      ]),
    },
  };
}
