import type { FastifyInstance, FastifySchema } from 'fastify';
import fastifySwagger from '@fastify/swagger';
import { errorTable, Problem, type ErrorCode } from './errors.ts';
import { problemDocument } from './problem.ts';

/** An OpenAPI 3.1 operation, written out where its route is. */
export interface Operation {
  operationId: string;
  summary: string;
  description?: string;
  tags: string[];
  parameters?: object[];
  requestBody?: object;
  responses: Record<string, object>;
  security?: object[];
}

const extension = 'x-operation';

/** Puts an operation, and the schemas that Fastify validates by, into a route's schema. */
export function documented(operation: Operation, validated: FastifySchema = {}): FastifySchema {
  return { ...validated, [extension]: operation } as FastifySchema;
}

/** The reference to a component of the document. */
export function ref(kind: 'schemas' | 'parameters' | 'headers', name: string): { $ref: string } {
  return { $ref: `#/components/${kind}/${name}` };
}

/** A JSON body with its example. */
export function json(schema: object, example?: unknown): object {
  return { 'application/json': { schema, ...(example !== undefined && { example }) } };
}

const exampleInstance = '5f0c3a52-6d1e-4b8e-9a5f-3f6f0a5c2b11';
const exampleIssuer = 'https://gateway.example';

/** The responses of errors, grouped by status, with an example of each code. */
export function problems(
  codes: readonly ErrorCode[],
  headersOf: (code: ErrorCode) => Record<string, object> = () => ({}),
): Record<string, object> {
  const responses: Record<string, { description: string; headers: object; content: object }> = {};
  const byStatus = Map.groupBy(codes, (code) => errorTable[code].status);
  for (const [status, grouped] of byStatus) {
    const examples = grouped.map((code) => [
      code,
      { summary: errorTable[code].title.en, value: example(code) },
    ]);
    responses[status] = {
      description: grouped.map((code) => `\`${code}\`: ${errorTable[code].title.en}.`).join('\n'),
      headers: {
        'Exchange-Id': ref('headers', 'ExchangeId'),
        ...(status === 401 && { 'WWW-Authenticate': ref('headers', 'WwwAuthenticate') }),
        ...(status === 503 && { 'Retry-After': ref('headers', 'RetryAfter') }),
        ...(status === 405 && { Allow: ref('headers', 'Allow') }),
        ...Object.assign({}, ...grouped.map(headersOf)),
      },
      content: {
        'application/problem+json': {
          schema: ref('schemas', 'Problem'),
          examples: Object.fromEntries(examples),
        },
      },
    };
  }
  return responses;
}

function example(code: ErrorCode): object {
  const params = {
    reason: { en: 'the body is not JSON', zh: '请求体不是 JSON' },
    dataset: 'example',
    fields: 'salary',
    format: 'id',
    purpose: 'example-purpose',
    consumer: 'example-department',
    scope: 'exchange',
    allow: 'POST',
    version: 'v1',
    limit: '131072',
    expected: 'application/json',
  };
  const explain = errorTable[code].status === 403 && {
    explain: { rule: { en: 'every field asked for must be granted for the purpose', zh: '' } },
  };
  return problemDocument(new Problem(code, params, explain || {}), {
    issuer: exampleIssuer,
    language: 'en',
    instance: exampleInstance,
  });
}

/** Registers the writer of one version's document; every documented route of the same scope gets into it. */
export async function registerOpenApi(scope: FastifyInstance, version: number): Promise<void> {
  await scope.register(fastifySwagger, {
    openapi: document(version) as never,
    hideUntagged: false,
    transform: ({ schema, url }) => ({
      schema: { ...schema, hide: !hasOperation(schema) } as FastifySchema,
      url,
    }),
    transformObject(found) {
      const openapi = (found as { openapiObject: { paths: Record<string, Record<string, object>> } })
        .openapiObject;
      for (const methods of Object.values(openapi.paths))
        for (const [method, operation] of Object.entries(methods))
          methods[method] = (operation as { [extension]: Operation })[extension];
      return openapi as never;
    },
  });
}

function hasOperation(schema: FastifySchema | undefined): boolean {
  return schema !== undefined && extension in schema;
}

function document(version: number): object {
  return {
    openapi: '3.1.1',
    info: {
      title: 'OneVisit',
      version: `${version}.0.0`,
      summary: 'A data-sharing API gateway between government departments',
      description:
        "A department's system asks for a citizen's or an enterprise's record that another department keeps. " +
        'The gateway checks who asks and whether they may, writes the exchange to a tamper-evident audit log, ' +
        'and only then answers.\n\n' +
        'Get an access token from `POST /oauth/token` and name a registered purpose in every data request. ' +
        'Every error is a problem (RFC 9457): compare its `code`; `title` and `detail` follow `Accept-Language` ' +
        '(zh, en).',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'This gateway' }],
    security: [{ clientCredentials: [] }],
    tags: [
      {
        name: 'Data requests',
        description: 'Exchanges: each is an entry in the audit log before it is answered.',
      },
      { name: 'Audit', description: 'Who asked for what.' },
      { name: 'Authentication', description: 'Access tokens (OAuth 2.0 client credentials, RFC 9068).' },
      { name: 'Operations', description: 'Health and metrics.' },
    ],
    components: {
      securitySchemes: {
        clientCredentials: {
          type: 'oauth2',
          description: 'Client credentials; the token lives ten minutes at most.',
          flows: {
            clientCredentials: {
              tokenUrl: '/oauth/token',
              scopes: {
                exchange: 'Ask for data',
                provide: "See exchanges on the department's own datasets",
                audit: 'Query the whole audit log',
                disclose: 'Show citizens who saw their data',
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
      },
      parameters: parameterComponents,
      headers: headerComponents,
      schemas: { Problem: problemSchema },
    },
  };
}

const parameterComponents = {
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
    description: 'Number of the case being handled, percent-encoded UTF-8; where purpose or grant demand it.',
    schema: { type: 'string', maxLength: 1152 },
    example: 'HY-2026-000123',
  },
  ExchangeOfficial: {
    name: 'Exchange-Official',
    in: 'header',
    required: false,
    description: 'Id of the official for whom the client asks, percent-encoded UTF-8; where demanded.',
    schema: { type: 'string', maxLength: 576 },
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
const headerComponents = {
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
  Allow: { description: 'The methods that the address takes.', schema: { type: 'string' } },
  NoStore: { description: 'Always `no-store`.', schema: { type: 'string', const: 'no-store' } },
};

const problemSchema = {
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
