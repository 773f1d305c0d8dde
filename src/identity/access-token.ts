import { createPublicKey, randomUUID, type KeyObject } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import fastifyJwt from '@fastify/jwt';
import { ProblemError } from '../base/errors.ts';
import { keyId } from '../base/keys.ts';
import type { Client } from './clients.ts';
import { isTime } from './time-claim.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** What the verified token says; null before it is verified, and on routes that take none. */
    accessToken: AccessToken | null;
  }
}

/** What an access token says of its bearer (RFC 9068, 2.2). */
export interface AccessToken {
  clientId: string;
  department: string;
  scopes: readonly string[];
  expiresAtMs: number;
}

export interface Tokens {
  /** Issues a token to a client for scopes that are among its roles. */
  issue(client: Client, scopes: readonly string[]): { token: string; expiresInSeconds: number };
  /**
   * Verifies the header Authorization. Takes attacker-controlled input.
   *
   * @throws ProblemError token-missing, token-invalid or token-expired
   */
  verify(authorization: string | undefined): AccessToken;
  /** The public keys, as a JSON Web Key Set (RFC 7517). */
  jwks: { keys: object[] };
}

const lifetimeSeconds = 600;
const clockSkewSeconds = 60;
/** Verifying a signature costs far more than finding a token that was verified before. */
const cacheSize = 10_000;
const maxTokenLength = 4096;

/** Registers @fastify/jwt for ES256 alone, and gives the functions that issue and verify access tokens. */
export async function registerTokens(
  app: FastifyInstance,
  options: { key: KeyObject; issuer: string; now: () => Date },
): Promise<Tokens> {
  const { key, issuer, now } = options;
  const publicKey = createPublicKey(key);
  const kid = keyId(key);
  await app.register(fastifyJwt, {
    secret: {
      private: key.export({ type: 'pkcs8', format: 'pem' }) as string,
      public: publicKey.export({ type: 'spki', format: 'pem' }) as string,
    },
    sign: { algorithm: 'ES256', header: { alg: 'ES256', typ: 'at+jwt', kid } },
    // Times and names are checked below, against the gateway's clock and more strictly.
    verify: { algorithms: ['ES256'], complete: true, cache: false, ignoreExpiration: true },
  });
  app.decorateRequest('accessToken', null);
  /** By the whole header Authorization. */
  const verified = new Map<string, AccessToken>();

  function verifyAnew(token: string): AccessToken {
    if (token.length > maxTokenLength) throw invalid();
    let decoded: { header: Record<string, unknown>; payload: Record<string, unknown> };
    try {
      decoded = app.jwt.verify(token);
    } catch {
      throw invalid();
    }
    return checkTokenClaims(decoded.header, decoded.payload, {
      issuer,
      kid,
      nowSeconds: now().getTime() / 1000,
    });
  }

  return {
    issue(client, scopes) {
      const iat = Math.floor(now().getTime() / 1000);
      const token = app.jwt.sign({
        iss: issuer,
        aud: issuer,
        sub: client.id,
        client_id: client.id,
        department: client.department,
        scope: scopes.join(' '),
        iat,
        exp: iat + lifetimeSeconds,
        jti: randomUUID(),
      });
      return { token, expiresInSeconds: lifetimeSeconds };
    },

    verify(authorization) {
      const header = authorization ?? '';
      let access = verified.get(header);
      if (access === undefined) {
        const token = readBearer(authorization);
        access = verifyAnew(token);
        // Kept in its plain spelling alone: with more spaces before it, one token would fill the cache.
        if (header === `Bearer ${token}`) {
          if (verified.size >= cacheSize) verified.delete(verified.keys().next().value!);
          verified.set(header, access);
        }
      }
      if (access.expiresAtMs <= now().getTime()) {
        verified.delete(header);
        throw new ProblemError('token-expired', {}, { headers: challenge('token-expired') });
      }
      return access;
    },

    jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'ES256' }] },
  };
}

/** RFC 9068, 4, and what fast-jwt would let pass: lists of audiences, long lives, times to come. */
function checkTokenClaims(
  header: Record<string, unknown>,
  claims: Record<string, unknown>,
  expected: { issuer: string; kid: string; nowSeconds: number },
): AccessToken {
  const { iss, aud, sub, client_id, department, scope, iat, exp, nbf } = claims;
  const typ = typeof header.typ === 'string' ? header.typ.toLowerCase() : '';
  const good =
    header.alg === 'ES256' &&
    (typ === 'at+jwt' || typ === 'application/at+jwt') &&
    header.kid === expected.kid &&
    header.crit === undefined &&
    iss === expected.issuer &&
    aud === expected.issuer &&
    typeof sub === 'string' &&
    sub !== '' &&
    sub === client_id &&
    typeof department === 'string' &&
    typeof scope === 'string' &&
    isTime(iat) &&
    isTime(exp) &&
    exp > iat &&
    exp - iat <= lifetimeSeconds &&
    iat <= expected.nowSeconds + clockSkewSeconds &&
    (nbf === undefined || (isTime(nbf) && nbf <= expected.nowSeconds + clockSkewSeconds));
  if (!good) throw invalid();
  return { clientId: sub, department, scopes: scope.split(' ').filter(Boolean), expiresAtMs: exp * 1000 };
}

/** RFC 6750, 2.1. */
function readBearer(authorization: string | undefined): string {
  if (authorization === undefined || !/^bearer(\s|$)/i.test(authorization))
    throw new ProblemError('token-missing', {}, { headers: challenge('token-missing') });
  const token = /^bearer +([\w.~+/-]+=*)$/i.exec(authorization)?.[1];
  if (token === undefined) throw invalid();
  return token;
}

/** The token of a request that was admitted. @throws Error where the route admits nobody: that is a fault of the route */
export function tokenOf({ accessToken }: FastifyRequest): AccessToken {
  if (accessToken === null) throw new Error('the route reads a token that it does not verify');
  return accessToken;
}

/**
 * Refuses a client that was revoked, or lost a role, after its token was issued.
 *
 * @throws ProblemError token-invalid
 */
export function requireLiveClient(
  authority: { clients: ReadonlyMap<string, Client> },
  token: AccessToken,
): void {
  const client = authority.clients.get(token.clientId);
  if (client === undefined || client.department !== token.department) throw invalid();
  if (!token.scopes.every((scope) => client.roles.includes(scope))) throw invalid();
}

/**
 * Refuses a token that has none of the scopes.
 *
 * @throws ProblemError scope-missing
 */
export function requireScope(token: AccessToken, ...scopes: string[]): void {
  if (!scopes.some((scope) => token.scopes.includes(scope))) throw scopeMissing(...scopes);
}

/** The refusal of a token that has none of the scopes. */
export function scopeMissing(...scopes: string[]): ProblemError {
  const scope = {
    en: scopes.join(', ').replace(/, (?=[^,]*$)/, ' or '),
    zh: scopes.join('、').replace(/、(?=[^、]*$)/, ' 或 '),
  };
  const rule = { en: `the token must have the scope ${scope.en}`, zh: `令牌必须具有 ${scope.zh} 权限范围` };
  return new ProblemError(
    'scope-missing',
    { scope },
    { headers: challenge('scope-missing', scopes[0]), explain: { rule } },
  );
}

function invalid(): ProblemError {
  return new ProblemError('token-invalid', {}, { headers: challenge('token-invalid') });
}

/** The header WWW-Authenticate of a refusal (RFC 6750, 3). */
function challenge(
  code: 'token-missing' | 'token-invalid' | 'token-expired' | 'scope-missing',
  scope = '',
): Record<string, string> {
  const realm = 'Bearer realm="onevisit"';
  if (code === 'token-missing') return { 'www-authenticate': realm };
  if (code === 'scope-missing')
    return { 'www-authenticate': `${realm}, error="insufficient_scope", scope="${scope}"` };
  const why = code === 'token-expired' ? 'the token has expired' : 'the token is not valid';
  return { 'www-authenticate': `${realm}, error="invalid_token", error_description="${why}"` };
}
