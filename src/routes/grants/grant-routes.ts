import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { answer } from '../answer.ts';
import { rethrowAsStoreUnavailable } from '../../base/errors.ts';
import { requireLiveClient, requireScope, type AccessToken } from '../../identity/access-token.ts';
import { listQueryProperties, readPage, type ListQuery } from '../list-page.ts';
import { routeSchema } from '../../http/openapi.ts';
import type { GoverningOptions } from './govern.ts';
import { grantOperation, grantStatuses, historyOperation, listOperation } from './grant-documents.ts';
import { findGrants, getGrant, listActs, seenBy, type GrantStatus } from '../../grants/find-grants.ts';

type GrantQuery = ListQuery & { consumer?: string; dataset?: string; status?: GrantStatus };

interface WithId {
  Params: { id: string };
}

const codeSchema = { type: 'string', pattern: '^[a-z][a-z0-9_-]{1,62}$' };

/** The routes by which departments see grants, and what was done to them. What is others' is not there. */
export function registerGrantRoutes(scope: FastifyInstance, options: GoverningOptions): void {
  const { registry, authority, secrets, tokens, admit, now } = options;

  function onRequest(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
    requireScope(admit(request, reply), 'exchange', 'provide', 'admin', 'audit');
    done();
  }

  function readToken(request: FastifyRequest): AccessToken {
    const token = tokens.verify(request.headers.authorization);
    requireLiveClient(authority.current(), token);
    return token;
  }

  scope.get<{ Querystring: GrantQuery }>(
    '/v1/grants',
    {
      onRequest,
      schema: routeSchema(listOperation, {
        querystring: {
          type: 'object',
          additionalProperties: false,
          properties: {
            ...listQueryProperties,
            consumer: codeSchema,
            dataset: codeSchema,
            status: { type: 'string', enum: grantStatuses },
          },
        },
      }),
    },
    async (request, reply) => {
      const token = readToken(request);
      const { limit: _limit, after: _after, ...filter } = request.query;
      const page = readPage(
        request.query,
        { secrets, now },
        { client: token.clientId, list: 'grants', filter },
      );
      const { grants, next } = await findGrants(registry, filter, seenBy(token), now(), page).catch(
        rethrowAsStoreUnavailable,
      );
      return answer(reply, { items: grants, next: page.next(next) });
    },
  );

  scope.get<WithId>(
    '/v1/grants/:id',
    { onRequest, schema: routeSchema(grantOperation) },
    async (request, reply) =>
      answer(reply, await getGrant(registry, request.params.id, readToken(request), now())),
  );

  scope.get<WithId & { Querystring: ListQuery }>(
    '/v1/grants/:id/history',
    {
      onRequest,
      schema: routeSchema(historyOperation, {
        querystring: { type: 'object', additionalProperties: false, properties: listQueryProperties },
      }),
    },
    async (request, reply) => {
      const token = readToken(request);
      const { id } = await getGrant(registry, request.params.id, token, now());
      const page = readPage(request.query, { secrets, now }, { client: token.clientId, history: id });
      const { acts, next } = await listActs(registry, id, page).catch(rethrowAsStoreUnavailable);
      return answer(reply, { items: acts, next: page.next(next) });
    },
  );
}
