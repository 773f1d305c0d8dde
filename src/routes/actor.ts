import type { FastifyRequest } from 'fastify';
import type { Actor } from '../audit/act.ts';
import type { Entry } from '../audit/entry.ts';
import { ProblemError } from '../base/errors.ts';
import { readRecordedHeader } from '../catalogue/recorded-text.ts';
import { maxOfficialLength, readTraceId } from '../http/headers.ts';
import type { AccessToken } from '../identity/access-token.ts';

/** The official for whom a request is made. @throws ProblemError official-required, invalid-request */
export function readOfficial(request: FastifyRequest): string {
  const official = findOfficial(request);
  if (official === null) throw new ProblemError('official-required');
  return official;
}

/** The official for whom a request is made, where it names one. @throws ProblemError invalid-request */
export function findOfficial(request: FastifyRequest): string | null {
  const { text, fault } = readRecordedHeader(request.headers, 'exchange-official', maxOfficialLength);
  if (fault !== null) throw new ProblemError('invalid-request', { reason: fault });
  return text;
}

/** Who acts by a request, as its entry says it. */
export function actorOf(
  request: FastifyRequest,
  { token, official, time }: { token: AccessToken; official: string | null; time: Date },
): Actor & Pick<Entry, 'id' | 'time'> {
  return {
    id: request.id,
    time,
    trace_id: readTraceId(request.headers.traceparent) ?? undefined,
    consumer: token.department,
    client: token.clientId,
    official: official === null ? undefined : { id: official, proof: 'asserted' },
  };
}
