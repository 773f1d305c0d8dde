import type { FastifyRequest } from 'fastify';
import { Problem } from '../errors.ts';
import { maxOfficialLength, readTextHeader, readTraceId } from '../headers.ts';
import { encodeEntry, type Entry, type Leaf } from './entry.ts';

/** The official who looks into the log. @throws Problem official-required, invalid-request */
export function readOfficial(request: FastifyRequest): string {
  const { text, fault } = readTextHeader(request.headers, 'exchange-official', maxOfficialLength);
  if (fault !== null) throw new Problem('invalid-request', { reason: fault });
  if (text === null) throw new Problem('official-required');
  return text;
}

/** The entry that a look into the log is itself. @param asked what was looked for, without plain ids */
export function encodeQuery(
  request: FastifyRequest,
  by: { token: { department: string; clientId: string }; official: string; time: Date },
  asked: Pick<Entry, 'operation' | 'records' | 'subject_key' | 'details'>,
): Leaf {
  return encodeEntry({
    kind: 'query',
    id: request.id,
    time: by.time,
    trace_id: readTraceId(request.headers.traceparent) ?? undefined,
    consumer: by.token.department,
    client: by.token.clientId,
    official: { id: by.official, proof: 'asserted' },
    outcome: 'done',
    ...asked,
  });
}
