import type { FastifyInstance } from 'fastify';
import fastifySwaggerUi from '@fastify/swagger-ui';
import { createGate } from '../http/gate.ts';
import { registerOpenApi } from '../http/openapi.ts';
import { registerProblems } from '../http/problem.ts';
import { createShedder } from '../http/shedder.ts';
import { registerTokens } from '../identity/access-token.ts';
import { createAdmission } from '../identity/admission.ts';
import { registerExchangeRoutes } from '../routes/exchange/routes.ts';
import { registerOperations } from '../routes/operations.ts';
import type { Gateway } from './gateway.ts';
import { clientLimiter } from './limiters.ts';
import { registerOwnRoutes } from './own-routes.ts';
import { collectRoutes, refuseOtherMethods, refuseUnknownRoutes, registerRequestRules } from './routing.ts';
import { newServer, registerAccessLog, registerCommonHeaders, type LogDestination } from './server.ts';
import { shedEarly } from './shed-early.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route is there to refuse its method for a reason of its own. */
    refused?: boolean;
  }
}

/** Exchanges of many subjects that are in work at a time: the answers of all of them are held in memory. */
const maxBulk = 8;
/** How many of them are worked on at once: enough to keep main thread and database busy. */
const maxBulkAtOnce = 3;

/**
 * Builds the gateway's HTTP side: every plugin and route, registered explicitly, in order.
 *
 * @param logTo where log lines go; stdout when absent
 */
export async function buildApp(gateway: Gateway, logTo?: LogDestination): Promise<FastifyInstance> {
  const { config, issuer, metrics, exchanges, served } = gateway;
  const { now } = exchanges;
  const app = newServer(gateway, logTo);
  const routes = collectRoutes(app);
  registerProblems(app, gateway);
  registerRequestRules(app, routes);
  registerCommonHeaders(app, gateway);
  if (['debug', 'trace'].includes(config.logLevel)) registerAccessLog(app);
  const tokens = await registerTokens(app, { key: gateway.keys.token, issuer, now });
  const admit = createAdmission(tokens, clientLimiter(config, now));
  refuseUnknownRoutes(app, admit);
  const shedder = createShedder();
  const gate = createGate(maxBulk, maxBulkAtOnce);

  const versions = [...new Set(served.map(({ dataset }) => dataset.version))].sort((a, b) => a - b);
  for (const version of versions)
    await app.register(async (scope) => {
      await registerOpenApi(scope, version);
      await scope.register((exchangeScope, _options, done) => {
        registerExchangeRoutes(exchangeScope, {
          context: exchanges,
          served: served.filter(({ dataset }) => dataset.version === version),
          admit,
          shedder,
          gate,
          metrics,
          personalIdsInUrls: config.personalIdsInUrls,
          sandbox: config.embedded,
        });
        done();
      });
      if (version === 1) {
        await registerOwnRoutes(scope, gateway, { tokens, admit });
        await registerDocsPage(scope, versions);
      }
      scope.get(`/openapi/v${version}.json`, (_request, reply) => reply.send(scope.swagger()));
    });

  shedEarly(app, shedder, gateway);
  refuseOtherMethods(app, routes);
  await app.ready();
  return app;
}

async function registerDocsPage(scope: FastifyInstance, versions: readonly number[]): Promise<void> {
  await scope.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    staticCSP: docsPolicy,
    theme: {
      title: 'OneVisit',
      css: [{ filename: 'onevisit.css', content: docsStyle }],
    },
    uiConfig: {
      docExpansion: 'list',
      defaultModelsExpandDepth: 0,
      supportedSubmitMethods: [],
      urls: versions.map((one) => ({ url: `/openapi/v${one}.json`, name: `v${one}` })),
    },
  });
}

/** Of the bar at its top, the page shows the choice of a version alone. */
const docsStyle = '.swagger-ui .topbar .link { display: none }';
/** What the documents' page may load: its own files, and nothing from elsewhere. */
const docsPolicy = {
  'default-src': ["'self'"],
  'script-src': ["'self'"],
  'object-src': ["'none'"],
  'img-src': ["'self'", 'data:'],
  'style-src': ["'self'", "'unsafe-inline'"],
  'frame-ancestors': ["'none'"],
};

/** The server for health and metrics on a port of their own. */
export async function buildOperationsApp(gateway: Gateway): Promise<FastifyInstance> {
  const app = newServer(gateway);
  const routes = collectRoutes(app);
  registerProblems(app, gateway);
  registerRequestRules(app, routes);
  registerCommonHeaders(app, gateway);
  registerOperations(app, gateway);
  refuseOtherMethods(app, routes);
  await app.ready();
  return app;
}
