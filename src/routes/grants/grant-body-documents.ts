import { fieldNamePattern } from '../../exchange/request.ts';
import type { GrantStep } from '../../grants/grant-steps.ts';
import { demands } from '../../grants/terms.ts';

const maxFields = 200;
const maxTextLength = 500;

const fields = (description: string) => ({
  type: 'array',
  maxItems: maxFields,
  items: { type: 'string', pattern: fieldNamePattern },
  description,
});
const text = (description: string) => ({
  type: 'string',
  minLength: 1,
  maxLength: maxTextLength,
  description,
});
const perDay = (description: string) => ({
  type: 'integer',
  minimum: 1,
  maximum: 1_000_000_000,
  description,
});
const end = {
  type: 'string',
  maxLength: 40,
  pattern: '^\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,9})?(Z|[+-]\\d{2}:\\d{2}))?$',
  description:
    'When it ends, exclusive: a day (YYYY-MM-DD, begins where the gateway is), or a time (RFC 3339).',
};
const justification = {
  type: 'object',
  maxProperties: 2 * maxFields,
  propertyNames: { pattern: fieldNamePattern },
  additionalProperties: { type: 'string', minLength: 1, maxLength: maxTextLength },
  description: 'Why each field is needed, by its name.',
};
const demanded = {
  type: 'array',
  maxItems: 2,
  items: { type: 'string', enum: demands },
  description: 'What each data request must name besides.',
};
const reason = {
  type: 'string',
  minLength: 1,
  maxLength: 1000,
  description: 'Why. It goes into the audit log and stays there: name the matter, never a person or an id.',
};

/** What a consumer applies with. */
export const applicationBodySchema = {
  type: 'object',
  additionalProperties: false,
  required: [
    'dataset',
    'fields',
    'purposes',
    'legal_basis',
    'justification',
    'expected_volume',
    'valid_until',
  ],
  properties: {
    dataset: { type: 'string', pattern: '^[a-z][a-z0-9_-]{1,62}$', description: 'Of what.' },
    fields: fields('Which fields it would read, by the names of any version.'),
    verify_fields: fields('Which fields it would verify and not read.'),
    purposes: {
      type: 'array',
      maxItems: 50,
      items: { type: 'string', pattern: '^[a-z][a-z0-9-]{1,62}$' },
      description: 'For which registered purposes.',
    },
    legal_basis: text('The law that allows it, and its article.'),
    justification,
    expected_volume: perDay('How many subjects a day the consumer reckons with.'),
    valid_until: end,
  },
} as const;

/** What a consumer renews with. */
export const renewalBodySchema = {
  type: 'object',
  additionalProperties: false,
  required: ['valid_until'],
  properties: {
    valid_until: end,
    legal_basis: text('As in an application; that of the old grant when absent.'),
    justification: {
      ...justification,
      description: 'As in an application; that of the old grant when absent.',
    },
    expected_volume: perDay('As in an application; that of the old grant when absent.'),
  },
} as const;

const approvalBodySchema = {
  type: ['object', 'null'],
  additionalProperties: false,
  properties: {
    fields: fields('Fewer fields than were applied for; all of them when absent.'),
    verify_fields: fields('Which of the fields may be verified and not read; those applied for when absent.'),
    plain_fields: fields('Which of the fields are not masked.'),
    valid_until: { ...end, description: 'An earlier end.' },
    daily_quota: perDay('How many subjects may be asked for on a day.'),
    requires: demanded,
  },
} as const;
const reasonedBodySchema = {
  type: 'object',
  additionalProperties: false,
  required: ['reason'],
  properties: { reason },
} as const;
const freeBodySchema = {
  type: ['object', 'null'],
  additionalProperties: false,
  properties: { reason },
} as const;

/** The bodies of steps. */
export const stepBodySchemas: Readonly<Record<GrantStep, object>> = {
  approve: approvalBodySchema,
  reject: reasonedBodySchema,
  suspend: reasonedBodySchema,
  resume: freeBodySchema,
  revoke: reasonedBodySchema,
  withdraw: freeBodySchema,
};
