import type { FastifyInstance, FastifyReply } from 'fastify';
import { ProblemError } from '../../base/errors.ts';
import { errorTable, type ErrorCode } from '../../base/error-table.ts';
import { routeSchema } from '../../http/openapi.ts';
import { indexOperation, pageOperation } from './documents.ts';
import { readGuides } from './guides.ts';
import { problemIndex, problemPage } from './pages.ts';
import { contentSecurityPolicy } from './style.ts';

/** The pages that the `type` of every problem leads to, and the index of them. They need no token. */
export function registerProblemPages(scope: FastifyInstance): void {
  const index = problemIndex();
  const guides = readGuides();
  const pages = new Map<string, string>(
    (Object.keys(errorTable) as ErrorCode[]).map((code) => [code, problemPage(code, guides[code])]),
  );

  scope.get('/problems', { schema: routeSchema(indexOperation) }, (_request, reply) =>
    sendPage(reply, index),
  );

  scope.get<{ Params: { code: string } }>(
    '/problems/:code',
    { schema: routeSchema(pageOperation) },
    ({ params }, reply) => {
      const page = pages.get(params.code);
      if (page === undefined) throw new ProblemError('not-found');
      return sendPage(reply, page);
    },
  );
}

function sendPage(reply: FastifyReply, page: string): FastifyReply {
  return reply
    .headers({
      'cache-control': 'public, max-age=3600',
      'content-language': 'zh, en',
      'content-security-policy': contentSecurityPolicy,
    })
    .type('text/html; charset=utf-8')
    .send(page);
}
