import type { FastifyReply } from 'fastify';
import { awaitCheckpoint, proveEntry } from '../../audit/prove-entry.ts';
import { rethrowAsAuditUnavailable } from '../../audit/stored-log.ts';
import type { RouteContext } from '../context.ts';

/** How long an answer waits for the checkpoint that covers its entry. */
export const maxWaitMs = 2000;
const retryAfterSeconds = 1;

/**
 * Waits for the checkpoint that covers an entry.
 *
 * @returns what proves the entry under it, as a text of `c2sp.org/tlog-proof@v1`; null where no checkpoint covers it yet
 */
export async function findProver(
  { logDb, cosigned }: Pick<RouteContext, 'logDb' | 'cosigned'>,
  stored: { index: number; bytes: Buffer },
): Promise<(() => Promise<string>) | null> {
  const checkpoint = await awaitCheckpoint(logDb, stored.index, maxWaitMs).catch(rethrowAsAuditUnavailable);
  if (checkpoint === null) return null;
  return () =>
    proveEntry(logDb, stored, { ...checkpoint, note: cosigned(checkpoint.note) }).catch(
      rethrowAsAuditUnavailable,
    );
}

/** Answers that no checkpoint covers the entry yet. */
export function answerLater(reply: FastifyReply): FastifyReply {
  return reply
    .status(202)
    .header('cache-control', 'no-store')
    .header('retry-after', String(retryAfterSeconds))
    .send({ status: 'pending' });
}
