import type { ErrorCode } from '../base/error-table.ts';
import { admissionCodes, problems } from '../http/openapi.ts';

/** What a route does with a request; each may refuse it in ways of its own. */
export interface RouteTraits {
  /** It demands a scope. */
  scope?: boolean;
  /** It reads a JSON body. */
  body?: boolean;
  /** It demands the official who acts. */
  official?: boolean;
  /** It writes or reads the audit log. */
  log?: boolean;
  /** It reads the store. */
  store?: boolean;
}

/** The responses of a route's errors: what may refuse any request with a token, what its traits add, and its own. */
export function refusalsOf(traits: RouteTraits, ...own: ErrorCode[]): Record<string, object> {
  return problems(refusalCodes(traits, ...own));
}

/** The codes of the same, in the order in which documents show them. */
export function refusalCodes(
  { scope = false, body = false, official = false, log = false, store = log }: RouteTraits,
  ...own: ErrorCode[]
): ErrorCode[] {
  const codes: (ErrorCode | false)[] = [
    ...own,
    official && 'official-required',
    scope && 'scope-missing',
    body && 'payload-too-large',
    body && 'media-type-unsupported',
    log && 'audit-unavailable',
    store && 'store-unavailable',
    ...admissionCodes,
  ];
  return codes.filter((code) => code !== false);
}
