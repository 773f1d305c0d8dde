import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../errors.ts';
import type { AccessToken, Tokens } from '../identity/access-token.ts';
import type { Metrics } from '../metrics.ts';
import { documented } from '../openapi.ts';
import { getOperation, readOperation } from './documents.ts';
import { exchange, exchangeScopeMissing, type ExchangeContext, type ServedDataset } from './exchange.ts';
import { readGetRequest, readPostRequest, type DataRequest } from './request.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** What the verified token says; null before it is verified, and on routes that take none. */
    accessToken: AccessToken | null;
  }
}

export interface ExchangeRoutesOptions {
  context: ExchangeContext;
  served: ServedDataset[];
  tokens: Tokens;
  metrics: Metrics;
  personalIdsInUrls: boolean;
}

/** The routes by which consumers ask for data, made from the catalogue. Register them in a scope of their own. */
export function registerExchangeRoutes(scope: FastifyInstance, options: ExchangeRoutesOptions): void {
  const { context, tokens, metrics, personalIdsInUrls } = options;
  scope.decorateRequest('accessToken', null);

  // The body stays text until the exchange reads it, because a malformed one is refused on the record.
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) =>
    done(null, body),
  );

  /** Nobody's body is read before the token is verified. */
  function authenticate(request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void {
    try {
      request.accessToken = tokens.verify(request.headers.authorization);
      done();
    } catch (error) {
      done(error as Error);
    }
  }

  async function handle(
    served: ServedDataset,
    request: FastifyRequest,
    reply: FastifyReply,
    dataRequest: DataRequest,
  ): Promise<FastifyReply> {
    const { name, version } = served.dataset;
    const finish = metrics.exchangeStarted({ dataset: `v${version}/${name}`, operation: 'read' });
    try {
      const token = request.accessToken!;
      const incoming = { id: request.id, token, operation: 'read' as const, request: dataRequest };
      const answer = await exchange(context, served, incoming);
      reply.headers(answer.headers);
      finish(answer.outcome, 'problem' in answer ? answer.problem.code : 'ok');
      if ('problem' in answer) throw answer.problem;
      return reply
        .header('exchange-id', request.id)
        .header('cache-control', 'no-store')
        .type('application/json; charset=utf-8')
        .send(answer.body);
    } catch (error) {
      finish('failed', error instanceof Problem ? error.code : 'internal-error');
      throw error;
    }
  }

  for (const served of options.served) {
    const { dataset } = served;
    const path = `/v${dataset.version}/${dataset.name}`;
    scope.post(
      `${path}/read`,
      { onRequest: authenticate, schema: documented(readOperation(dataset)) },
      (request, reply) =>
        handle(served, request, reply, readPostRequest(request.headers, request.body as string | undefined)),
    );

    if (dataset.personal && !personalIdsInUrls)
      scope.get(`${path}/:id`, { config: { refused: true } }, () => {
        const params = { dataset: dataset.name, version: `v${dataset.version}` };
        throw new Problem('ids-not-in-urls', params, { headers: { allow: '' } });
      });
    else
      scope.get<{ Params: { id: string } }>(
        `${path}/:id`,
        { onRequest: authenticate, schema: documented(getOperation(dataset)) },
        (request, reply) =>
          handle(served, request, reply, readGetRequest(request.headers, request.params.id, request.query)),
      );
  }
}

/**
 * Refuses a request for an address that is not there; one that looks like a data request only after its token.
 *
 * @throws Problem always
 */
export function refuseUnknownRoute(request: FastifyRequest, tokens: Tokens): never {
  if (/^\/v\d+\/[^/]+\/read$/.test(request.url)) {
    const token = tokens.verify(request.headers.authorization);
    if (!token.scopes.includes('exchange')) throw exchangeScopeMissing();
  }
  throw new Problem('route-unknown');
}
