import type { FastifyInstance, FastifyReply } from 'fastify';
import { entryNotFound } from '../../audit/archive/archived.ts';
import { findExchange, type StoredExchange } from '../../audit/prove-entry.ts';
import { rethrowAsAuditUnavailable } from '../../audit/stored-log.ts';
import { routeSchema } from '../../http/openapi.ts';
import type { AccessToken } from '../../identity/access-token.ts';
import type { RouteContext } from '../context.ts';
import { registerLook, type LookRoute } from '../look.ts';
import { answerLater, findProver } from './covering-checkpoint.ts';
import { receiptFileOperation, receiptOperation } from './log-documents.ts';
import { maySee, visibilityOf } from './visibility.ts';

interface ReceiptRoute {
  Params: { exchange: string };
}

/** Sends a receipt. @param salt of the body, for the consumer alone */
type SendReceipt = (
  reply: FastifyReply,
  receipt: { id: string; bytes: Buffer; proof: string; salt: string | undefined },
) => FastifyReply;

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The routes that give an exchange's entry with its proof to its consumer, its provider and auditors. */
export function registerReceiptRoutes(scope: FastifyInstance, context: RouteContext): void {
  const { logDb, secrets } = context;
  const path = '/v1/exchanges/:exchange/receipt';

  /** @throws ProblemError not-found, also where the exchange belongs to others */
  async function getExchange(id: string, token: AccessToken): Promise<StoredExchange> {
    const exchange = uuid.test(id) ? await findExchange(logDb, id).catch(rethrowAsAuditUnavailable) : null;
    if (exchange === null || !maySee(visibilityOf(token), exchange)) throw await entryNotFound(logDb);
    return exchange;
  }

  /** A consumer's receipt is its own affair; a look at the exchanges of others is entered. */
  function receiptRoute(
    send: SendReceipt,
  ): Pick<LookRoute<ReceiptRoute>, 'method' | 'scopes' | 'official' | 'find'> {
    return {
      method: 'GET',
      scopes: [],
      official: 'when entered',
      async find({ params: { exchange: id } }, { token }, reply) {
        const exchange = await getExchange(id, token);
        const prove = await findProver(context, exchange);
        if (prove === null) return { entry: null, answer: () => answerLater(reply) };
        const own = token.scopes.includes('exchange') && exchange.consumer === token.department;
        const salt = own && exchange.bound ? secrets.saltMac(id).toString('base64') : undefined;
        return {
          entry: own ? null : { operation: 'receipt', records: 1, details: { exchange: id } },
          answer: async () =>
            send(reply.header('cache-control', 'no-store'), {
              id,
              bytes: exchange.bytes,
              proof: await prove(),
              salt,
            }),
        };
      },
    };
  }

  registerLook<ReceiptRoute>(scope, context, {
    url: path,
    schema: routeSchema(receiptOperation),
    ...receiptRoute((reply, { bytes, proof, salt }) =>
      reply.send({ entry: bytes.toString('base64'), proof, salt }),
    ),
  });

  registerLook<ReceiptRoute>(scope, context, {
    url: `${path}.tlog-proof`,
    schema: routeSchema(receiptFileOperation),
    ...receiptRoute((reply, { id, proof }) =>
      reply
        .header('content-disposition', `attachment; filename="${id}.tlog-proof"`)
        .type('text/plain; charset=utf-8')
        .send(proof),
    ),
  });
}
