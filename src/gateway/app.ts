import type { FastifyInstance } from 'fastify';
import { createGate } from '../http/gate.ts';
import { registerProblems } from '../http/problem.ts';
import { createShedder } from '../http/shedder.ts';
import { registerTokens } from '../identity/access-token.ts';
import { createAdmission } from '../identity/admission.ts';
import { registerExchangeRoutes } from '../routes/exchange/routes.ts';
import { registerOperations } from '../routes/operations.ts';
import { registerDocuments } from './documents.ts';
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
  refuseUnknownRoutes(app, { admit, datasets: gateway.catalogue.datasets });
  const shedder = createShedder();
  const gate = createGate(maxBulk, maxBulkAtOnce);

  await registerDocuments(app, gateway.catalogue.datasets);
  await app.register((scope, _options, done) => {
    registerExchangeRoutes(scope, {
      context: exchanges,
      served,
      admit,
      shedder,
      gate,
      metrics,
      personalIdsInUrls: config.personalIdsInUrls,
      sandbox: config.embedded,
    });
    done();
  });
  await app.register((scope) => registerOwnRoutes(scope, gateway, { tokens, admit }));

  shedEarly(app, shedder, gateway);
  refuseOtherMethods(app, routes);
  await app.ready();
  return app;
}

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
