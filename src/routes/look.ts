import type { FastifyRequest } from 'fastify';
import { ProblemError } from '../base/errors.ts';
import { readSaid } from '../catalogue/recorded-text.ts';
import { maxOfficialLength, readTraceId } from '../http/headers.ts';
import type { Actor } from '../audit/act.ts';
import { encodeEntry, type Entry, type Leaf } from '../audit/entry.ts';

/** The official who looks into the log. @throws ProblemError official-required, invalid-request */
export function readOfficial(request: FastifyRequest): string {
  const text = findOfficial(request);
  if (text === null) throw new ProblemError('official-required');
  return text;
}

/** The official who looks, where one is named. @throws ProblemError invalid-request */
export function findOfficial(request: FastifyRequest): string | null {
  const { text, fault } = readSaid(request.headers, 'exchange-official', maxOfficialLength);
  if (fault !== null) throw new ProblemError('invalid-request', { reason: fault });
  return text;
}

/** What a look's entry says besides who looked. */
type Looked = Partial<Omit<Entry, 'kind' | 'id' | 'time' | 'client' | 'official'>>;

/** The entry that a look into the log is itself. @param asked what was looked for, without plain ids */
export function encodeQuery(request: FastifyRequest, by: Parameters<typeof actorOf>[1], asked: Looked): Leaf {
  return encodeLook(request, by, { kind: 'query', ...asked });
}

/** The entry that the opening of a seal is. @param details which entry was opened, and why */
export function encodeOpening(
  request: FastifyRequest,
  by: Parameters<typeof actorOf>[1],
  details: { index: number; entry: string; reason: string },
): Leaf {
  return encodeLook(request, by, { kind: 'open', operation: 'open', records: 1, details });
}

function encodeLook(
  request: FastifyRequest,
  by: Parameters<typeof actorOf>[1],
  look: Looked & Pick<Entry, 'kind'>,
): Leaf {
  return encodeEntry({ ...actorOf(request, by), outcome: 'done', ...look });
}

/** Who acts by a request, as its entry says it. */
export function actorOf(
  request: FastifyRequest,
  by: { token: { department: string; clientId: string }; official: string | null; time: Date },
): Actor & Pick<Entry, 'id' | 'time'> {
  return {
    id: request.id,
    time: by.time,
    trace_id: readTraceId(request.headers.traceparent) ?? undefined,
    consumer: by.token.department,
    client: by.token.clientId,
    official: by.official === null ? undefined : { id: by.official, proof: 'asserted' },
  };
}
