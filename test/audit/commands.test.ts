import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import t from 'tap';
import { parseVerifierKey, verifierKey } from '../../src/audit/note.ts';
import { runCommand } from '../fixtures/command.ts';

const key = generateKeyPairSync('ed25519').privateKey;
const pem = (of: typeof key): string => of.export({ type: 'pkcs8', format: 'pem' }) as string;
const folder = t.testdir({
  'log.pem': pem(key),
  'other.pem': pem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
});
const settings = { LOG_ORIGIN: 'onevisit.test/audit', ONEVISIT_HOME: join(folder, 'none') };

await t.test('audit key prints the verifier key of the signing key', async (t) => {
  const env = { ...settings, LOG_KEY_FILE: join(folder, 'log.pem') };
  const { code, stdout } = await runCommand(['audit', 'key'], env);
  t.equal(code, 0);
  t.equal(stdout, `${verifierKey('onevisit.test/audit', key)}\n`);
  t.equal(parseVerifierKey(stdout.trim()).name, 'onevisit.test/audit');
  const json = await runCommand(['audit', 'key', '--json'], env);
  t.same(JSON.parse(json.stdout), { verifier_key: stdout.trim(), origin: 'onevisit.test/audit' });
});

for (const [what, env, reason] of [
  ['a key that is not there', {}, /LOG_KEY_FILE: cannot read .*none\/keys\/log\.pem \(ENOENT\)/],
  [
    'another kind of key',
    { LOG_KEY_FILE: join(folder, 'other.pem') },
    /LOG_KEY_FILE: .*other\.pem is not an Ed25519 private key/,
  ],
  ['no key file beside a database', { DATABASE_URL: 'postgresql://x/y' }, /LOG_KEY_FILE: required/],
] as const)
  await t.test(`audit key refuses ${what}`, async (t) => {
    const { code, stdout, stderr } = await runCommand(['audit', 'key'], { ...settings, ...env });
    t.equal(code, 1);
    t.equal(stdout, '');
    t.match(stderr, reason);
  });
