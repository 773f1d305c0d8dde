import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AuthorityView } from '../../grants/authority.ts';
import type { Admit } from '../../identity/admission.ts';
import { requireLiveClient, type AccessToken, type Tokens } from '../../identity/access-token.ts';
import { routeSchema } from '../../http/openapi.ts';
import type { Appender } from '../../audit/append.ts';
import { entryNotFound } from '../../audit/archive/archived.ts';
import type { LogSecrets } from '../../audit/subjects.ts';
import { receiptFileOperation, receiptOperation } from './log-documents.ts';
import { encodeQuery, readOfficial } from '../look.ts';
import { awaitCheckpoint, findExchange, proveEntry, type StoredExchange } from '../../audit/prove-entry.ts';
import { recordUnderAuthority } from '../../audit/record.ts';
import { rethrowAsAuditUnavailable, type Queryable } from '../../audit/stored-log.ts';

export interface ReceiptRoutesOptions {
  db: Queryable;
  /** Adds the signatures of witnesses to a checkpoint's note. */
  cosigned: (note: string) => string;
  authority: AuthorityView;
  log: Appender;
  secrets: LogSecrets;
  tokens: Tokens;
  admit: Admit;
  now: () => Date;
}

/** How long an answer waits for the checkpoint that covers its entry. */
export const maxWaitMs = 2000;
const retryAfterSeconds = 1;
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

interface ReceiptBody {
  exchange: StoredExchange;
  /** Null while no checkpoint covers the entry. */
  proof: string | null;
  own: boolean;
}

/** The routes by which a consumer, a provider or an auditor gets an exchange's entry with its proof. */
export function registerReceiptRoutes(scope: FastifyInstance, options: ReceiptRoutesOptions): void {
  const { db, cosigned, authority, log, secrets, tokens, admit, now } = options;

  function onRequest(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
    admit(request, reply);
    done();
  }

  scope.get<{ Params: { exchange: string } }>(
    '/v1/exchanges/:exchange/receipt',
    { onRequest, schema: routeSchema(receiptOperation) },
    async (request, reply) => {
      const { exchange, proof, own } = await findReceipt(request);
      if (proof === null) return answerLater(reply);
      const salt =
        own && exchange.bound ? secrets.saltMac(request.params.exchange).toString('base64') : undefined;
      return reply
        .header('cache-control', 'no-store')
        .send({ entry: exchange.bytes.toString('base64'), proof, salt });
    },
  );

  scope.get<{ Params: { exchange: string } }>(
    '/v1/exchanges/:exchange/receipt.tlog-proof',
    { onRequest, schema: routeSchema(receiptFileOperation) },
    async (request, reply) => {
      const { proof } = await findReceipt(request);
      if (proof === null) return answerLater(reply);
      return reply
        .header('cache-control', 'no-store')
        .header('content-disposition', `attachment; filename="${request.params.exchange}.tlog-proof"`)
        .type('text/plain; charset=utf-8')
        .send(proof);
    },
  );

  async function findReceipt(
    request: FastifyRequest<{ Params: { exchange: string } }>,
  ): Promise<ReceiptBody> {
    const token = tokens.verify(request.headers.authorization);
    requireLiveClient(authority.current(), token);
    const { exchange: id } = request.params;
    const exchange = uuid.test(id) ? await findExchange(db, id).catch(rethrowAsAuditUnavailable) : null;
    // Of what belongs to others the same is said as of what is not there.
    if (exchange === null || !maySee(token, exchange)) throw await entryNotFound(db);
    const own = token.scopes.includes('exchange') && exchange.consumer === token.department;
    const checkpoint = await awaitCheckpoint(db, exchange.index, maxWaitMs).catch(rethrowAsAuditUnavailable);
    if (checkpoint === null) return { exchange, proof: null, own };
    if (!own) await enterQuery(request, token, id);
    const note = cosigned(checkpoint.note);
    const proof = await proveEntry(db, exchange, { ...checkpoint, note }).catch(rethrowAsAuditUnavailable);
    return { exchange, proof, own };
  }

  /** A consumer's receipt is its own affair; whoever looks at the exchanges of others is on the record. */
  async function enterQuery(request: FastifyRequest, token: AccessToken, id: string): Promise<void> {
    const official = readOfficial(request);
    await recordUnderAuthority(log, authority, (current) => {
      requireLiveClient(current, token);
      const asked = { operation: 'receipt', records: 1, details: { exchange: id } };
      const leaf = encodeQuery(request, { token, official, time: now() }, asked);
      return Promise.resolve({ leaf, result: undefined });
    });
  }
}

/** What belongs to others is not there. */
function maySee({ scopes, department }: AccessToken, { consumer, provider }: StoredExchange): boolean {
  if (scopes.includes('audit')) return true;
  if (scopes.includes('exchange') && consumer === department) return true;
  return scopes.includes('provide') && provider === department;
}

/** No checkpoint covers the entry yet. */
export function answerLater(reply: FastifyReply): FastifyReply {
  return reply
    .status(202)
    .header('cache-control', 'no-store')
    .header('retry-after', String(retryAfterSeconds))
    .send({ status: 'pending' });
}
