import { errorTable } from '../base/error-table.ts';

/** Headers of requests. */
export const parameterComponents = {
  ExchangePurpose: {
    name: 'Exchange-Purpose',
    in: 'header',
    required: true,
    description: 'The code of a registered purpose.',
    schema: { type: 'string', maxLength: 63 },
    example: 'marriage-registration',
  },
  ExchangeCase: {
    name: 'Exchange-Case',
    in: 'header',
    required: false,
    description:
      'Number of the case being handled, percent-encoded UTF-8; where purpose or grant demand it. It goes on the record: ' +
      "never anybody's id.",
    schema: { type: 'string', maxLength: 1536 },
    example: 'HY-2026-000123',
  },
  ExchangeOfficial: {
    name: 'Exchange-Official',
    in: 'header',
    required: false,
    description: 'Id of the official for whom the client asks, percent-encoded UTF-8; where demanded.',
    schema: { type: 'string', maxLength: 768 },
    example: 'clerk-17',
  },
  Prefer: {
    name: 'Prefer',
    in: 'header',
    required: false,
    description:
      '`dry-run`, in the sandbox alone: answers the decision and the entry that the exchange would leave, as ' +
      '`application/vnd.onevisit.dry-run+json`; nothing is released, entered or counted. Elsewhere it is refused.',
    schema: { type: 'string' },
  },
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    description:
      'Names the act, a random UUID say: within 24 hours the same request under the same key is not carried out again, ' +
      'and is answered as it was.',
    schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' },
    example: '8e03978e-40d5-43e8-bc93-6894a57f9324',
  },
  ActingOfficial: {
    name: 'Exchange-Official',
    in: 'header',
    required: true,
    description: 'Id of the official who acts, percent-encoded UTF-8; it goes into the entry.',
    schema: { type: 'string', maxLength: 768 },
    example: 'clerk-17',
  },
  AcceptLanguage: {
    name: 'Accept-Language',
    in: 'header',
    required: false,
    description: "Language of a problem's `title` and `detail`: zh (default) or en.",
    schema: { type: 'string' },
    example: 'en',
  },
  Traceparent: {
    name: 'traceparent',
    in: 'header',
    required: false,
    description: 'W3C trace context; its trace id is kept in the entry.',
    schema: { type: 'string' },
    example: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  },
};

const base64Hash = { type: 'string', pattern: '^[A-Za-z0-9+/]{43}=$' };
/** Headers of answers. */
export const headerComponents = {
  ExchangeId: { description: 'Id of the exchange or request.', schema: { type: 'string', format: 'uuid' } },
  ExchangeEntry: {
    description: "Index of the exchange's entry in the audit log.",
    schema: { type: 'integer', minimum: 0 },
  },
  ExchangeLeaf: { description: "The entry's leaf hash (RFC 6962), base64.", schema: base64Hash },
  ExchangeSalt: {
    description: 'Salt of the commitment to the body, base64; opens it later.',
    schema: base64Hash,
  },
  ExchangeMasked: {
    description: 'Names of the fields that are masked, separated by comma and space; absent when none is.',
    schema: { type: 'string' },
  },
  WwwAuthenticate: { description: 'Challenge (RFC 6750, 3).', schema: { type: 'string' } },
  RetryAfter: { description: 'Seconds to wait before trying again.', schema: { type: 'integer' } },
  Deprecation: {
    description:
      'Since when, or from when on, the version is deprecated (RFC 9745): `@` and seconds since 1970.',
    schema: { type: 'string', pattern: '^@[0-9]+$' },
  },
  Sunset: {
    description: 'From when on the version is no longer served (RFC 8594).',
    schema: { type: 'string' },
  },
  Successor: {
    description: 'The version to use instead: `rel="successor-version"`.',
    schema: { type: 'string' },
  },
  RateLimitPolicy: {
    description:
      'How many requests (`q`) in how many seconds (`w`) the gateway takes (draft-ietf-httpapi-ratelimit-headers-11); ' +
      'absent where there is no limit.',
    schema: { type: 'string', pattern: '^"[a-z]+";q=\\d+;w=\\d+$' },
    example: '"client";q=2000;w=2',
  },
  RateLimit: {
    description: 'How many requests more (`r`) it takes now; more of them after `t` seconds.',
    schema: { type: 'string', pattern: '^"[a-z]+";r=\\d+;t=\\d+$' },
    example: '"client";r=1999;t=1',
  },
  NoStore: { description: 'Always `no-store`.', schema: { type: 'string', const: 'no-store' } },
};

/** An error as every route but the token endpoint answers it. */
export const problemSchema = {
  type: 'object',
  description: 'An error (RFC 9457).',
  required: ['type', 'title', 'status', 'detail', 'instance', 'code'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    detail: { type: 'string' },
    instance: {
      type: 'string',
      format: 'uri',
      description: '`urn:uuid:` and the id of the exchange or request.',
    },
    code: { type: 'string', enum: Object.keys(errorTable), description: 'What clients compare.' },
    errors: {
      type: 'array',
      description: 'The faults of a body.',
      items: {
        type: 'object',
        required: ['pointer', 'detail'],
        properties: { pointer: { type: 'string' }, detail: { type: 'string' } },
      },
    },
    explain: {
      type: 'object',
      description: 'On 403: the rule, the fields that are not granted, and the department that can grant.',
      required: ['rule'],
      properties: {
        rule: { type: 'string' },
        missing_fields: { type: 'array', items: { type: 'string' } },
        granted_by: { type: 'string' },
      },
    },
  },
};

/** A text in the gateway's two languages. */
export const textSchema = {
  type: 'object',
  required: ['zh', 'en'],
  additionalProperties: false,
  properties: { zh: { type: 'string' }, en: { type: 'string' } },
};

/** Where a field's value comes from. */
export const provenanceSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['source', 'as_of', 'level', 'masked'],
  properties: {
    source: { type: 'string', description: 'The department that answers for the value.' },
    as_of: {
      type: ['string', 'null'],
      format: 'date',
      description: 'The day as of which it attests the record; null where that is not known.',
    },
    level: { type: 'string', enum: ['L1', 'L2', 'L3', 'L4'], description: 'How sensitive the field is.' },
    masked: { type: 'boolean', description: 'Whether the value is masked here.' },
  },
};

/** How a client shows who it is: to data and own routes by its token, to the token endpoint by its secret. */
export const securitySchemes = {
  clientCredentials: {
    type: 'oauth2',
    description: 'Client credentials; the token lives ten minutes at most.',
    flows: {
      clientCredentials: {
        tokenUrl: '/oauth/token',
        scopes: {
          exchange: 'Ask for data',
          provide: "Decide who may see the department's own datasets, and see who did",
          audit: 'Query the whole audit log',
          disclose: 'Show subjects who saw their data',
          admin: 'Administer the gateway',
        },
      },
    },
  },
  clientSecret: {
    type: 'http',
    scheme: 'basic',
    description: 'client_id and client_secret (RFC 6749, 2.3.1)',
  },
};
