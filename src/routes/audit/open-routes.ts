import type { FastifyInstance } from 'fastify';
import { answer } from '../answer.ts';
import { checkSaid } from '../../catalogue/recorded-text.ts';
import { ProblemError } from '../../base/errors.ts';
import { isCleanText } from '../../http/headers.ts';
import { requireLiveClient, requireScope } from '../../identity/access-token.ts';
import { routeSchema } from '../../http/openapi.ts';
import { invalidBody } from '../../http/validation.ts';
import { entryNotFound } from '../../audit/archive/archived.ts';
import { readEntry } from './entry-routes.ts';
import { openBodySchema, openOperation } from './open-documents.ts';
import { encodeOpening, readOfficial } from '../look.ts';
import type { ReceiptRoutesOptions } from './receipt-routes.ts';
import { recordUnderAuthority } from '../../audit/record.ts';
import { findSealed } from '../../audit/sealing/find-sealed.ts';
import { findEntry, rethrowAsAuditUnavailable } from '../../audit/stored-log.ts';

/**
 * The route by which an auditor gets whom an entry was about, still sealed. Why is written down, and is an entry
 * before the answer. The key that opens it is on no gateway.
 */
export function registerOpenRoutes(scope: FastifyInstance, options: ReceiptRoutesOptions): void {
  const { db, authority, log, tokens, admit, now } = options;

  scope.post<{ Params: { index: string }; Body: { reason: string } }>(
    '/v1/audit/entries/:index/open',
    {
      onRequest: (request, reply, done) => {
        requireScope(admit(request, reply), 'audit');
        done();
      },
      schema: routeSchema(openOperation, { body: openBodySchema }),
    },
    async (request, reply) => {
      const token = tokens.verify(request.headers.authorization);
      const official = readOfficial(request);
      const reason = readReason(request.body.reason);
      requireLiveClient(authority.current(), token);
      const { index } = request.params;
      const asked = /^(0|[1-9]\d{0,15})$/.test(index) ? Number(index) : null;
      const stored = asked === null ? null : await findEntry(db, asked).catch(rethrowAsAuditUnavailable);
      if (stored === null) throw await entryNotFound(db, asked ?? Infinity);
      const sealed = await findSealed(db, stored, readEntry(stored)).catch(rethrowAsAuditUnavailable);
      if (sealed === 'key-archived') throw await entryNotFound(db);
      if (sealed === null) throw new ProblemError('nothing-sealed', { index });

      const recorded = await recordUnderAuthority(log, authority, (current) => {
        requireLiveClient(current, token);
        const details = { index: sealed.index, entry: sealed.entry, reason };
        const leaf = encodeOpening(request, { token, official, time: now() }, details);
        return Promise.resolve({ leaf, result: undefined });
      });
      return answer(reply, { ...sealed, opening: recorded.index });
    },
  );
}

const minReasonLength = 10;

/** @throws ProblemError invalid-request when nothing is said, what is said is no text, or holds an id */
function readReason(reason: string): string {
  const text = reason.trim();
  const said = text.match(/[\p{L}\p{N}]/gu)?.length ?? 0;
  if (said < minReasonLength || !isCleanText(text) || /[\p{Cf}\p{Co}\p{Cn}]/u.test(text))
    throw invalidBody('#/reason', {
      en: `must be a reason of at least ${minReasonLength} letters or digits, without control characters`,
      zh: `必须是至少含 ${minReasonLength} 个文字或数字的理由，不得含控制字符`,
    });
  checkSaid('#/reason', text);
  return text;
}
