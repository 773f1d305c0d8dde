import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { ProblemError } from '../base/errors.ts';
import type { Shedder } from '../http/shedder.ts';
import { problemDocument, problemMediaType, retryAfter, type ProblemContext } from '../http/problem.ts';

/** Addresses of data requests by POST, as their routes have them. */
const dataRequest = /^\/v\d+\/[a-z][a-z0-9_]*\/(read|batch|verify|search)$/;

const instancePlace = 'instance-place';

/**
 * Refuses data requests that have no place before Fastify sees them and before their tokens are verified. Under three
 * times the load that it can carry, a gateway refuses twice as many as it answers: what a refusal costs decides what is
 * left for the others. Requests that are injected don't pass here; the routes refuse them by the same shedder.
 */
export function shedEarly(app: FastifyInstance, shedder: Shedder, context: ProblemContext): void {
  const { issuer, metrics, config } = context;
  const problem = new ProblemError('overloaded');
  const document = problemDocument(problem, { issuer, language: 'zh', instance: instancePlace });
  const [before, after] = JSON.stringify(document).split(instancePlace) as [string, string];
  const sizeBytes = String(Buffer.byteLength(before + after) + randomUUID().length);
  const fixed = Object.entries({
    'content-type': problemMediaType,
    'content-length': sizeBytes,
    'content-language': 'zh',
    vary: 'Accept-Language',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(config.embedded && { 'exchange-sandbox': 'true' }),
  }).flat();

  function refuse(response: ServerResponse): void {
    metrics.problemAnswered(problem.code);
    const id = randomUUID();
    const headers = fixed.concat('exchange-id', id, 'retry-after', retryAfter(problem.code));
    response.writeHead(problem.status, headers);
    response.end(before + id + after);
  }

  /**
   * Whether the prepared answer fits. Requests that ask for a language, and requests that are not plain HTTP, go on to
   * Fastify, which refuses them in that language or with the right error.
   */
  function isPlain({ method, url = '', headers }: IncomingMessage): boolean {
    return (
      method === 'POST' &&
      headers.authorization !== undefined &&
      headers['accept-language'] === undefined &&
      headers.expect === undefined &&
      dataRequest.test(url)
    );
  }

  const serve = app.server.listeners('request') as RequestListener[];
  app.server.removeAllListeners('request');
  app.server.on('request', (request, response) => {
    if (isPlain(request) && !shedder.hasPlace(request.socket)) refuse(response);
    else for (const listener of serve) listener.call(app.server, request, response);
  });
}
