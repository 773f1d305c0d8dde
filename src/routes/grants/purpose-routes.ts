import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { answer } from '../answer.ts';
import { findOfficial } from '../look.ts';
import { checkSaid } from '../../catalogue/recorded-text.ts';
import { ProblemError, rethrowAsStoreUnavailable } from '../../base/errors.ts';
import { type Text } from '../../base/error-table.ts';
import { requireLiveClient, requireScope } from '../../identity/access-token.ts';
import { listQueryProperties, readPage, type ListQuery } from '../list-page.ts';
import { routeSchema } from '../../http/openapi.ts';
import { carryOutRequest, sendDone, type GoverningOptions } from './govern.ts';
import { addOperation, listOperation, purposeBodySchema } from './purpose-documents.ts';
import { findPurposes, registration, type PurposeSummary } from '../../grants/purposes.ts';

interface PurposeBody {
  code: string;
  title: Text;
  legal_basis: string;
  requires?: string[];
  confidential_days?: number;
}

/** The routes by which every client sees what data may be asked for, and administrators add to it. */
export function registerPurposeRoutes(scope: FastifyInstance, options: GoverningOptions): void {
  const { registry, authority, secrets, tokens, admit, now } = options;

  function onRequest(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
    admit(request, reply);
    done();
  }

  scope.get<{ Querystring: ListQuery }>(
    '/v1/purposes',
    {
      onRequest,
      schema: routeSchema(listOperation, {
        querystring: { type: 'object', additionalProperties: false, properties: listQueryProperties },
      }),
    },
    async (request, reply) => {
      const token = tokens.verify(request.headers.authorization);
      requireLiveClient(authority.current(), token);
      const page = readPage(request.query, { secrets, now }, { client: token.clientId, list: 'purposes' });
      const { purposes, next } = await findPurposes(registry, page).catch(rethrowAsStoreUnavailable);
      return answer(reply, { items: purposes, next: page.next(next) });
    },
  );

  scope.post<{ Body: PurposeBody }>(
    '/v1/purposes',
    {
      onRequest: (request, reply, done) => {
        requireScope(admit(request, reply), 'admin');
        done();
      },
      schema: routeSchema(addOperation, { body: purposeBodySchema }),
    },
    async (request, reply) => {
      const token = tokens.verify(request.headers.authorization);
      const { requires = [], confidential_days = 0, ...named } = request.body;
      checkSaid('#/code', named.code);
      checkSaid('#/title/zh', named.title.zh);
      checkSaid('#/title/en', named.title.en);
      checkSaid('#/legal_basis', named.legal_basis);
      const purpose = { ...named, requires, confidential_days };
      const by = { token, official: findOfficial(request) };
      const done = await carryOutRequest<PurposeSummary>(options, request, by, (current) => {
        if (current.purposes.has(purpose.code))
          throw new ProblemError('purpose-exists', { purpose: purpose.code });
        return registration(purpose);
      });
      return sendDone(reply.code(201), done, done.answer);
    },
  );
}
