import type { FastifyInstance } from 'fastify';
import { answer } from '../answer.ts';
import { ProblemError } from '../../base/errors.ts';
import { requireLiveClient } from '../../identity/access-token.ts';
import { routeSchema } from '../../http/openapi.ts';
import { entryNotFound } from '../../audit/archive/archived.ts';
import { entryOperation } from './documents.ts';
import { encodeQuery, readOfficial } from '../look.ts';
import type { Visibility } from '../../audit/search/filter.ts';
import { answerLater, maxWaitMs, type ReceiptRoutesOptions } from './receipt-routes.ts';
import { awaitCheckpoint, proveEntry } from '../../audit/prove-entry.ts';
import { recordUnderAuthority } from '../../audit/record.ts';
import { visibilityOf } from './search-routes.ts';
import {
  findEntry,
  LogFaultError,
  rethrowAsAuditUnavailable,
  type StoredEntry,
} from '../../audit/stored-log.ts';

/** The route by which whoever may search the log gets one entry of it, with its proof. The look is an entry itself. */
export function registerEntryRoutes(scope: FastifyInstance, options: ReceiptRoutesOptions): void {
  const { db, cosigned, authority, log, tokens, admit, now } = options;

  scope.get<{ Params: { index: string } }>(
    '/v1/audit/entries/:index',
    {
      onRequest: (request, reply, done) => {
        visibilityOf(admit(request, reply));
        done();
      },
      schema: routeSchema(entryOperation),
    },
    async (request, reply) => {
      const token = tokens.verify(request.headers.authorization);
      const visibility = visibilityOf(token);
      const official = readOfficial(request);
      requireLiveClient(authority.current(), token);
      const index = /^(0|[1-9]\d{0,15})$/.test(request.params.index) ? Number(request.params.index) : null;
      const stored = index === null ? null : await findEntry(db, index).catch(rethrowAsAuditUnavailable);
      if (stored === null) throw await entryNotFound(db, index ?? Infinity);
      const entry = readEntry(stored);
      if (!maySee(visibility, entry)) throw new ProblemError('not-found');

      const checkpoint = await awaitCheckpoint(db, stored.index, maxWaitMs).catch(rethrowAsAuditUnavailable);
      if (checkpoint === null) return answerLater(reply);
      // Nothing was shown before, and nothing is shown that is not on the record.
      await recordUnderAuthority(log, authority, (current) => {
        requireLiveClient(current, token);
        const asked = { operation: 'entry', records: 1, details: { index: stored.index } };
        const leaf = encodeQuery(request, { token, official, time: now() }, asked);
        return Promise.resolve({ leaf, result: undefined });
      });
      const note = cosigned(checkpoint.note);
      const proof = await proveEntry(db, stored, { ...checkpoint, note }).catch(rethrowAsAuditUnavailable);
      return answer(reply, {
        index: stored.index,
        leaf_hash: stored.leafHash.toString('base64'),
        entry,
        proof,
      });
    },
  );
}

/** @throws ProblemError audit-unavailable when its bytes are no entry */
export function readEntry({ index, bytes }: StoredEntry): Record<string, unknown> {
  try {
    const entry: unknown = JSON.parse(bytes.toString());
    if (typeof entry === 'object' && entry !== null) return entry as Record<string, unknown>;
  } catch {
    // Said below.
  }
  return rethrowAsAuditUnavailable(new LogFaultError(`the bytes of entry ${index} are no entry`));
}

/** What belongs to others is not there. */
function maySee(visibility: Visibility, { consumer, provider }: Record<string, unknown>): boolean {
  if (visibility === 'all') return true;
  if (visibility.consumer !== undefined && consumer === visibility.consumer) return true;
  return visibility.provider !== undefined && provider === visibility.provider;
}
