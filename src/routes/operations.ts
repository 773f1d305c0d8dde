import type { FastifyInstance } from 'fastify';
import type { Metrics } from '../http/metrics.ts';
import { routeSchema, json, problems, type OperationObject } from '../http/openapi.ts';

/** Whether a gateway can serve: each check by name, with what is wrong, or "ok". */
export interface Readiness {
  ready: boolean;
  checks: Record<string, string>;
}

/** Health and metrics, on the main port or on one of their own. */
export function registerOperations(
  scope: FastifyInstance,
  options: { metrics: Metrics; readiness: () => Promise<Readiness> },
): void {
  scope.get('/livez', { schema: routeSchema(livezOperation) }, (_request, reply) =>
    reply.header('cache-control', 'no-store').send({ status: 'live' }),
  );

  scope.get('/readyz', { schema: routeSchema(readyzOperation) }, async (_request, reply) => {
    const { ready, checks } = await options.readiness();
    return reply
      .header('cache-control', 'no-store')
      .status(ready ? 200 : 503)
      .send({ status: ready ? 'ready' : 'unready', checks });
  });

  scope.get('/metrics', { schema: routeSchema(metricsOperation) }, async (_request, reply) =>
    reply
      .header('cache-control', 'no-store')
      .type(options.metrics.registry.contentType)
      .send(await options.metrics.registry.metrics()),
  );
}

const livezOperation: OperationObject = {
  operationId: 'getLiveness',
  summary: 'Whether the process lives',
  tags: ['Operations'],
  security: [],
  responses: {
    200: {
      description: 'It does.',
      content: json(
        { type: 'object', required: ['status'], properties: { status: { type: 'string', const: 'live' } } },
        { status: 'live' },
      ),
    },
    ...problems(['headers-too-large', 'overloaded']),
  },
};

const readinessSchema = {
  type: 'object',
  required: ['status', 'checks'],
  properties: {
    status: { type: 'string', enum: ['ready', 'unready'] },
    checks: { type: 'object', additionalProperties: { type: 'string' } },
  },
};

const readyzOperation: OperationObject = {
  operationId: 'getReadiness',
  summary: 'Whether the gateway can serve: database, migrations, audit lag, the audit log itself',
  tags: ['Operations'],
  security: [],
  responses: {
    200: {
      description: 'It can.',
      content: json(readinessSchema, {
        status: 'ready',
        checks: { process: 'ok', database: 'ok', migrations: 'ok', audit_lag: 'ok', audit_log: 'ok' },
      }),
    },
    503: {
      description: 'It cannot, or it is about to stop.',
      content: json(readinessSchema, {
        status: 'unready',
        checks: {
          process: 'ok',
          database: 'unreachable',
          migrations: 'unknown',
          audit_lag: 'unknown',
          audit_log: 'ok',
        },
      }),
    },
    ...problems(['headers-too-large', 'internal-error']),
  },
};

const metricsOperation: OperationObject = {
  operationId: 'getMetrics',
  summary: 'Metrics (Prometheus)',
  tags: ['Operations'],
  security: [],
  responses: {
    200: {
      description: 'The metrics.',
      content: {
        'text/plain': { schema: { type: 'string' }, example: '# HELP onevisit_exchanges_total …\n' },
      },
    },
    ...problems(['headers-too-large', 'overloaded']),
  },
};
