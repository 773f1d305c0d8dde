import type { FastifyInstance } from 'fastify';
import { createGate } from '../http/gate.ts';
import type { Tokens } from '../identity/access-token.ts';
import type { Admit } from '../identity/admission.ts';
import { registerEntryRoutes } from '../routes/audit/entry-routes.ts';
import { registerExportRoutes } from '../routes/audit/export-routes.ts';
import { registerHintRoutes } from '../routes/audit/hint-routes.ts';
import { registerLogRoutes } from '../routes/audit/log-routes.ts';
import { registerOpenRoutes } from '../routes/audit/open-routes.ts';
import { registerReceiptRoutes } from '../routes/audit/receipt-routes.ts';
import { registerSearchRoutes } from '../routes/audit/search-routes.ts';
import { registerSummaryRoutes } from '../routes/audit/summary-routes.ts';
import { registerCatalogueRoutes } from '../routes/catalogue/routes.ts';
import type { RouteContext } from '../routes/context.ts';
import { registerDisclosureRoutes } from '../routes/disclosures/routes.ts';
import { registerExplainRoutes } from '../routes/grants/explain-routes.ts';
import { registerGrantActRoutes } from '../routes/grants/grant-act-routes.ts';
import { registerGrantRoutes } from '../routes/grants/grant-routes.ts';
import { registerPurposeRoutes } from '../routes/grants/purpose-routes.ts';
import { registerMeRoutes } from '../routes/identity/me-routes.ts';
import { registerIdentityRoutes } from '../routes/identity/token-routes.ts';
import { createTurns } from '../routes/in-turn.ts';
import { registerOperations } from '../routes/operations.ts';
import { registerProblemPages } from '../routes/problems/routes.ts';
import type { Gateway } from './gateway.ts';
import { addressLimiter } from './limiters.ts';

/** Summaries and hints at a time: each may look at very many entries, beside all other looks into the log. */
const maxLongLooks = 2;

/** Registers the gateway's own routes: all but the data requests of datasets. They have no generations. */
export async function registerOwnRoutes(
  scope: FastifyInstance,
  gateway: Gateway,
  { tokens, admit }: { tokens: Tokens; admit: Admit },
): Promise<void> {
  const { config, issuer, metrics } = gateway;
  const context = createRouteContext(gateway, admit);
  registerCatalogueRoutes(scope, context);
  registerPurposeRoutes(scope, context);
  registerGrantRoutes(scope, context);
  registerGrantActRoutes(scope, context);
  registerExplainRoutes(scope, context);
  registerMeRoutes(scope, context);
  const longLooks = createGate(maxLongLooks);
  registerSearchRoutes(scope, context);
  registerSummaryRoutes(scope, context, longLooks);
  registerHintRoutes(scope, context, longLooks);
  registerReceiptRoutes(scope, context);
  registerEntryRoutes(scope, context);
  registerExportRoutes(scope, context);
  registerOpenRoutes(scope, context);
  registerDisclosureRoutes(scope, context);
  registerLogRoutes(scope, context);
  await scope.register((identityScope) =>
    registerIdentityRoutes(identityScope, {
      issuer,
      tokens,
      authority: context.authority,
      limiter: addressLimiter(config, context.now),
      refused: () => metrics.problemAnswered('rate-limited'),
    }),
  );
  registerProblemPages(scope);
  if (config.opsPort === null) registerOperations(scope, gateway);
}

function createRouteContext(gateway: Gateway, admit: Admit): RouteContext {
  const { config, keys, issuer, catalogue, registry, searches, searchPool, exchanges } = gateway;
  const { authority, log, secrets, sealer, now, limits } = exchanges;
  return {
    issuer,
    timeZone: config.timeZone,
    sandbox: config.embedded,
    admit,
    authority,
    log,
    secrets,
    sealer,
    now,
    catalogue,
    calendar: limits.calendar,
    registry,
    inTurn: createTurns(),
    searches,
    logDb: searchPool,
    logKeys: gateway.logKeys,
    cosigned: gateway.cosigned,
    signer: { name: config.logOrigin, key: keys.log },
  };
}
