import type { KeyObject } from 'node:crypto';
import type { FastifyRequest, onRequestHookHandler } from 'fastify';
import type { LogKeys } from '../audit/log-keys.ts';
import type { Queryable } from '../audit/stored-log.ts';
import type { Calendar } from '../base/calendar.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { Database } from '../db/database.ts';
import type { ExchangeContext } from '../exchange/exchange.ts';
import type { AuthorityView } from '../grants/authority.ts';
import type { Gate } from '../http/gate.ts';
import { requireLiveClient, requireScope, tokenOf, type AccessToken } from '../identity/access-token.ts';
import type { Admit } from '../identity/admission.ts';
import type { InTurn } from './in-turn.ts';

/** What the gateway's own routes work with. */
export interface RouteContext extends Pick<ExchangeContext, 'log' | 'secrets' | 'sealer' | 'now'> {
  /** The gateway's public base URL. */
  issuer: string;
  /** Days and office hours are those of this time zone. */
  timeZone: string;
  /** The data are made up: what needs an identity provider elsewhere goes without one. */
  sandbox: boolean;
  admit: Admit;
  authority: AuthorityView;
  catalogue: Catalogue;
  calendar: Calendar;
  /** Where registers are read, and acts carried out. */
  registry: Database;
  /** Has acts done one after the other. */
  inTurn: InTurn;
  /** Where auditors' searches run. */
  searches: Database;
  /** The same connections, for statements of the log itself. */
  logDb: Queryable;
  /** Whose checkpoints are served. */
  logKeys: LogKeys;
  /** Adds the signatures of witnesses to a checkpoint's note. */
  cosigned: (note: string) => string;
  /** Signs the manifests of exports, as it does the log's checkpoints. */
  signer: { name: string; key: KeyObject };
}

/**
 * The hook that lets a request in before its body is read: by its token, by one of the scopes where there are any, and
 * by a place in the gate.
 */
export function admitting(
  { admit }: Pick<RouteContext, 'admit'>,
  scopes: readonly string[] = [],
  gate?: Gate,
): onRequestHookHandler {
  return (request, reply, done) => {
    const token = admit(request, reply);
    if (scopes.length > 0) requireScope(token, ...scopes);
    gate?.check();
    done();
  };
}

/** The token of a request that was let in. @throws ProblemError token-invalid when its client is none any more */
export function liveToken(
  { authority }: Pick<RouteContext, 'authority'>,
  request: FastifyRequest,
): AccessToken {
  const token = tokenOf(request);
  requireLiveClient(authority.current(), token);
  return token;
}
