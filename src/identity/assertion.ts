import { decodeProtectedHeader } from 'jose/decode/protected_header';
import { compactVerify } from 'jose/jws/compact/verify';
import { decodeJwt } from 'jose/jwt/decode';
import type { Text } from '../base/error-table.ts';
import type { ProviderKey } from './provider-keys.ts';
import { isTime } from './time-claim.ts';

/** A login assertion that proves that its subject is there. */
export interface ProvenLogin {
  issuer: string;
  /** Its claim jti. */
  id: string;
  expiresAt: Date;
}

/** Why an assertion is worth nothing; entries and problems name it. */
export const assertionFaults = {
  missing: {
    en: "must be the subject's own login assertion, a JWT of a registered identity provider",
    zh: '必须是当事人本人的登录凭证（已登记身份提供方签发的 JWT）',
  },
  malformed: {
    en: 'is not a JWT with the claims iss, aud, sub, dataset, iat, exp and jti',
    zh: '不是含 iss、aud、sub、dataset、iat、exp、jti 声明的 JWT',
  },
  issuer: { en: 'is of no identity provider that is registered', zh: '不是已登记身份提供方签发的' },
  signature: { en: 'is not signed by a key of its identity provider', zh: '未由其身份提供方的密钥正确签名' },
  audience: { en: 'was made for another audience than this gateway', zh: '不是签发给本网关的' },
  expired: {
    en: 'has expired, is not valid yet, or is valid for more than five minutes',
    zh: '已过期、尚未生效，或有效期超过五分钟',
  },
  subject: { en: 'is of another subject than the one asked for', zh: '与所查询的当事人不符' },
  used: { en: 'was used before', zh: '已被使用过' },
} as const satisfies Record<string, Text>;

export type AssertionFault = keyof typeof assertionFaults;

const maxLifetimeSeconds = 300;
const clockSkewSeconds = 60;
const maxIdLength = 200;
/** RFC 7515, 3.1: three parts, none of them empty. */
const compactJws = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/**
 * Checks a login assertion (RFC 7519, RFC 8725) against the identity providers that are registered. Takes
 * attacker-controlled input.
 */
export async function checkAssertion(
  providers: ReadonlyMap<string, readonly ProviderKey[]>,
  assertion: string,
  expected: { audience: string; subject: { dataset: string; id: string }; now: Date },
): Promise<ProvenLogin | AssertionFault> {
  const decoded = decode(assertion);
  if (decoded === null) return 'malformed';
  const { header, claims } = decoded;
  const { iss, aud, sub, dataset, iat, exp, nbf, jti } = claims;
  const typ = header.typ ?? 'JWT';
  if (typeof typ !== 'string' || typ.toUpperCase() !== 'JWT' || header.crit !== undefined) return 'malformed';

  const keys = typeof iss === 'string' ? providers.get(iss) : undefined;
  if (keys === undefined) return 'issuer';
  const key = keys.find(({ kid }) => kid === header.kid);
  if (key === undefined || key.alg !== header.alg) return 'signature';
  if (!(await isSignedBy(key, assertion))) return 'signature';

  if (!isId(sub) || !isId(dataset) || !isId(jti) || !isTime(iat) || !isTime(exp)) return 'malformed';
  if (aud !== expected.audience) return 'audience';
  const nowSeconds = expected.now.getTime() / 1000;
  const begins = Math.max(iat, nbf === undefined ? iat : isTime(nbf) ? nbf : Infinity);
  if (exp <= nowSeconds || begins > nowSeconds + clockSkewSeconds) return 'expired';
  if (exp <= iat || exp - iat > maxLifetimeSeconds) return 'expired';
  if (sub !== expected.subject.id || dataset !== expected.subject.dataset) return 'subject';
  return { issuer: iss as string, id: jti, expiresAt: new Date(exp * 1000) };
}

/** RFC 7518, 3: the algorithm is the key's own, never the token's choice. */
function isSignedBy({ alg, key }: ProviderKey, assertion: string): Promise<boolean> {
  return compactVerify(assertion, key, { algorithms: [alg] }).then(
    () => true,
    () => false,
  );
}

/** What an assertion says, before anything of it is proven; null when it is no compact JWS of claims. */
function decode(
  assertion: string,
): { header: Record<string, unknown>; claims: Record<string, unknown> } | null {
  if (!compactJws.test(assertion)) return null;
  try {
    return { header: { ...decodeProtectedHeader(assertion) }, claims: decodeJwt(assertion) };
  } catch {
    return null;
  }
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= maxIdLength;
}
