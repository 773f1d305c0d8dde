import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import fastifyFormbody from '@fastify/formbody';
import type { AuthorityView } from '../../grants/authority.ts';
import { routeSchema } from '../../http/openapi.ts';
import type { Tokens } from '../../identity/access-token.ts';
import { isSecretOf, roles, type Client } from '../../identity/clients.ts';
import { addressKey, retryAfterSeconds, type RateLimiter } from '../../identity/rate-limiter.ts';
import { jwksOperation, metadataOperation, tokenOperation } from './token-documents.ts';

export interface IdentityRoutesOptions {
  issuer: string;
  tokens: Tokens;
  authority: AuthorityView;
  /** How many tokens an address may ask for; null sets no limit. */
  limiter: RateLimiter | null;
  /** Hears of a request for a token that was one too many. */
  refused: () => void;
}

/** RFC 6749, 5.1. */
const notStored = { 'cache-control': 'no-store', pragma: 'no-cache' };

/**
 * The codes of RFC 6749, 5.2, with their statuses, and one that its section 4.1.2.1 has for authorization endpoints:
 * for too many requests there is none (RFC 6749, 8.5).
 */
const refusalStatus = {
  invalid_request: 400,
  invalid_client: 401,
  unsupported_grant_type: 400,
  invalid_scope: 400,
  temporarily_unavailable: 429,
} as const;

/** A refusal of the token endpoint (RFC 6749, 5.2). */
class TokenError extends Error {
  readonly code: keyof typeof refusalStatus;
  constructor(code: TokenError['code'], description: string) {
    super(description);
    this.code = code;
  }
}

/** The token endpoint, the key set and the metadata. Register them in a scope of their own. */
export async function registerIdentityRoutes(
  scope: FastifyInstance,
  options: IdentityRoutesOptions,
): Promise<void> {
  const { issuer, tokens, authority, limiter, refused } = options;
  scope.removeAllContentTypeParsers();
  await scope.register(fastifyFormbody, { bodyLimit: 16 * 1024 });

  scope.get('/.well-known/oauth-authorization-server', { schema: routeSchema(metadataOperation) }, () => ({
    issuer,
    token_endpoint: `${issuer}/oauth/token`,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    scopes_supported: roles,
    response_types_supported: [],
    grant_types_supported: ['client_credentials'],
    token_endpoint_auth_methods_supported: ['client_secret_basic'],
    service_documentation: `${issuer}/docs`,
  }));

  scope.get('/.well-known/jwks.json', { schema: routeSchema(jwksOperation) }, (_request, reply) =>
    reply.header('cache-control', 'public, max-age=300').send(tokens.jwks),
  );

  /** Before the body is read and a secret is compared. */
  function limit(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
    if (limiter !== null) {
      const left = limiter.take(addressKey(request.ip));
      reply.header('ratelimit-policy', limiter.policy).header('ratelimit', limiter.describe(left));
      if (left < 0) {
        refused();
        throw new TokenError('temporarily_unavailable', 'too many requests from this address');
      }
    }
    done();
  }

  const route = {
    onRequest: limit,
    schema: routeSchema(tokenOperation),
    errorHandler: answerTokenRefusal,
  };
  scope.post('/oauth/token', route, (request, reply) => {
    const form = readForm(request.body, request.headers.authorization !== undefined);
    const client = authenticateClient(authority, request);
    const scopes = chooseScopes(client, form);
    const { token, expiresInSeconds } = tokens.issue(client, scopes);
    return reply.headers(notStored).send({
      access_token: token,
      token_type: 'Bearer',
      expires_in: expiresInSeconds,
      scope: scopes.join(' '),
    });
  });
}

/** Takes attacker-controlled input: each parameter may come once, and client secrets stay out of the body. */
function readForm(body: unknown, authorized: boolean): { scope: string } {
  const form = (body ?? {}) as Record<string, unknown>;
  if (Object.values(form).some((value) => typeof value !== 'string'))
    throw new TokenError('invalid_request', 'a parameter came more than once');
  if (form.grant_type === undefined || form.grant_type === '')
    throw new TokenError('invalid_request', 'grant_type is missing');
  if (form.grant_type !== 'client_credentials')
    throw new TokenError('unsupported_grant_type', 'grant_type must be client_credentials');
  const inBody = form.client_secret !== undefined || form.client_assertion !== undefined;
  if (inBody && authorized)
    throw new TokenError('invalid_request', 'authenticate once, with client_secret_basic');
  if (inBody) throw new TokenError('invalid_client', 'authenticate with client_secret_basic');
  return { scope: (form.scope as string | undefined) ?? '' };
}

/** client_secret_basic (RFC 6749, 2.3.1): both parts form-encoded, in the header. */
function authenticateClient(authority: AuthorityView, request: FastifyRequest): Client {
  const failed = new TokenError('invalid_client', 'the client is unknown, or its secret is wrong');
  const credentials = /^basic +([A-Za-z0-9+/=_-]+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (credentials === undefined)
    throw new TokenError('invalid_client', 'authenticate with client_secret_basic');
  const [id, secret] = splitCredentials(Buffer.from(credentials, 'base64').toString());
  const client = authority.current().clients.get(id);
  if (!isSecretOf(client, secret) || client === undefined) throw failed;
  return client;
}

function splitCredentials(credentials: string): [string, string] {
  const colon = credentials.indexOf(':');
  if (colon < 0) return ['', ''];
  try {
    return [formDecode(credentials.slice(0, colon)), formDecode(credentials.slice(colon + 1))];
  } catch {
    return ['', ''];
  }
}

function formDecode(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}

/** All of the client's roles when no scope is asked. */
function chooseScopes(client: Client, { scope }: { scope: string }): readonly string[] {
  if (scope === '') return client.roles;
  const asked = [...new Set(scope.split(' '))];
  if (!asked.every((one) => client.roles.includes(one)))
    throw new TokenError('invalid_scope', 'a scope is unknown, or not among the roles of the client');
  return asked;
}

/** Errors of the token endpoint have the form of RFC 6749, 5.2; what the gateway itself does wrong is a problem. */
function answerTokenRefusal(
  error: Error & { statusCode?: number },
  _request: FastifyRequest,
  reply: FastifyReply,
): void {
  const faulty = error.statusCode !== undefined && error.statusCode < 500;
  if (!(error instanceof TokenError) && !faulty) throw error;
  const code = error instanceof TokenError ? error.code : 'invalid_request';
  const description =
    error instanceof TokenError ? error.message : 'send a small body as application/x-www-form-urlencoded';
  if (code === 'invalid_client') reply.header('www-authenticate', 'Basic realm="onevisit", charset="UTF-8"');
  if (code === 'temporarily_unavailable') reply.header('retry-after', String(retryAfterSeconds));
  void reply
    .headers(notStored)
    .status(refusalStatus[code])
    .send({ error: code, error_description: description });
}
