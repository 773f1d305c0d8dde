import type { FastifyInstance, FastifyReply, onRequestHookHandler } from 'fastify';
import { ProblemError } from '../../base/errors.ts';
import type { Dataset } from '../../catalogue/catalogue.ts';
import { batch } from '../../exchange/batch.ts';
import type { ExchangeOperation, ServedDataset } from '../../exchange/operation.ts';
import { read } from '../../exchange/read.ts';
import { readGetRequest, readPostRequest } from '../../exchange/request.ts';
import { isSearchable, search } from '../../exchange/search.ts';
import { verify } from '../../exchange/verify.ts';
import type { Gate } from '../../http/gate.ts';
import { routeSchema, type OperationObject } from '../../http/openapi.ts';
import type { Shedder } from '../../http/shedder.ts';
import type { Admit } from '../../identity/admission.ts';
import { answerExchange, type AnswerOptions } from './answer-exchange.ts';
import { batchOperation } from './batch-documents.ts';
import { getOperation, readOperation } from './documents.ts';
import { withRetirement } from './retirement-documents.ts';
import { searchOperation } from './search-documents.ts';
import { verifyOperation } from './verify-documents.ts';

export interface ExchangeRoutesOptions extends AnswerOptions {
  served: ServedDataset[];
  admit: Admit;
  shedder: Shedder;
  /** Of exchanges of many subjects. */
  gate: Gate;
  personalIdsInUrls: boolean;
}

/** The routes by which consumers ask for data, made from the catalogue. Register them in a scope of their own. */
export function registerExchangeRoutes(scope: FastifyInstance, options: ExchangeRoutesOptions): void {
  // The body stays text until the exchange reads it, because a malformed one is refused on the record.
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) =>
    done(null, body),
  );
  for (const served of options.served) {
    const { dataset } = served;
    registerPost(scope, options, served, read, readOperation(dataset));
    registerPost(scope, options, served, batch, batchOperation(dataset));
    registerPost(scope, options, served, verify, verifyOperation(dataset));
    if (isSearchable(dataset)) registerPost(scope, options, served, search, searchOperation(dataset));
    registerGet(scope, options, served);
  }
}

function registerPost<Body>(
  scope: FastifyInstance,
  options: ExchangeRoutesOptions,
  served: ServedDataset,
  operation: ExchangeOperation<Body>,
  document: OperationObject,
): void {
  const { shedder, gate } = options;
  const { dataset } = served;
  const hooks = [...announceEnd(dataset), authenticating(options)];
  if (operation.bulk) hooks.push(requirePlace(gate));
  scope.post<{ Body: string | undefined }>(
    `/v${dataset.version}/${dataset.name}/${operation.name}`,
    { onRequest: hooks, schema: routeSchema(withRetirement(dataset, document)) },
    (httpRequest, reply) => {
      const answer = (): Promise<FastifyReply> => {
        const request = readPostRequest(httpRequest.headers, httpRequest.body, operation.readBody);
        return answerExchange(options, { served, operation, request }, httpRequest, reply);
      };
      return shedder.run(() => (operation.bulk ? gate.run(reply.raw, answer) : answer()));
    },
  );
}

/** By GET, an id stands in the URL: not that of a person, unless the settings allow it. */
function registerGet(scope: FastifyInstance, options: ExchangeRoutesOptions, served: ServedDataset): void {
  const { dataset } = served;
  const path = `/v${dataset.version}/${dataset.name}/:id`;
  if (dataset.personal && !options.personalIdsInUrls) {
    scope.get(path, { onRequest: announceEnd(dataset), config: { refused: true } }, () => {
      const params = { dataset: dataset.name, version: `v${dataset.version}` };
      throw new ProblemError('ids-not-in-urls', params, { headers: { allow: '' } });
    });
    return;
  }
  scope.get<{ Params: { id: string } }>(
    path,
    {
      onRequest: [...announceEnd(dataset), authenticating(options)],
      schema: routeSchema(withRetirement(dataset, getOperation(dataset))),
    },
    (httpRequest, reply) => {
      const { headers, params, query } = httpRequest;
      const request = readGetRequest(headers, params.id, query, read.readBody);
      return options.shedder.run(() =>
        answerExchange(options, { served, operation: read, request }, httpRequest, reply),
      );
    },
  );
}

/** No body is read before the token is verified, and there is a place for the exchange. */
function authenticating({ admit, shedder }: ExchangeRoutesOptions): onRequestHookHandler {
  return (request, reply, done) => {
    admit(request, reply);
    shedder.check(request.raw.socket);
    done();
  };
}

function requirePlace(gate: Gate): onRequestHookHandler {
  return (_request, _reply, done) => {
    gate.check();
    done();
  };
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
