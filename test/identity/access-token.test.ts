import t from 'tap';
import { createHmac, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { SignJWT, UnsecuredJWT, type JWTHeaderParameters } from 'jose';
import type { LightMyRequestResponse } from 'fastify';
import { revokeClient } from '../../src/identity/departments-and-clients.ts';
import { keyId } from '../../src/base/keys.ts';
import { personaCitizens } from '../../src/sandbox/personas.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { askToken, newClient } from '../helpers/clients.ts';
import { startGateway } from '../helpers/gateway.ts';
import { actor, issuer, keys } from '../helpers/keys.ts';

const { id } = personaCitizens[0]!;
const test = await startGateway(t);
const { clientId } = await newClient(test);
const kid = keyId(keys.token);
const good: JWTHeaderParameters = { alg: 'ES256', typ: 'at+jwt', kid };

function seconds(): number {
  return Math.floor(test.clock.now().getTime() / 1000);
}

let forged = 0;
/** The claims of a good token; undefined leaves one out. */
function claims(changed: Record<string, unknown> = {}): Record<string, unknown> {
  const all = {
    iss: issuer,
    aud: issuer,
    sub: clientId,
    client_id: clientId,
    department: 'civil-affairs',
    scope: 'exchange',
    iat: seconds(),
    exp: seconds() + 600,
    jti: `forged-${++forged}`,
    ...changed,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function forge(changed: Record<string, unknown> = {}, header: JWTHeaderParameters = good): Promise<string> {
  return new SignJWT(claims(changed)).setProtectedHeader(header).sign(keys.token);
}

/** Writes a token that jose would refuse to write. */
function forgeByHand(header: object, payload: object, signer: (input: string) => Buffer): string {
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${signer(input).toString('base64url')}`;
}

const es256 = (input: string): Buffer =>
  sign('sha256', Buffer.from(input), { key: keys.token, dsaEncoding: 'ieee-p1363' });

function ask(token: string): Promise<LightMyRequestResponse> {
  return test.read('citizens', { id, fields: ['sex'] }, { token });
}

await t.test('takes a token with all that RFC 9068 asks, signed by the gateway’s key', async (t) => {
  t.equal((await ask(await forge())).statusCode, 200);
  t.equal((await ask(await forge({}, { ...good, typ: 'application/at+jwt' }))).statusCode, 200);
  t.equal((await ask(await forge({}, { ...good, typ: 'AT+JWT' }))).statusCode, 200);
  t.equal((await ask(forgeByHand(good, claims(), es256))).statusCode, 200, 'forging by hand works as such');
});

const publicKey = createPublicKey(keys.token);
const publicPem = publicKey.export({ type: 'spki', format: 'pem' }) as string;
const publicDer = publicKey.export({ type: 'spki', format: 'der' });
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const hs256 = (secret: string | Buffer) => (input: string) =>
  createHmac('sha256', secret).update(input).digest();

const invalid: [what: string, token: () => string | Promise<string>][] = [
  ['issued an hour ahead', () => forge({ iat: seconds() + 3600, exp: seconds() + 4200 })],
  ['that lives ten years', () => forge({ exp: seconds() + 10 * 365 * 86_400 })],
  ['that lives a second too long', () => forge({ exp: seconds() + 601 })],
  ['for a list of audiences', () => forge({ aud: [issuer] })],
  ['for this audience and others', () => forge({ aud: [issuer, 'https://elsewhere.example'] })],
  ['for another audience', () => forge({ aud: 'https://elsewhere.example' })],
  ['for no audience', () => forge({ aud: undefined })],
  ['of another issuer', () => forge({ iss: `${issuer}/` })],
  ['of no issuer', () => forge({ iss: undefined })],
  ['with a number as subject', () => forge({ sub: 7, client_id: 7 })],
  ['without a subject', () => forge({ sub: undefined, client_id: undefined })],
  ['with an empty subject', () => forge({ sub: '', client_id: '' })],
  ['whose subject is not its client', () => forge({ sub: 'someone' })],
  ['of a client that there is not', () => forge({ sub: 'someone', client_id: 'someone' })],
  ['of another department', () => forge({ department: 'taxation' })],
  ['without a department', () => forge({ department: undefined })],
  ['without a scope', () => forge({ scope: undefined })],
  ['with a list of scopes', () => forge({ scope: ['exchange'] })],
  ['with a scope that the client has not', () => forge({ scope: 'exchange admin' })],
  ['that never expires', () => forge({ exp: undefined })],
  ['that expires as text', () => forgeByHand(good, claims({ exp: '9999999999' }), es256)],
  ['never issued', () => forge({ iat: undefined })],
  ['that expired before it was issued', () => forge({ iat: seconds(), exp: seconds() - 1 })],
  ['that is not valid yet', () => forge({ nbf: seconds() + 300 })],
  ['of the type JWT', () => forge({}, { ...good, typ: 'JWT' })],
  ['without a type', () => forge({}, { alg: 'ES256', kid })],
  ['of an unknown key', () => forge({}, { ...good, kid: 'unknown' })],
  ['without a key id', () => forge({}, { alg: 'ES256', typ: 'at+jwt' })],
  [
    'with a critical header',
    () => forgeByHand({ ...good, crit: ['exp'], exp: seconds() + 60 }, claims(), es256),
  ],
  ['with an unknown critical header', () => forgeByHand({ ...good, crit: ['x'], x: 1 }, claims(), es256)],
  ['without a signature', () => new UnsecuredJWT(claims()).encode()],
  ['with alg none and our kid', () => forgeByHand({ ...good, alg: 'none' }, claims(), () => Buffer.alloc(0))],
  ['with an empty signature', () => forgeByHand(good, claims(), () => Buffer.alloc(0))],
  ['with a signature of zeros', () => forgeByHand(good, claims(), () => Buffer.alloc(64))],
  [
    'HMACed by our public key (PEM)',
    () => forgeByHand({ ...good, alg: 'HS256' }, claims(), hs256(publicPem)),
  ],
  [
    'HMACed by our public key (DER)',
    () => forgeByHand({ ...good, alg: 'HS256' }, claims(), hs256(publicDer)),
  ],
  ['HMACed under the name ES256', () => forgeByHand(good, claims(), hs256(publicPem))],
  [
    'signed in DER',
    () => forgeByHand(good, claims(), (input) => sign('sha256', Buffer.from(input), keys.token)),
  ],
  ['signed by a stranger', () => new SignJWT(claims()).setProtectedHeader(good).sign(stranger)],
  [
    'that brings its own key',
    () => {
      const jwk = createPublicKey(stranger).export({ format: 'jwk' });
      const header = { ...good, jwk, jku: 'http://127.0.0.1:1/jwks' };
      return forgeByHand(header, claims(), (input) =>
        sign('sha256', Buffer.from(input), { key: stranger, dsaEncoding: 'ieee-p1363' }),
      );
    },
  ],
  ['of 5 KB', () => forge({ more: 'x'.repeat(5000) })],
  ['whose claims are a list', () => forgeByHand(good, [claims()], es256)],
  ['cut short', async () => (await forge()).slice(0, -10)],
  ['with a fourth part', async () => `${await forge()}.x`],
];

for (const [what, make] of invalid)
  await t.test(`refuses a token ${what}`, async (t) => {
    const response = await ask(await make());
    t.match(response.json(), { status: 401, code: 'token-invalid' });
    t.equal(response.statusCode, 401);
    t.match(response.headers['www-authenticate'], /^Bearer realm="onevisit", error="invalid_token"/);
    t.notOk(response.headers['exchange-entry']);
  });

await t.test('refuses a token with one character of its signature or claims changed', async (t) => {
  const token = await forge();
  t.equal((await ask(token)).statusCode, 200, 'the whole token is good, and is remembered as good');
  const [header, payload, signature] = token.split('.') as [string, string, string];
  const changed = (part: string, at: number): string =>
    part.slice(0, at) + (part[at] === 'A' ? 'B' : 'A') + part.slice(at + 1);
  for (const at of [0, 20, 43, 84])
    t.match((await ask(`${header}.${payload}.${changed(signature, at)}`)).json(), { code: 'token-invalid' });
  for (const at of [0, 20, payload.length >> 1])
    t.match((await ask(`${header}.${changed(payload, at)}.${signature}`)).json(), { code: 'token-invalid' });
  t.match((await ask(`${changed(header, 5)}.${payload}.${signature}`)).json(), { code: 'token-invalid' });
});

await t.test('passes over a clock that is a little behind', async (t) => {
  t.equal((await ask(await forge({ iat: seconds() + 30, exp: seconds() + 600 }))).statusCode, 200);
});

await t.test('refuses a token that has expired, seen before or not: token-expired', async (t) => {
  const seen = await forge();
  const unseen = await forge();
  for (let i = 0; i < 3; i++) t.equal((await ask(seen)).statusCode, 200, 'the same token again');
  test.clock.advance(599_000);
  t.equal((await ask(seen)).statusCode, 200, 'to its last second');
  test.clock.advance(2_000);
  for (const token of [seen, unseen, seen]) {
    const response = await ask(token);
    t.match(response.json(), { status: 401, code: 'token-expired' });
    t.match(response.headers['www-authenticate'], /error="invalid_token", error_description="[^"]*expired/);
  }
});

await t.test('says of a token both expired and forged only that it is not valid', async (t) => {
  const token = await forge({ iat: seconds() - 1200, exp: seconds() - 600 }, { ...good, kid: 'unknown' });
  t.match((await ask(token)).json(), { code: 'token-invalid' });
});

await t.test('refuses the tokens of a client from its revocation on, remembered ones too', async (t) => {
  const client = await newClient(test);
  const response = await askToken(test.app, client);
  const token = response.json<{ access_token: string }>().access_token;
  t.equal((await ask(token)).statusCode, 200);
  await revokeClient(test.database, actor, client.clientId);
  const after = await ask(token);
  t.match(after.json(), { status: 401, code: 'token-invalid' });
  t.notOk(after.headers['exchange-entry']);
  t.equal((await ask(await forge())).statusCode, 200, 'and no others');
});

await t.test('has no entry of a token that was refused', async (t) => {
  const entries = await checkAuditLog(t, test);
  t.notOk(entries.some(({ outcome }) => outcome === 'refused'));
});
