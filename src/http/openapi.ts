import type { FastifyInstance, FastifySchema } from 'fastify';
import fastifySwagger from '@fastify/swagger';
import { ProblemError } from '../base/errors.ts';
import { errorTable, type ErrorCode } from '../base/error-table.ts';
import {
  headerComponents,
  parameterComponents,
  problemSchema,
  provenanceSchema,
  securitySchemes,
  textSchema,
} from './openapi-components.ts';
import { about, tags } from './openapi-info.ts';
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
    fields: code === 'unknown-field' ? 'phone' : 'salary',
    suggestion:
      code === 'unknown-field' ? { en: ' In version 2, phone is called mobile_phone.', zh: '' } : '',
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

/** One generation of the API: its document describes what a client of that generation uses. */
export interface Generation {
  number: number;
  /** What the function that gives the document is called on the app. */
  decorator: string;
  /** Whether a documented route belongs to the generation, by its URL. */
  includes: (url: string) => boolean;
}

/** Registers the writer of one generation's document. It sees the routes that are registered after it. */
export async function registerOpenApi(app: FastifyInstance, generation: Generation): Promise<void> {
  await app.register(fastifySwagger, {
    decorator: generation.decorator as 'swagger',
    openapi: emptyDocument(generation.number) as never,
    hideUntagged: false,
    transform: ({ schema, url }) => ({
      schema: { ...schema, hide: !hasOperation(schema) || !generation.includes(url) } as FastifySchema,
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

function emptyDocument(generation: number): object {
  return {
    openapi: '3.1.1',
    info: { title: 'OneVisit', version: `${generation}.0.0`, ...about },
    servers: [{ url: '/', description: 'This gateway' }],
    security: [{ clientCredentials: [] }],
    tags,
    components: {
      securitySchemes,
      parameters: parameterComponents,
      headers: headerComponents,
      schemas: { Problem: problemSchema, Provenance: provenanceSchema, Text: textSchema },
    },
  };
}
