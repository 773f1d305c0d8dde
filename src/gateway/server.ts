import { randomUUID } from 'node:crypto';
import Fastify, { LogController, type FastifyInstance } from 'fastify';
import { describeError } from '../base/describe-error.ts';
import { ProblemError } from '../base/errors.ts';
import type { Gateway } from './gateway.ts';
import { METHODS } from '../http/http-names.ts';
import { answerSocketFault, sendProblem } from '../http/problem.ts';

const bodyLimitBytes = 128 * 1024;
const maxParamLength = 100;
/** Logs hold no message of an error and nothing of a request: either may quote personal data. */
const logSerializers = {
  err: (error: Error) => ({ type: error.name, message: '', stack: '', ...describeError(error) }),
  req: () => ({}),
  res: () => ({}),
};

/** Where log lines go, as pino has it. */
export interface LogDestination {
  write(line: string): void;
}

/** A server without any route, that answers what is no HTTP as problems. @param logTo where log lines go; stdout when absent */
export function newServer(gateway: Gateway, logTo?: LogDestination): FastifyInstance {
  const { config } = gateway;
  const app = Fastify({
    bodyLimit: bodyLimitBytes,
    // What an exchange waits for, each connection to PostgreSQL and the appender bound by themselves.
    requestTimeout: 30_000,
    keepAliveTimeout: 72_000,
    // On draining, what still comes is served: the gateway's own answers are all problems.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    requestIdHeader: false,
    genReqId: () => randomUUID(),
    // The gateway's own lines name their request: a logger for each would cost more than most ever write.
    childLoggerFactory: (logger) => logger,
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength },
    trustProxy: config.trustedProxies.length > 0 ? config.trustedProxies : false,
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, strict: false } },
    logController: new LogController({ disableRequestLogging: true }),
    logger: {
      level: config.logLevel,
      serializers: logSerializers,
      ...(logTo !== undefined && { stream: logTo }),
    },
    clientErrorHandler: answerSocketFault(gateway),
    // Fastify answers these itself as problems; Node would close the connection without a word.
    http: { requireHostHeader: false, connectionsCheckingInterval: 5000 },
    frameworkErrors: (_error, request, reply) => {
      void sendProblem(new ProblemError('route-unknown'), request, reply, gateway);
    },
  });
  app.removeContentTypeParser('text/plain');
  // Methods that Fastify does not know by itself are refused like others, instead of hiding the address.
  for (const method of METHODS)
    if (!app.supportedMethods.includes(method) && method !== 'CONNECT')
      app.addHttpMethod(method, { hasBody: false });
  // Node would answer an odd Expect itself, and not as a problem.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));
  return app;
}

/** What every answer has. */
export function registerCommonHeaders(app: FastifyInstance, { config }: Gateway): void {
  app.addHook('onRequest', (_request, reply, done) => {
    reply.header('x-content-type-options', 'nosniff');
    if (config.embedded) reply.header('exchange-sandbox', 'true');
    done();
  });
}

/** Route templates only: never a URL, a query, a header or a body. */
export function registerAccessLog(app: FastifyInstance): void {
  app.addHook('onResponse', (request, reply, done) => {
    const { method, url } = request.routeOptions;
    request.log.debug(
      {
        reqId: request.id,
        method,
        route: url ?? 'unknown',
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
      },
      'answered',
    );
    done();
  });
}
