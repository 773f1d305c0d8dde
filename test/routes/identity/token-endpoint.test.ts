import t, { type Test } from 'tap';
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet, type JWTVerifyResult } from 'jose';
import type { LightMyRequestResponse } from 'fastify';
import { roles } from '../../../src/identity/clients.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { askToken, basic, newClient, type TokenRequest } from '../../helpers/clients.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { issuer } from '../../helpers/keys.ts';

const test = await startGateway(t);
const { app } = test;
const client = await newClient(test, 'civil-affairs', ['exchange', 'provide']);
const other = await newClient(test, 'taxation');
const { clientId, clientSecret } = client;

function ask(request: TokenRequest = {}): Promise<LightMyRequestResponse> {
  return askToken(app, client, request);
}

async function verifyToken(token: string): Promise<JWTVerifyResult> {
  const response = await app.inject('/.well-known/jwks.json');
  return jwtVerify(token, createLocalJWKSet(response.json<JSONWebKeySet>()), {
    typ: 'at+jwt',
    issuer,
    audience: issuer,
    algorithms: ['ES256'],
    subject: clientId,
    requiredClaims: ['exp', 'iat', 'jti', 'client_id', 'scope', 'department'],
    currentDate: test.clock.now(),
  });
}

/** RFC 6749, 5.1 and 5.2: no answer of the token endpoint is ever stored. */
function checkNotStored(t: Test, { headers }: LightMyRequestResponse): void {
  t.match(headers, { 'cache-control': 'no-store', pragma: 'no-cache' });
  t.match(headers['content-type'], /^application\/json\b/);
}

await t.test('issues a token that another implementation verifies by the published keys', async (t) => {
  const response = await ask();
  t.equal(response.statusCode, 200);
  checkNotStored(t, response);
  const answer = response.json<{ access_token: string; expires_in: number }>();
  t.match(answer, { token_type: 'Bearer', expires_in: 600, scope: 'exchange provide' });
  const { payload, protectedHeader } = await verifyToken(answer.access_token);
  const iat = Math.floor(test.clock.now().getTime() / 1000);
  t.match(payload, {
    iss: issuer,
    aud: issuer,
    sub: clientId,
    client_id: clientId,
    department: 'civil-affairs',
    scope: 'exchange provide',
    iat,
    exp: iat + answer.expires_in,
  });
  t.match(protectedHeader, { alg: 'ES256', typ: 'at+jwt', kid: /\S/ });
});

await t.test('gives no two tokens the same jti', async (t) => {
  const tokens = await Promise.all(Array.from({ length: 10 }, () => ask()));
  const ids = await Promise.all(
    tokens.map(async (response) => {
      const { payload } = await verifyToken(response.json<{ access_token: string }>().access_token);
      return payload.jti;
    }),
  );
  t.equal(new Set(ids).size, 10);
});

await t.test('publishes public keys alone', async (t) => {
  const response = await app.inject('/.well-known/jwks.json');
  const { keys } = response.json<{ keys: Record<string, string>[] }>();
  t.equal(keys.length, 1);
  t.match(keys[0], { kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig', kid: /\S/ });
  t.notOk(Object.hasOwn(keys[0]!, 'd'), 'the private part is not among it');
});

await t.test('describes itself (RFC 8414)', async (t) => {
  const response = await app.inject('/.well-known/oauth-authorization-server');
  t.equal(response.statusCode, 200);
  const metadata = response.json<Record<string, unknown>>();
  t.match(metadata, {
    issuer,
    token_endpoint: `${issuer}/oauth/token`,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    grant_types_supported: ['client_credentials'],
    response_types_supported: [],
  });
  t.same(metadata.scopes_supported, roles);
  t.ok((metadata.token_endpoint_auth_methods_supported as string[]).includes('client_secret_basic'));
});

await t.test('issues the scopes asked for, and all roles when none is', async (t) => {
  const scopes: [form: string, scope: string][] = [
    ['scope=exchange', 'exchange'],
    ['scope=provide', 'provide'],
    ['scope=provide+exchange', 'provide exchange'],
    ['scope=exchange%20exchange', 'exchange'],
    ['scope=', 'exchange provide'],
  ];
  for (const [form, scope] of scopes) {
    const response = await ask({ form: `grant_type=client_credentials&${form}` });
    const answer = response.json<{ scope: string; access_token: string }>();
    t.equal(answer.scope, scope);
    t.equal((await verifyToken(answer.access_token)).payload.scope, scope);
  }
});

await t.test('takes credentials that are percent-encoded (RFC 6749, 2.3.1)', async (t) => {
  const encoded = (text: string): string => Buffer.from(text).toString('hex').replaceAll(/../g, '%$&');
  for (const authorization of [
    basic(encoded(clientId), encoded(clientSecret)),
    basic(encodeURIComponent(clientId), encodeURIComponent(clientSecret)),
    basic(clientId, clientSecret).replace('Basic', 'bASIC'),
  ])
    t.equal((await ask({ authorization })).statusCode, 200);
});

const grant = 'grant_type=client_credentials';
const refusals: [does: string, request: TokenRequest, error: string][] = [
  ['a wrong secret', { authorization: basic(clientId, `${clientSecret}x`) }, 'invalid_client'],
  ['an empty secret', { authorization: basic(clientId, '') }, 'invalid_client'],
  ['the secret of another client', { authorization: basic(clientId, other.clientSecret) }, 'invalid_client'],
  ['an unknown client', { authorization: basic('nobody', clientSecret) }, 'invalid_client'],
  ['a client named like a member', { authorization: basic('__proto__', clientSecret) }, 'invalid_client'],
  ['an empty client', { authorization: basic('', '') }, 'invalid_client'],
  ['no credentials', { authorization: null }, 'invalid_client'],
  ['another scheme', { authorization: `Bearer ${clientSecret}` }, 'invalid_client'],
  ['credentials without a colon', { authorization: `Basic ${btoa('nothing')}` }, 'invalid_client'],
  ['credentials not in base64', { authorization: 'Basic !' }, 'invalid_client'],
  ['a broken percent sign', { authorization: basic(clientId, '%zz') }, 'invalid_client'],
  [
    'the secret in the body',
    { authorization: null, form: `${grant}&client_id=${clientId}&client_secret=${clientSecret}` },
    'invalid_client',
  ],
  ['the secret in the body, too', { form: `${grant}&client_secret=${clientSecret}` }, 'invalid_request'],
  ['no grant type', { form: 'scope=exchange' }, 'invalid_request'],
  ['an empty grant type', { form: 'grant_type=' }, 'invalid_request'],
  ['an empty body', { form: '' }, 'invalid_request'],
  ['no body', { form: '', contentType: null }, 'invalid_request'],
  ['a grant type twice', { form: `${grant}&${grant}` }, 'invalid_request'],
  ['a scope twice', { form: `${grant}&scope=exchange&scope=exchange` }, 'invalid_request'],
  ['an unknown parameter twice', { form: `${grant}&x=1&x=2` }, 'invalid_request'],
  [
    'JSON',
    { form: JSON.stringify({ grant_type: 'client_credentials' }), contentType: 'application/json' },
    'invalid_request',
  ],
  ['text', { contentType: 'text/plain' }, 'invalid_request'],
  ['a body of 20 KB', { form: `${grant}&x=${'x'.repeat(20_000)}` }, 'invalid_request'],
  ['the password grant', { form: 'grant_type=password&username=a&password=b' }, 'unsupported_grant_type'],
  ['a code', { form: 'grant_type=authorization_code&code=x' }, 'unsupported_grant_type'],
  ['a role that the client has not', { form: `${grant}&scope=admin` }, 'invalid_scope'],
  ['one scope too many', { form: `${grant}&scope=exchange+audit` }, 'invalid_scope'],
  ['an unknown scope', { form: `${grant}&scope=everything` }, 'invalid_scope'],
  ['a scope in capitals', { form: `${grant}&scope=EXCHANGE` }, 'invalid_scope'],
];

for (const [what, request, error] of refusals)
  await t.test(`refuses ${what}: ${error} (RFC 6749, 5.2)`, async (t) => {
    const response = await ask(request);
    const status = error === 'invalid_client' ? 401 : 400;
    t.match(response.json(), { error, error_description: /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/ });
    t.equal(response.statusCode, status);
    t.same(
      Object.keys(response.json<object>()).filter((name) => !/^error(_description|_uri)?$/.test(name)),
      [],
    );
    checkNotStored(t, response);
    if (status === 401) t.match(response.headers['www-authenticate'], /^Basic realm="/);
    t.notOk(response.body.includes(clientSecret));
  });

await t.test('tells nobody whether a client exists', async (t) => {
  const answers = [
    await ask({ authorization: basic(clientId, 'ovs_wrong') }),
    await ask({ authorization: basic('nobody', 'ovs_wrong') }),
  ];
  t.equal(answers[0]!.body, answers[1]!.body);
});

await t.test('answers another method on its address as every route does', async (t) => {
  const response = await app.inject({ method: 'GET', url: '/oauth/token' });
  t.match(response.json(), { status: 405, code: 'method-not-allowed' });
  t.equal(response.headers.allow, 'POST');
});

await t.test('enters nothing into the log for a token', async (t) => {
  const entries = await checkAuditLog(t, test);
  t.notOk(entries.some(({ consumer }) => consumer === 'civil-affairs'));
});
