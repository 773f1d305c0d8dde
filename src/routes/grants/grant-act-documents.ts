import type { ErrorCode } from '../../base/error-table.ts';
import { json, ref, type OperationObject } from '../../http/openapi.ts';
import { refusalsOf } from '../refusals.ts';
import { applicationBodySchema, renewalBodySchema, stepBodySchemas } from './grant-body-documents.ts';
import { example, grantSchema, headers, idParameter, language, tags } from './grant-documents.ts';
import type { GrantStep } from '../../grants/grant-steps.ts';

const application = {
  dataset: 'example',
  fields: ['name', 'birth_date'],
  purposes: ['marriage-registration'],
  legal_basis: '婚姻登记条例',
  justification: example.justification,
  expected_volume: 400,
  valid_until: '2027-12-31',
};
const doneHeaders = { ...headers, 'Exchange-Entry': ref('headers', 'ExchangeEntry') };
const actParameters = [
  ref('parameters', 'IdempotencyKey'),
  ref('parameters', 'ActingOfficial'),
  language,
  ref('parameters', 'Traceparent'),
];
/** How an act on a grant is refused. */
function actRefusals(...own: ErrorCode[]): Record<string, object> {
  const traits = { scope: true, body: true, official: true, log: true };
  return refusalsOf(traits, 'invalid-request', 'idempotency-key-reused', ...own);
}

export const applyOperation: OperationObject = {
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
    ...actRefusals('unknown-field'),
  },
};

export const renewOperation: OperationObject = {
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
    ...actRefusals('unknown-field', 'not-found', 'grant-state-conflict', 'step-not-yours'),
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
export function stepOperation(step: GrantStep): OperationObject {
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
      ...actRefusals(
        ...(step === 'approve' ? (['unknown-field'] as const) : []),
        'not-found',
        'grant-state-conflict',
        'step-not-yours',
      ),
    },
  };
}
