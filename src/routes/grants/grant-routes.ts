import type { FastifyInstance } from 'fastify';
import { rethrowAsStoreUnavailable } from '../../base/errors.ts';
import { findGrants, getGrant, listActs, seenBy, type GrantStatus } from '../../grants/find-grants.ts';
import { routeSchema } from '../../http/openapi.ts';
import { answer } from '../answer.ts';
import { admitting, liveToken, type RouteContext } from '../context.ts';
import { listQuerySchema, readPage, type ListQuery } from '../list-page.ts';
import { grantOperation, grantStatuses, historyOperation, listOperation } from './grant-documents.ts';

type GrantQuery = ListQuery & { consumer?: string; dataset?: string; status?: GrantStatus };

interface WithId {
  Params: { id: string };
}

const codeSchema = { type: 'string', pattern: '^[a-z][a-z0-9_-]{1,62}$' };
const grantsQuerySchema = listQuerySchema({
  consumer: codeSchema,
  dataset: codeSchema,
  status: { type: 'string', enum: grantStatuses },
});

/** The routes by which departments see grants, and what was done to them. What is others' is not there. */
export function registerGrantRoutes(scope: FastifyInstance, context: RouteContext): void {
  const { registry, now } = context;
  const onRequest = admitting(context, ['exchange', 'provide', 'admin', 'audit']);

  scope.get<{ Querystring: GrantQuery }>(
    '/v1/grants',
    { onRequest, schema: routeSchema(listOperation, { querystring: grantsQuerySchema }) },
    async (request, reply) => {
      const token = liveToken(context, request);
      const { limit: _limit, after: _after, ...filter } = request.query;
      const page = readPage(request.query, context, { client: token.clientId, list: 'grants', filter });
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
      answer(reply, await getGrant(registry, request.params.id, liveToken(context, request), now())),
  );

  scope.get<WithId & { Querystring: ListQuery }>(
    '/v1/grants/:id/history',
    { onRequest, schema: routeSchema(historyOperation, { querystring: listQuerySchema() }) },
    async (request, reply) => {
      const token = liveToken(context, request);
      const { id } = await getGrant(registry, request.params.id, token, now());
      const page = readPage(request.query, context, { client: token.clientId, history: id });
      const { acts, next } = await listActs(registry, id, page).catch(rethrowAsStoreUnavailable);
      return answer(reply, { items: acts, next: page.next(next) });
    },
  );
}
