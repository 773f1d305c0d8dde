import type { FastifyInstance } from 'fastify';
import type { Text } from '../../base/error-table.ts';
import { ProblemError, rethrowAsStoreUnavailable } from '../../base/errors.ts';
import { checkRecordedText } from '../../catalogue/recorded-text.ts';
import { findPurposes, purposeAct, type PurposeSummary } from '../../grants/purposes.ts';
import { routeSchema } from '../../http/openapi.ts';
import { registerAct } from '../act.ts';
import { answer } from '../answer.ts';
import { admitting, liveToken, type RouteContext } from '../context.ts';
import { listQuerySchema, readPage, type ListQuery } from '../list-page.ts';
import { addOperation, listOperation, purposeBodySchema } from './purpose-documents.ts';

interface PurposeBody {
  code: string;
  title: Text;
  legal_basis: string;
  requires?: string[];
  confidential_days?: number;
}

/** The routes by which every client sees what data may be asked for, and administrators add to it. */
export function registerPurposeRoutes(scope: FastifyInstance, context: RouteContext): void {
  scope.get<{ Querystring: ListQuery }>(
    '/v1/purposes',
    {
      onRequest: admitting(context),
      schema: routeSchema(listOperation, { querystring: listQuerySchema() }),
    },
    async (request, reply) => {
      const token = liveToken(context, request);
      const page = readPage(request.query, context, { client: token.clientId, list: 'purposes' });
      const { purposes, next } = await findPurposes(context.registry, page).catch(rethrowAsStoreUnavailable);
      return answer(reply, { items: purposes, next: page.next(next) });
    },
  );

  registerAct<{ Body: PurposeBody }, PurposeSummary>(scope, context, {
    url: '/v1/purposes',
    scopes: ['admin'],
    official: 'optional',
    schema: routeSchema(addOperation, { body: purposeBodySchema }),
    read({ body: { requires = [], confidential_days = 0, ...named } }) {
      checkRecordedText('#/code', named.code);
      checkRecordedText('#/title/zh', named.title.zh);
      checkRecordedText('#/title/en', named.title.en);
      checkRecordedText('#/legal_basis', named.legal_basis);
      return ({ purposes }) => {
        if (purposes.has(named.code)) throw new ProblemError('purpose-exists', { purpose: named.code });
        return purposeAct({ ...named, requires, confidential_days });
      };
    },
    answer(purpose, reply) {
      reply.code(201);
      return purpose;
    },
  });
}
