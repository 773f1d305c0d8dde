import {
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
} from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { fingerprint, homeKeyFiles, keyId, makeMissingKeys, readKeys } from '../../src/base/keys.ts';

/** The content of every file in a folder, by name. */
function contents(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
  );
}

await t.test('makes every key of a home, for its owner alone', async (t) => {
  const home = t.testdir();
  makeMissingKeys(home);
  const folder = join(home, 'keys');
  t.same(readdirSync(folder).sort(), [
    'audit-office.private.pem',
    'audit-office.public.pem',
    'log-secret',
    'log.pem',
    'token.pem',
  ]);
  t.equal(statSync(folder).mode & 0o777, 0o700);
  for (const name of readdirSync(folder)) t.equal(statSync(join(folder, name)).mode & 0o777, 0o600, name);
  const { keys, faults } = readKeys(homeKeyFiles(home));
  t.same(faults, []);
  t.ok(keys);
});

await t.test('keeps the keys that are there', async (t) => {
  const home = t.testdir();
  makeMissingKeys(home);
  const before = contents(join(home, 'keys'));
  makeMissingKeys(home);
  t.same(contents(join(home, 'keys')), before);

  rmSync(homeKeyFiles(home).TOKEN_KEY_FILE);
  makeMissingKeys(home);
  const after = contents(join(home, 'keys'));
  t.not(after['token.pem'], before['token.pem']);
  t.same({ ...after, 'token.pem': '' }, { ...before, 'token.pem': '' }, 'only what was missing is made');
});

await t.test('makes other keys for another home', async (t) => {
  const homes = [t.testdir({ a: {}, b: {} })].flatMap((folder) => [join(folder, 'a'), join(folder, 'b')]);
  homes.forEach(makeMissingKeys);
  const [a, b] = homes.map((home) => contents(join(home, 'keys')));
  for (const name of Object.keys(a!)) t.not(a![name], b![name], name);
});

await t.test("gives the audit office the private key of the gateway's public one", async (t) => {
  const home = t.testdir();
  makeMissingKeys(home);
  const office = createPrivateKey(readFileSync(join(home, 'keys', 'audit-office.private.pem')));
  const publicKey = readKeys(homeKeyFiles(home)).keys!.auditPublic;
  const sender = generateKeyPairSync('x25519');
  t.same(
    diffieHellman({ privateKey: office, publicKey: sender.publicKey }),
    diffieHellman({ privateKey: sender.privateKey, publicKey }),
  );
});

await t.test('reports every fault of the key files at once', async (t) => {
  const home = t.testdir();
  makeMissingKeys(home);
  const files = homeKeyFiles(home);
  rmSync(files.TOKEN_KEY_FILE);
  writeFileSync(files.LOG_SECRET_FILE, 'short');
  const { keys, faults } = readKeys(files);
  t.equal(keys, null);
  t.match(faults, [
    /^TOKEN_KEY_FILE: cannot read .*ENOENT/,
    /^LOG_SECRET_FILE: .* is not a secret of 32 bytes/,
  ]);
  t.equal(faults.length, 2);
});

await t.test('names a key by the hash of its public form', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const hash = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest();
  t.equal(keyId(publicKey), hash.subarray(0, 16).toString('base64url'));
  t.equal(keyId(privateKey), keyId(publicKey), 'private and public key bear one name');
  t.equal(keyId(createPublicKey(privateKey)), keyId(publicKey));
  t.not(keyId(generateKeyPairSync('ed25519').publicKey), keyId(publicKey));
  t.match(keyId(publicKey), /^[\w-]{22}$/);
});

await t.test('names secret bytes without telling them', async (t) => {
  const secret = Buffer.alloc(32, 7);
  t.match(fingerprint(secret), /^[\w-]{22}$/);
  t.equal(fingerprint(secret), fingerprint(Buffer.from(secret)));
  t.not(fingerprint(secret), fingerprint(Buffer.alloc(32, 8)));
  t.notOk(secret.toString('base64url').includes(fingerprint(secret)));
});
