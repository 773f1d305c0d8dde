import { isIPv6 } from 'node:net';

/**
 * Bounds how many requests each of many keys may send: a token bucket a key. It tells of itself in the fields of
 * draft-ietf-httpapi-ratelimit-headers-11.
 */
export interface RateLimiter {
  /** Requests that a rested key may send at once, and the seconds in which so many come back. */
  readonly quota: number;
  readonly windowSeconds: number;
  /** The value of RateLimit-Policy (section 3): one policy, by its name, with `q` requests in `w` seconds. */
  readonly policy: string;
  /**
   * Takes one request of a key.
   *
   * @returns how many more it may send now; -1 when this one is too many
   */
  take(key: string): number;
  /** The value of RateLimit (section 4): `r` requests more, of which there are others after `t` seconds. */
  describe(left: number): string;
}

/** After so many seconds a refused key may send a request again: every limit is at least one a second. */
export const retryAfterSeconds = 1;

interface Bucket {
  left: number;
  atMs: number;
}

/** Keys that are remembered in one generation; with more, the older generation is forgotten early. */
const maxKeys = 50_000;

/**
 * Makes the limit of one policy. Nothing runs in the background: a key that has rested for the window has a full
 * bucket again, like one never seen, so whole generations of them are forgotten.
 *
 * @param options.perSecond requests a second that come back; at least 1
 * @param options.windowSeconds for how many seconds' worth of requests there is room at once
 * @param options.nowMs a clock; one that is put back gives nobody anything, and takes nothing away
 */
export function createRateLimiter(options: {
  name: string;
  perSecond: number;
  windowSeconds: number;
  nowMs: () => number;
}): RateLimiter {
  const { name, perSecond, windowSeconds, nowMs } = options;
  const quota = perSecond * windowSeconds;
  const perMs = perSecond / 1000;
  let recent = new Map<string, Bucket>();
  let older = new Map<string, Bucket>();
  let recentFromMs = nowMs();

  function forget(now: number): void {
    if (Math.abs(now - recentFromMs) < windowSeconds * 1000 && recent.size < maxKeys) return;
    older = recent;
    recent = new Map();
    recentFromMs = now;
  }

  function bucketOf(key: string, now: number): Bucket {
    const known = recent.get(key);
    if (known !== undefined) return known;
    const bucket = older.get(key) ?? { left: quota, atMs: now };
    recent.set(key, bucket);
    return bucket;
  }

  return {
    quota,
    windowSeconds,
    policy: `"${name}";q=${quota};w=${windowSeconds}`,
    take(key) {
      const now = nowMs();
      forget(now);
      const bucket = bucketOf(key, now);
      bucket.left = Math.min(quota, bucket.left + Math.max(0, now - bucket.atMs) * perMs);
      bucket.atMs = now;
      if (bucket.left < 1) return -1;
      bucket.left -= 1;
      return Math.floor(bucket.left);
    },
    describe: (left) => `"${name}";r=${Math.max(0, left)};t=${retryAfterSeconds}`,
  };
}

const maxAddressLength = 64;

/**
 * What one sender has of an address: IPv4 whole, of IPv6 the first 64 bits (RFC 4291, 2.5.4), of which a site
 * has as many addresses as it likes. Takes what a proxy has written, whatever it is.
 */
export function addressKey(address: string | undefined = ''): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address.slice(0, maxAddressLength);
  const [head = '', tail] = address.toLowerCase().split('%')[0]!.split('::');
  const groups = (part: string | undefined): string[] => (part ? part.split(':') : []);
  // An IPv4 address at the end stands for two groups.
  const last = groups(tail).flatMap((group) => (group.includes('.') ? ['0', '0'] : [group]));
  const first = groups(head);
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length;
  const all = [...first, ...Array.from({ length: zeros }, () => '0'), ...last];
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
