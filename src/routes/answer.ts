import type { FastifyReply } from 'fastify';
import { ref } from '../http/openapi.ts';

/** Answers with a body that nobody may store, under the request's id. */
export function answer(reply: FastifyReply, body: object): FastifyReply {
  return reply.headers({ 'exchange-id': reply.request.id, 'cache-control': 'no-store' }).send(body);
}

/** The headers of such an answer, for documents. */
export const answerHeaders = {
  'Exchange-Id': ref('headers', 'ExchangeId'),
  'Cache-Control': ref('headers', 'NoStore'),
};
