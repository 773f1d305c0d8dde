/** Seconds since 1970, in the fifty-second century: no claim of a token comes near. */
const maxSeconds = 1e11;

/** Whether a claim is a NumericDate (RFC 7519, 2) that the gateway reckons with. */
export function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && Math.abs(value) < maxSeconds;
}
