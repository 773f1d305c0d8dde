import { json, problems, ref, type OperationObject } from '../../http/openapi.ts';

const tokenError = (
  codes: string[],
  example: string,
  description = 'the client is unknown, or its secret is wrong',
): object =>
  json(
    {
      type: 'object',
      required: ['error'],
      properties: { error: { type: 'string', enum: codes }, error_description: { type: 'string' } },
    },
    { error: example, error_description: description },
  );

export const tokenOperation: OperationObject = {
  operationId: 'getToken',
  summary: 'Get an access token (OAuth 2.0 client credentials)',
  tags: ['Authentication'],
  security: [{ clientSecret: [] }],
  requestBody: {
    required: true,
    content: {
      'application/x-www-form-urlencoded': {
        schema: {
          type: 'object',
          required: ['grant_type'],
          properties: {
            grant_type: { type: 'string', const: 'client_credentials' },
            scope: {
              type: 'string',
              description: 'Scopes separated by spaces; all of the roles when absent.',
            },
          },
        },
        example: { grant_type: 'client_credentials', scope: 'exchange' },
      },
    },
  },
  responses: {
    200: {
      description: 'An access token (RFC 9068).',
      content: json(
        {
          type: 'object',
          required: ['access_token', 'token_type', 'expires_in', 'scope'],
          properties: {
            access_token: { type: 'string' },
            token_type: { type: 'string', const: 'Bearer' },
            expires_in: { type: 'integer', description: 'Seconds.' },
            scope: { type: 'string' },
          },
        },
        { access_token: 'eyJhbGciOiJFUzI1NiIs…', token_type: 'Bearer', expires_in: 600, scope: 'exchange' },
      ),
    },
    400: {
      description: 'The request is refused (RFC 6749, 5.2).',
      content: tokenError(['invalid_request', 'unsupported_grant_type', 'invalid_scope'], 'invalid_scope'),
    },
    401: {
      description: 'The client did not authenticate (RFC 6749, 5.2).',
      headers: { 'WWW-Authenticate': { description: 'Basic.', schema: { type: 'string' } } },
      content: tokenError(['invalid_client'], 'invalid_client'),
    },
    429: {
      description: 'Too many requests from this address, of IPv6 from its /64.',
      headers: { 'Retry-After': ref('headers', 'RetryAfter') },
      content: tokenError(
        ['temporarily_unavailable'],
        'temporarily_unavailable',
        'too many requests from this address',
      ),
    },
    ...problems(['headers-too-large', 'overloaded']),
  },
};

export const jwksOperation: OperationObject = {
  operationId: 'getKeys',
  summary: 'The public keys of access tokens (RFC 7517)',
  tags: ['Authentication'],
  security: [],
  responses: {
    200: {
      description: 'A JSON Web Key Set.',
      content: json(
        {
          type: 'object',
          required: ['keys'],
          properties: { keys: { type: 'array', items: { type: 'object', additionalProperties: true } } },
        },
        {
          keys: [
            {
              kty: 'EC',
              crv: 'P-256',
              x: '…',
              y: '…',
              kid: 'u5mMv7xU5Vh2q1f3Qw8bNg',
              use: 'sig',
              alg: 'ES256',
            },
          ],
        },
      ),
    },
    ...problems(['headers-too-large', 'overloaded']),
  },
};

export const metadataOperation: OperationObject = {
  operationId: 'getAuthorizationServerMetadata',
  summary: 'Authorization server metadata (RFC 8414)',
  tags: ['Authentication'],
  security: [],
  responses: {
    200: {
      description: 'The metadata.',
      content: json(
        {
          type: 'object',
          required: ['issuer', 'token_endpoint', 'jwks_uri'],
          properties: {
            issuer: { type: 'string', format: 'uri' },
            token_endpoint: { type: 'string', format: 'uri' },
            jwks_uri: { type: 'string', format: 'uri' },
          },
        },
        {
          issuer: 'https://gateway.example',
          token_endpoint: 'https://gateway.example/oauth/token',
          jwks_uri: 'https://gateway.example/.well-known/jwks.json',
        },
      ),
    },
    ...problems(['headers-too-large', 'overloaded']),
  },
};
