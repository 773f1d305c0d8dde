import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { Dataset } from '../../catalogue/catalogue.ts';
import { ProblemError } from '../../base/errors.ts';
import { requireScope, tokenOf } from '../../identity/access-token.ts';
import type { Admit } from '../../identity/admission.ts';
import type { Metrics } from '../../http/metrics.ts';
import { routeSchema, type OperationObject } from '../../http/openapi.ts';
import { batch } from '../../exchange/batch.ts';
import { batchOperation } from './batch-documents.ts';
import { getOperation, readOperation } from './documents.ts';
import { dryRunDocument, dryRunMediaType, dryRunRefused, prefersDryRun } from './dry-run.ts';
import { exchange, rehearse, type ExchangeContext } from '../../exchange/exchange.ts';
import { withRetirement } from './retirement-documents.ts';
import type { Gate } from '../../http/gate.ts';
import type { ExchangeOperation, ServedDataset } from '../../exchange/operation.ts';
import { read } from '../../exchange/read.ts';
import type { Shedder } from '../../http/shedder.ts';
import { readGetRequest, readPostRequest, type DataRequest } from '../../exchange/request.ts';
import { searchOperation } from './search-documents.ts';
import { isSearchable, search } from '../../exchange/search.ts';
import { verifyOperation } from './verify-documents.ts';
import { verify } from '../../exchange/verify.ts';

export interface ExchangeRoutesOptions {
  context: ExchangeContext;
  served: ServedDataset[];
  admit: Admit;
  metrics: Metrics;
  shedder: Shedder;
  gate: Gate;
  personalIdsInUrls: boolean;
  /** Made-up data alone: exchanges may be rehearsed. */
  sandbox: boolean;
}

/** The routes by which consumers ask for data, made from the catalogue. Register them in a scope of their own. */
export function registerExchangeRoutes(scope: FastifyInstance, options: ExchangeRoutesOptions): void {
  const { context, admit, metrics, shedder, gate, personalIdsInUrls } = options;

  // The body stays text until the exchange reads it, because a malformed one is refused on the record.
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) =>
    done(null, body),
  );

  /** Nobody's body is read before the token is verified, and there is a place for the exchange. */
  function authenticate(request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
    try {
      admit(request, reply);
      shedder.check(request.raw.socket);
      done();
    } catch (error) {
      done(error as Error);
    }
  }

  /** A version on its way out says so on every answer, whatever that is. */
  function announceEnd({ retirement }: Dataset): onRequestHookHandler[] {
    if (retirement === null) return [];
    return [
      (_request, reply, done) => {
        reply.headers(retirement.headers);
        done();
      },
    ];
  }

  function requireBulkPlace(_request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
    gate.check();
    done();
  }

  async function handle<Body>(
    served: ServedDataset,
    operation: ExchangeOperation<Body>,
    httpRequest: FastifyRequest,
    reply: FastifyReply,
    request: DataRequest<Body>,
  ): Promise<FastifyReply> {
    if (prefersDryRun(httpRequest.headers)) {
      if (options.sandbox) return answerDryRun(served, operation, httpRequest, reply, request);
      request = { ...request, headerFault: request.headerFault ?? dryRunRefused() };
    }
    const { name, version } = served.dataset;
    const finish = metrics.exchangeStarted({ dataset: `v${version}/${name}`, operation: operation.name });
    try {
      const token = tokenOf(httpRequest);
      const answer = await exchange(context, served, { id: httpRequest.id, token, operation, request });
      reply.headers(answer.headers);
      finish(answer.outcome, 'problem' in answer ? answer.problem.code : 'ok');
      if ('problem' in answer) throw answer.problem;
      return reply
        .header('exchange-id', httpRequest.id)
        .header('cache-control', 'no-store')
        .type('application/json; charset=utf-8')
        .send(answer.body);
    } catch (error) {
      finish('failed', error instanceof ProblemError ? error.code : 'internal-error');
      throw error;
    }
  }

  async function answerDryRun<Body>(
    served: ServedDataset,
    operation: ExchangeOperation<Body>,
    httpRequest: FastifyRequest,
    reply: FastifyReply,
    request: DataRequest<Body>,
  ): Promise<FastifyReply> {
    const token = tokenOf(httpRequest);
    const rehearsed = await rehearse(context, served, { id: httpRequest.id, token, operation, request });
    return reply
      .headers({
        'exchange-id': httpRequest.id,
        'cache-control': 'no-store',
        'preference-applied': 'dry-run',
      })
      .type(dryRunMediaType)
      .send(JSON.stringify(dryRunDocument(rehearsed)));
  }

  function registerPost<Body>(
    served: ServedDataset,
    operation: ExchangeOperation<Body>,
    document: OperationObject,
  ): void {
    const { dataset } = served;
    scope.post<{ Body: string | undefined }>(
      `/v${dataset.version}/${dataset.name}/${operation.name}`,
      {
        onRequest: [...announceEnd(dataset), authenticate, ...(operation.bulk ? [requireBulkPlace] : [])],
        schema: routeSchema(withRetirement(dataset, document)),
      },
      (request, reply) => {
        const answer = (): Promise<FastifyReply> => {
          const asked = readPostRequest(request.headers, request.body, operation.readBody);
          return handle(served, operation, request, reply, asked);
        };
        return shedder.run(() => (operation.bulk ? gate.run(reply.raw, answer) : answer()));
      },
    );
  }

  for (const served of options.served) {
    const { dataset } = served;
    registerPost(served, read, readOperation(dataset));
    registerPost(served, batch, batchOperation(dataset));
    registerPost(served, verify, verifyOperation(dataset));
    if (isSearchable(dataset)) registerPost(served, search, searchOperation(dataset));

    const path = `/v${dataset.version}/${dataset.name}/:id`;
    if (dataset.personal && !personalIdsInUrls)
      scope.get(path, { onRequest: announceEnd(dataset), config: { refused: true } }, () => {
        const params = { dataset: dataset.name, version: `v${dataset.version}` };
        throw new ProblemError('ids-not-in-urls', params, { headers: { allow: '' } });
      });
    else
      scope.get<{ Params: { id: string } }>(
        path,
        {
          onRequest: [...announceEnd(dataset), authenticate],
          schema: routeSchema(withRetirement(dataset, getOperation(dataset))),
        },
        (request, reply) => {
          const asked = readGetRequest(request.headers, request.params.id, request.query, read.readBody);
          return shedder.run(() => handle(served, read, request, reply, asked));
        },
      );
  }
}

/**
 * Refuses a request for an address that is not there; one that looks like a data request only after its token.
 *
 * @throws ProblemError always
 */
export function refuseUnknownRoute(request: FastifyRequest, reply: FastifyReply, admit: Admit): never {
  if (/^\/v\d+\/[^/]+\/(read|batch|verify|search)$/.test(request.url))
    requireScope(admit(request, reply), 'exchange');
  throw new ProblemError('route-unknown');
}
