import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from '../../base/errors.ts';
import { exchange, rehearse, type ExchangeContext } from '../../exchange/exchange.ts';
import type { ExchangeOperation, ServedDataset } from '../../exchange/operation.ts';
import type { DataRequest } from '../../exchange/request.ts';
import type { Metrics } from '../../http/metrics.ts';
import { tokenOf } from '../../identity/access-token.ts';
import { dryRunDocument, dryRunMediaType, dryRunRefused, prefersDryRun } from './dry-run.ts';

/** What exchanges are answered with. */
export interface AnswerOptions {
  context: ExchangeContext;
  metrics: Metrics;
  /** The data are made up: exchanges may be rehearsed. */
  sandbox: boolean;
}

/** A data request that came in, by an operation on a dataset. */
interface Incoming<Body> {
  served: ServedDataset;
  operation: ExchangeOperation<Body>;
  request: DataRequest<Body>;
}

/** Runs an exchange and answers it; rehearses it where the request prefers that and may. @throws ProblemError its refusal */
export async function answerExchange<Body>(
  options: AnswerOptions,
  incoming: Incoming<Body>,
  httpRequest: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { served, operation } = incoming;
  let { request } = incoming;
  if (prefersDryRun(httpRequest.headers)) {
    if (options.sandbox) return answerDryRun(options, incoming, httpRequest, reply);
    request = { ...request, headerFault: request.headerFault ?? dryRunRefused() };
  }
  const { name, version } = served.dataset;
  const labels = { dataset: `v${version}/${name}`, operation: operation.name };
  const finish = options.metrics.exchangeStarted(labels);
  try {
    const token = tokenOf(httpRequest);
    const answer = await exchange(options.context, served, { id: httpRequest.id, token, operation, request });
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
  { context }: AnswerOptions,
  { served, operation, request }: Incoming<Body>,
  httpRequest: FastifyRequest,
  reply: FastifyReply,
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
