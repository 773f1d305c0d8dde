import type { FastifyInstance } from 'fastify';
import { entryNotFound } from '../../audit/archive/archived.ts';
import { findSealed } from '../../audit/sealing/find-sealed.ts';
import { rethrowAsAuditUnavailable } from '../../audit/stored-log.ts';
import { ProblemError } from '../../base/errors.ts';
import { checkRecordedText } from '../../catalogue/recorded-text.ts';
import { isCleanText } from '../../http/headers.ts';
import { routeSchema } from '../../http/openapi.ts';
import { invalidBody } from '../../http/validation.ts';
import { answer } from '../answer.ts';
import type { RouteContext } from '../context.ts';
import { registerLook } from '../look.ts';
import { openBodySchema, openOperation } from './open-documents.ts';
import { getEntry } from './visibility.ts';

/**
 * The route by which an auditor gets whom an entry was about, still sealed. The reason is written down, and is an entry
 * before the answer. The key that opens it is on no gateway.
 */
export function registerOpenRoutes(scope: FastifyInstance, context: RouteContext): void {
  const { logDb } = context;

  registerLook<{ Params: { index: string }; Body: { reason: string } }>(scope, context, {
    method: 'POST',
    url: '/v1/audit/entries/:index/open',
    scopes: ['audit'],
    schema: routeSchema(openOperation, { body: openBodySchema }),
    async find({ params: { index }, body }, _looker, reply) {
      const reason = readReason(body.reason);
      const { stored, entry } = await getEntry(logDb, index);
      const sealed = await findSealed(logDb, stored, entry).catch(rethrowAsAuditUnavailable);
      if (sealed === 'key-archived') throw await entryNotFound(logDb);
      if (sealed === null) throw new ProblemError('nothing-sealed', { index });
      return {
        entry: {
          kind: 'open',
          operation: 'open',
          records: 1,
          details: { index: sealed.index, entry: sealed.entry, reason },
        },
        answer: (opening) => answer(reply, { ...sealed, opening }),
      };
    },
  });
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
  checkRecordedText('#/reason', text);
  return text;
}
