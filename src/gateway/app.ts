import type { FastifyInstance } from 'fastify';
import fastifySwaggerUi from '@fastify/swagger-ui';
import { registerEntryRoutes } from '../routes/audit/entry-routes.ts';
import { registerExportRoutes } from '../routes/audit/export-routes.ts';
import { createFilterReader } from '../routes/audit/filter-body.ts';
import { registerHintRoutes } from '../routes/audit/hint-routes.ts';
import { registerLogRoutes } from '../routes/audit/log-routes.ts';
import { registerOpenRoutes } from '../routes/audit/open-routes.ts';
import { registerReceiptRoutes } from '../routes/audit/receipt-routes.ts';
import { registerAuditRoutes } from '../routes/audit/search-routes.ts';
import { registerSummaryRoutes } from '../routes/audit/summary-routes.ts';
import { registerCatalogueRoutes } from '../routes/catalogue/routes.ts';
import { registerDisclosureRoutes } from '../routes/disclosures/routes.ts';
import { registerExplainRoutes } from '../routes/grants/explain-routes.ts';
import { registerExchangeRoutes } from '../routes/exchange/routes.ts';
import { createShedder } from '../http/shedder.ts';
import { createGate } from '../http/gate.ts';
import type { Gateway } from './gateway.ts';
import { createTurns } from '../routes/grants/govern.ts';
import { registerGrantActRoutes } from '../routes/grants/grant-act-routes.ts';
import { registerGrantRoutes } from '../routes/grants/grant-routes.ts';
import { registerPurposeRoutes } from '../routes/grants/purpose-routes.ts';
import { shedEarly } from './shed-early.ts';
import { registerTokens } from '../identity/access-token.ts';
import { createAdmission } from '../identity/admission.ts';
import { createRateLimiter, type RateLimiter } from '../identity/rate-limiter.ts';
import { registerMeRoutes } from '../routes/identity/me-routes.ts';
import { registerIdentityRoutes } from '../routes/identity/token-routes.ts';
import { registerOpenApi } from '../http/openapi.ts';
import { registerOperations } from '../routes/operations.ts';
import { registerProblemPages } from '../routes/problems/routes.ts';
import { collectRoutes, refuseOtherMethods, refuseUnknownRoutes, registerRequestRules } from './routing.ts';
import { registerProblems } from '../http/problem.ts';
import { newServer, registerAccessLog, registerCommonHeaders, type LogDestination } from './server.ts';

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
/** Summaries and hints at a time: each may look at very many entries, beside all other looks into the log. */
const maxLongLooks = 2;

/**
 * Builds the gateway's HTTP side: every plugin and route, registered explicitly, in order.
 *
 * @param logTo where log lines go; stdout when absent
 */
export async function buildApp(gateway: Gateway, logTo?: LogDestination): Promise<FastifyInstance> {
  const { config, issuer, catalogue, searches, metrics, exchanges, served, logKeys, cosigned } = gateway;
  const { authority, log, secrets, now } = exchanges;
  const app = newServer(gateway, logTo);
  const routes = collectRoutes(app);
  registerProblems(app, gateway);
  registerRequestRules(app, routes);
  registerCommonHeaders(app, gateway);
  if (['debug', 'trace'].includes(config.logLevel)) registerAccessLog(app);
  const tokens = await registerTokens(app, { key: gateway.keys.token, issuer, now });
  const nowMs = (): number => now().getTime();
  const admit = createAdmission(tokens, clientLimiter(config, nowMs));
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
        const { registry } = gateway;
        const calendar = exchanges.limits.calendar;
        const inTurn = createTurns();
        const governing = { registry, catalogue, authority, calendar, inTurn, secrets, tokens, admit, now };
        registerCatalogueRoutes(scope, governing);
        registerPurposeRoutes(scope, governing);
        registerGrantRoutes(scope, governing);
        registerGrantActRoutes(scope, governing);
        registerExplainRoutes(scope, governing);
        registerMeRoutes(scope, governing);
        const readFilter = createFilterReader(catalogue, secrets);
        const queries = { database: searches, readFilter, authority, log, secrets, tokens, admit, now };
        registerAuditRoutes(scope, queries);
        const long = { timeZone: config.timeZone, longLooks: createGate(maxLongLooks) };
        registerSummaryRoutes(scope, { ...queries, ...long });
        registerHintRoutes(scope, { ...queries, ...long });
        const proofs = { db: gateway.searchPool, cosigned, authority, log, secrets, tokens, admit, now };
        registerReceiptRoutes(scope, proofs);
        registerEntryRoutes(scope, proofs);
        const signer = { name: config.logOrigin, key: gateway.keys.log };
        registerExportRoutes(scope, { ...proofs, readFilter, database: searches, signer });
        registerOpenRoutes(scope, proofs);
        registerDisclosureRoutes(scope, {
          database: searches,
          catalogue,
          context: exchanges,
          tokens,
          admit,
          issuer,
          sandbox: config.embedded,
        });
        registerLogRoutes(scope, {
          db: gateway.searchPool,
          keys: logKeys,
          cosigned,
          admit,
          authority,
          log,
          tokens,
          now,
        });
        await scope.register((identityScope) =>
          registerIdentityRoutes(identityScope, {
            issuer,
            tokens,
            authority,
            limiter: addressLimiter(config, nowMs),
            refused: () => metrics.problemAnswered('rate-limited'),
          }),
        );
        registerProblemPages(scope);
        if (config.opsPort === null) registerOperations(scope, gateway);
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
      scope.get(`/openapi/v${version}.json`, (_request, reply) => reply.send(scope.swagger()));
    });

  shedEarly(app, shedder, gateway);
  refuseOtherMethods(app, routes);
  await app.ready();
  return app;
}

/** Of the bar at its top, the page shows the choice of a version alone. */
const docsStyle = '.swagger-ui .topbar .link { display: none }';
/** Two seconds' worth of requests at once; null where the settings say that there is no limit. */
function clientLimiter({ rateLimit }: Gateway['config'], nowMs: () => number): RateLimiter | null {
  if (rateLimit === 0) return null;
  return createRateLimiter({ name: 'client', perSecond: rateLimit, windowSeconds: 2, nowMs });
}

/** Tokens live ten minutes, so that even a whole office behind one address needs few of them. */
function addressLimiter({ tokenRateLimit }: Gateway['config'], nowMs: () => number): RateLimiter | null {
  if (tokenRateLimit === 0) return null;
  return createRateLimiter({ name: 'address', perSecond: tokenRateLimit, windowSeconds: 6, nowMs });
}

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
