import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { leafHash, rootOf } from '../../src/transparency/merkle.ts';
import { formatProof } from '../../src/transparency/proof.ts';
import { parseVerifierKey } from '../../src/transparency/note.ts';
import { runCommand } from '../helpers/command.ts';
import { signCheckpoint, verifierKey } from '../../src/transparency/node/sign.ts';

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

const entry = { kind: 'exchange', body: '' };
const salt = randomBytes(32);
const body = Buffer.from('{"name":"王小明"}');
entry.body = createHash('sha256').update('onevisit-body/1\0').update(salt).update(body).digest('base64url');
const bytes = Buffer.from(JSON.stringify(entry));
const leaves = [leafHash(Buffer.from('other')), leafHash(bytes)];
const origin = 'onevisit.test/audit';
const proof = formatProof({
  index: 1,
  hashes: [leaves[0]!],
  checkpoint: signCheckpoint({ origin, size: 2, root: rootOf(leaves) }, key),
});
const receipt = { entry: bytes.toString('base64'), proof, salt: salt.toString('base64') };
const files = {
  'receipt.json': JSON.stringify(receipt),
  'saltless.json': JSON.stringify({ ...receipt, salt: undefined }),
  'altered.json': JSON.stringify({
    ...receipt,
    entry: Buffer.from('{"kind":"exchange"}').toString('base64'),
  }),
  'none.json': '{"entry":"王"}',
  'body.json': body,
  'other-body.json': '{"name":"王小红"}',
};
for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
const verify = (...args: string[]): ReturnType<typeof runCommand> =>
  runCommand(
    [
      'audit',
      'verify',
      ...(args.includes('--key') ? [] : ['--key', verifierKey(origin, key)]),
      ...args.map((arg) => (arg.endsWith('.json') ? join(folder, arg) : arg)),
    ],
    settings,
  );

await t.test('audit verify says that a receipt holds, and that the body is what was sent', async (t) => {
  const alone = await verify('--receipt', 'receipt.json');
  t.equal(alone.stdout, 'entry 1 is in the log, under a signed checkpoint of 2 entries\n');
  const both = await verify('--receipt', 'receipt.json', '--body', 'body.json');
  t.match(both.stdout, /\nthe body is the one that was sent\n$/);
  const given = await verify(
    '--receipt',
    'saltless.json',
    '--body',
    'body.json',
    '--salt',
    receipt.salt,
    '--json',
  );
  t.same(JSON.parse(given.stdout), { index: 1, size: 2, body: true });
  const own = await runCommand(['audit', 'verify', '--receipt', join(folder, 'receipt.json')], {
    ...settings,
    LOG_KEY_FILE: join(folder, 'log.pem'),
  });
  t.equal(own.code, 0, 'by the own key file');
});

for (const [what, args, reason] of [
  [
    'an altered entry',
    ['--receipt', 'altered.json'],
    /the receipt does not hold: the checkpoint of 2 entries does not hold this entry at index 1/,
  ],
  ['a file that is no receipt', ['--receipt', 'none.json'], /none\.json: is no receipt/],
  [
    'a file that is not there',
    ['--receipt', 'missing.json'],
    /--receipt: cannot read .*missing\.json \(ENOENT\)/,
  ],
  [
    'another body',
    ['--receipt', 'receipt.json', '--body', 'other-body.json'],
    /other-body\.json: is not the body that was sent/,
  ],
  [
    'another salt',
    ['--receipt', 'receipt.json', '--body', 'body.json', '--salt', Buffer.alloc(32).toString('base64')],
    /is not the body that was sent/,
  ],
  [
    'a salt that is none',
    ['--receipt', 'receipt.json', '--body', 'body.json', '--salt', 'x'],
    /--salt: is not 32 bytes/,
  ],
  ['no salt', ['--receipt', 'saltless.json', '--body', 'body.json'], /--salt: required/],
  [
    "another log's key",
    ['--receipt', 'receipt.json', '--key', verifierKey('other.test/audit', key)],
    /nobody who is known has signed/,
  ],
  ['a key that is none', ['--receipt', 'receipt.json', '--key', 'x'], /a verifier key is written/],
] as const)
  await t.test(`audit verify refuses ${what}`, async (t) => {
    const { code, stdout, stderr } = await verify(...args);
    t.equal(code, 1);
    t.equal(stdout, '');
    t.match(stderr, reason);
    t.notMatch(stderr, /王/, 'no personal data in a message');
  });
