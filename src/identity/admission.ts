import type { FastifyReply, FastifyRequest } from 'fastify';
import { RepeatedProblemError } from '../base/errors.ts';
import type { AccessToken, Tokens } from './access-token.ts';
import { retryAfterSeconds, type RateLimiter } from './rate-limiter.ts';

/**
 * Lets a request in, before its body is read: verifies its token, which stands on the request from then on, and counts
 * it against its client's limit, which the answer tells. Call it once a request.
 *
 * @throws ProblemError token-missing, token-invalid, token-expired, rate-limited
 */
export type Admit = (request: FastifyRequest, reply: FastifyReply) => AccessToken;

/** @param limiter null when clients are not limited */
export function createAdmission(tokens: Tokens, limiter: RateLimiter | null): Admit {
  const verify = (request: FastifyRequest): AccessToken =>
    (request.accessToken = tokens.verify(request.headers.authorization));
  if (limiter === null) return verify;
  const limited = new RepeatedProblemError(
    'rate-limited',
    { limit: String(limiter.quota), window: String(limiter.windowSeconds) },
    { headers: { 'retry-after': String(retryAfterSeconds) } },
  );
  return (request, reply) => {
    const token = verify(request);
    const left = limiter.take(token.clientId);
    reply.header('ratelimit-policy', limiter.policy).header('ratelimit', limiter.describe(left));
    if (left < 0) throw limited;
    return token;
  };
}
