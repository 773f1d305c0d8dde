import type { Config } from '../base/config.ts';
import { createRateLimiter, type RateLimiter } from '../identity/rate-limiter.ts';

/** The limit of a client's requests: two seconds' worth of them at once; null where the settings set no limit. */
export function clientLimiter({ rateLimit }: Config, now: () => Date): RateLimiter | null {
  if (rateLimit === 0) return null;
  return createRateLimiter({ name: 'client', perSecond: rateLimit, windowSeconds: 2, nowMs: inMs(now) });
}

/** The limit of an address's tokens. They live ten minutes, so that a whole office behind one address needs few. */
export function addressLimiter({ tokenRateLimit }: Config, now: () => Date): RateLimiter | null {
  if (tokenRateLimit === 0) return null;
  return createRateLimiter({
    name: 'address',
    perSecond: tokenRateLimit,
    windowSeconds: 6,
    nowMs: inMs(now),
  });
}

function inMs(now: () => Date): () => number {
  return () => now().getTime();
}
