import type { FastifyInstance } from 'fastify';
import { answer } from '../answer.ts';
import type { Database } from '../../db/database.ts';
import { rethrowAsStoreUnavailable } from '../../base/errors.ts';
import { routeSchema } from '../../http/openapi.ts';
import { requireLiveClient, type Tokens } from '../../identity/access-token.ts';
import type { Admit } from '../../identity/admission.ts';
import type { Client } from '../../identity/clients.ts';
import { meOperation } from './me-documents.ts';
import { listDepartments } from '../../identity/departments-and-clients.ts';

export interface MeRoutesOptions {
  registry: Database;
  authority: { current(): { clients: ReadonlyMap<string, Client> } };
  tokens: Tokens;
  admit: Admit;
}

/** The route by which a client sees whom its token stands for. */
export function registerMeRoutes(scope: FastifyInstance, options: MeRoutesOptions): void {
  const { registry, authority, tokens, admit } = options;

  scope.get(
    '/v1/me',
    {
      onRequest: (request, reply, done) => {
        admit(request, reply);
        done();
      },
      schema: routeSchema(meOperation),
    },
    async (request, reply) => {
      const token = tokens.verify(request.headers.authorization);
      const { clients } = authority.current();
      requireLiveClient({ clients }, token);
      const departments = await listDepartments(registry).catch(rethrowAsStoreUnavailable);
      return answer(reply, {
        client_id: token.clientId,
        department: departments.find(({ code }) => code === token.department),
        roles: clients.get(token.clientId)!.roles,
        scopes: token.scopes,
        expires_at: new Date(token.expiresAtMs).toISOString(),
      });
    },
  );
}
