import type { FastifyReply } from 'fastify';

/** Answers with a body that nobody may store, under the request's id. */
export function answer(reply: FastifyReply, body: object): FastifyReply {
  return reply.headers({ 'exchange-id': reply.request.id, 'cache-control': 'no-store' }).send(body);
}
