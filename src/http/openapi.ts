import type { FastifyInstance, FastifySchema } from 'fastify';
import fastifySwagger from '@fastify/swagger';
import { ProblemError } from '../base/errors.ts';
import { errorTable, type ErrorCode } from '../base/error-table.ts';
import {
  headerComponents,
  parameterComponents,
  problemSchema,
  provenanceSchema,
  textSchema,
} from './openapi-components.ts';
import { problemDocument } from './problem.ts';

/** An OpenAPI 3.1 operation, written out where its route is. */
export interface OperationObject {
  operationId: string;
  summary: string;
  description?: string;
  tags: string[];
  deprecated?: boolean;
  parameters?: object[];
  requestBody?: object;
  responses: Record<string, object>;
  security?: object[];
}

const extension = 'x-operation';

/** Puts an operation, and the schemas that Fastify validates by, into a route's schema. */
export function routeSchema(operation: OperationObject, validated: FastifySchema = {}): FastifySchema {
  return { ...validated, [extension]: withLimits(operation) } as FastifySchema;
}

/** Where requests are counted against a limit, every answer tells of it. */
function withLimits(operation: OperationObject): OperationObject {
  if (!('429' in operation.responses)) return operation;
  const limits = {
    'RateLimit-Policy': ref('headers', 'RateLimitPolicy'),
    RateLimit: ref('headers', 'RateLimit'),
  };
  const responses = Object.entries(operation.responses).map(([status, response]) => {
    const { headers } = response as { headers?: object };
    return [status, status === '401' ? response : { ...response, headers: { ...headers, ...limits } }];
  });
  return { ...operation, responses: Object.fromEntries(responses) as OperationObject['responses'] };
}

/** The reference to a component of the document. */
export function ref(kind: 'schemas' | 'parameters' | 'headers', name: string): { $ref: string } {
  return { $ref: `#/components/${kind}/${name}` };
}

/** A JSON body with its example. */
export function json(schema: object, example?: unknown): object {
  return { 'application/json': { schema, ...(example !== undefined && { example }) } };
}

/** What may refuse any request with a token. */
export const admissionCodes = [
  'token-missing',
  'token-invalid',
  'token-expired',
  'headers-too-large',
  'rate-limited',
  'overloaded',
] as const satisfies ErrorCode[];

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
    const shown = grouped.map((code) => [code, example(code)]);
    responses[status] = {
      description: grouped.map((code) => `\`${code}\`: ${errorTable[code].title.en}.`).join('\n'),
      headers: {
        'Exchange-Id': ref('headers', 'ExchangeId'),
        ...(status === 401 && { 'WWW-Authenticate': ref('headers', 'WwwAuthenticate') }),
        ...((status === 503 || status === 429) && { 'Retry-After': ref('headers', 'RetryAfter') }),
        ...Object.assign({}, ...grouped.map(headersOf)),
      },
      content: {
        'application/problem+json': {
          schema: ref('schemas', 'Problem'),
          examples: Object.fromEntries(shown),
        },
      },
    };
  }
  return responses;
}

/** One object for every route that shows it. */
const examples = new Map<ErrorCode, object>();

function example(code: ErrorCode): object {
  const known = examples.get(code) ?? makeExample(code);
  examples.set(code, known);
  return known;
}

function makeExample(code: ErrorCode): object {
  const params = {
    reason: { en: 'the body is not JSON', zh: '请求体不是 JSON' },
    dataset: 'example',
    fields: 'salary',
    format: 'id',
    purpose: 'example-purpose',
    status: 'revoked',
    department: 'example-department',
    rule: { en: 'only the consumer withdraws and renews', zh: '只有申请部门可以撤回和续期' },
    consumer: 'example-department',
    scope: 'exchange',
    allow: 'POST',
    version: 'v1',
    limit: code === 'payload-too-large' ? '131072' : code === 'guess-limit' ? '5' : '2000',
    quota: '1000',
    window: '2',
    expected: 'application/json',
    sunset: '2027-12-31',
    successor: '/v2/example',
  };
  const explain = errorTable[code].status === 403 && {
    explain: { rule: { en: 'every field asked for must be granted for the purpose', zh: '' } },
  };
  const value = problemDocument(new ProblemError(code, params, explain || {}), {
    issuer: exampleIssuer,
    language: 'en',
    instance: exampleInstance,
  });
  return { summary: errorTable[code].title.en, value };
}

/** Registers the writer of one version's document; every documented route of the same scope gets into it. */
export async function registerOpenApi(scope: FastifyInstance, version: number): Promise<void> {
  await scope.register(fastifySwagger, {
    openapi: document(version) as never,
    hideUntagged: false,
    transform: ({ schema, url }) => ({
      schema: { ...schema, hide: !hasOperation(schema) } as FastifySchema,
      url: url.replace(/\*$/, ':path'),
    }),
    transformObject(found) {
      const openapi = (found as { openapiObject: { paths: Record<string, Record<string, object>> } })
        .openapiObject;
      for (const methods of Object.values(openapi.paths))
        for (const [method, operation] of Object.entries(methods))
          methods[method] = (operation as { [extension]: OperationObject })[extension];
      return withoutUnused(openapi) as never;
    },
  });
}

/** Leaves out the components and tags that nothing in the document refers to. */
function withoutUnused<T extends object>(openapi: T): T {
  const { components, tags, ...rest } = openapi as {
    components: Record<string, Record<string, object>>;
    tags: { name: string }[];
  };
  const used = JSON.stringify(rest);
  const isUsed = (kind: string, name: string): boolean =>
    used.includes(kind === 'securitySchemes' ? `{"${name}":[` : `"#/components/${kind}/${name}"`);
  const kept = Object.entries(components).map(([kind, named]) => [
    kind,
    Object.fromEntries(Object.entries(named).filter(([name]) => isUsed(kind, name))),
  ]);
  const usedTags = tags.filter(({ name }) => used.includes(`"tags":["${name}"]`));
  return { ...openapi, tags: usedTags, components: Object.fromEntries(kept) };
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
        '(zh, en).\n\n' +
        'Complete examples for curl, TypeScript, Python and Java are in `docs/integrating.md` of the OneVisit repository.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'This gateway' }],
    security: [{ clientCredentials: [] }],
    tags: [
      {
        name: 'Data requests',
        description: 'Exchanges: each is an entry in the audit log before it is answered.',
      },
      {
        name: 'Catalogue and grants',
        description: 'What there is to ask for, and who may: each act is an entry in the audit log.',
      },
      { name: 'Audit', description: 'Who asked for what.' },
      { name: 'Disclosures', description: 'Who asked for my data: for the subjects themselves.' },
      { name: 'Log', description: 'The transparency log: its checkpoint, tiles and entries.' },
      { name: 'Authentication', description: 'Access tokens (OAuth 2.0 client credentials, RFC 9068).' },
      { name: 'Problems', description: 'What errors mean, as pages for people.' },
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
      },
      parameters: parameterComponents,
      headers: headerComponents,
      schemas: { Problem: problemSchema, Provenance: provenanceSchema, Text: textSchema },
    },
  };
}
