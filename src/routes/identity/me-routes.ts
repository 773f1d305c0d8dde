import type { FastifyInstance } from 'fastify';
import { rethrowAsStoreUnavailable } from '../../base/errors.ts';
import { routeSchema } from '../../http/openapi.ts';
import { listDepartments } from '../../identity/departments-and-clients.ts';
import { answer } from '../answer.ts';
import { admitting, liveToken, type RouteContext } from '../context.ts';
import { meOperation } from './me-documents.ts';

/** The route by which a client sees whom its token stands for. */
export function registerMeRoutes(scope: FastifyInstance, context: RouteContext): void {
  const { registry, authority } = context;

  scope.get(
    '/v1/me',
    { onRequest: admitting(context), schema: routeSchema(meOperation) },
    async (request, reply) => {
      const token = liveToken(context, request);
      const { roles } = authority.current().clients.get(token.clientId)!;
      const departments = await listDepartments(registry).catch(rethrowAsStoreUnavailable);
      return answer(reply, {
        client_id: token.clientId,
        department: departments.find(({ code }) => code === token.department),
        roles,
        scopes: token.scopes,
        expires_at: new Date(token.expiresAtMs).toISOString(),
      });
    },
  );
}
