import { listParameters, pageSchema } from '../list-page.ts';
import { json, ref, type OperationObject } from '../../http/openapi.ts';
import { refusalsOf } from '../refusals.ts';
import { demands } from '../../grants/terms.ts';

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
export const grantSchema = {
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

export const example = {
  id: '0e7a9f3e-2a0b-4c8e-9d53-6d0a3f1a8b11',
  consumer: 'civil-affairs',
  dataset: 'example',
  provider: 'public-security',
  fields: ['birth_date', 'name'],
  plain_fields: [],
  verify_fields: [],
  purposes: ['marriage-registration'],
  legal_basis: '婚姻登记条例',
  justification: { name: 'It is entered in the certificate', birth_date: 'The legal age is checked' },
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

export const headers = {
  'Exchange-Id': ref('headers', 'ExchangeId'),
  'Cache-Control': ref('headers', 'NoStore'),
};
export const language = ref('parameters', 'AcceptLanguage');
export const idParameter = {
  name: 'id',
  in: 'path',
  required: true,
  description: 'The id of a grant or an application.',
  schema: id,
  example: example.id,
};
export const tags = ['Catalogue and grants'];

export const listOperation: OperationObject = {
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
    ...refusalsOf({ scope: true, store: true }, 'invalid-request'),
  },
};

export const grantOperation: OperationObject = {
  operationId: 'getGrant',
  summary: 'A grant or an application',
  tags,
  parameters: [idParameter, language],
  responses: {
    200: { description: 'The grant.', headers, content: json(grantSchema, example) },
    ...refusalsOf({ scope: true, store: true }, 'not-found'),
  },
};

export const historyOperation: OperationObject = {
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
    ...refusalsOf({ scope: true, store: true }, 'invalid-request', 'not-found'),
  },
};
