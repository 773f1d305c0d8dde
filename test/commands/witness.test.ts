import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { formatAddCheckpoint } from '../../src/transparency/add-checkpoint.ts';
import { leafHash } from '../../src/transparency/merkle.ts';
import { openNote, parseVerifierKey } from '../../src/transparency/note.ts';
import { signCheckpoint, verifierKey } from '../../src/transparency/node/sign.ts';
import { originHash } from '../../src/witness/state.ts';
import { runCommand, startCommand } from '../helpers/command.ts';
import { newFolder } from '../helpers/folder.ts';

const origin = 'onevisit.test/audit';
const key = generateKeyPairSync('ed25519').privateKey;
const log = verifierKey(origin, key);
const root = leafHash(Buffer.from('x'));
const note = signCheckpoint({ origin, size: 1, root }, key);
const body = formatAddCheckpoint({ oldSize: 0, proof: [], note });

await t.test(
  'onevisit witness cosigns, keeps what it has seen over a SIGKILL, and ends on SIGTERM',
  async (t) => {
    const env = { ONEVISIT_HOME: newFolder(t) };
    const args = ['witness', '--log', log, '--name', 'witness.test/w1', '--port', '0'];
    const first = startCommand(args, env);
    const [, url] = await first.says(/listens on (\S+);/);
    const [, verifier] = await first.says(/verifier key: (\S+)/);
    await first.says(/follows onevisit\.test\/audit: /);
    const good = await fetch(`${url}/add-checkpoint`, { method: 'POST', body });
    t.equal(good.status, 200);
    t.equal(openNote(note + (await good.text()), [parseVerifierKey(verifier!)]).signers.length, 1);
    for (const [path, init, status] of [
      ['/add-checkpoint', { method: 'POST', body: 'x' }, 400],
      ['/add-checkpoint', { method: 'POST', body: 'x'.repeat(70_000) }, 413],
      ['/add-checkpoint', {}, 404],
      ['/', {}, 404],
    ] as const)
      t.equal((await fetch(`${url}${path}`, init)).status, status);
    first.child.kill('SIGKILL');
    await first.ended;

    const second = startCommand(args, env);
    const [, again] = await second.says(/listens on (\S+);/);
    const [, sameKey] = await second.says(/verifier key: (\S+)/);
    t.equal(sameKey, verifier);
    const stale = await fetch(`${again}/add-checkpoint`, { method: 'POST', body });
    t.equal(stale.status, 409);
    t.equal(stale.headers.get('content-type'), 'text/x.tlog.size');
    t.equal(await stale.text(), '1\n');
    const kept = await (await fetch(`${again}/${originHash(origin)}/checkpoint`)).text();
    t.ok(kept.startsWith(note), 'auditors read what it has seen');
    second.child.kill('SIGTERM');
    t.equal((await second.ended).code, 0);
  },
);

const folder = newFolder(t);
writeFileSync(join(folder, 'none.pem'), 'x');
const good = { '--log': log, '--name': 'w', '--port': '0', '--state': folder };
for (const [what, changed, reason] of [
  ['a log that is none', { '--log': 'x' }, /--log does not hold: a verifier key is written/],
  [
    "a witness's key as a log's",
    { '--log': verifierKey('w', key, 'witness') },
    /--log: is the verifier key of a wit/,
  ],
  ['a name with a space', { '--name': 'a b' }, /--name does not hold: a name in a note has no space/],
  ['a port that is none', { '--port': 'x' }, /--port: "x" is not a port/],
  [
    'a key file that is none',
    { '--key': join(folder, 'none.pem') },
    /is not an Ed25519 private key in PEM form/,
  ],
  [
    'a key file that is not there',
    { '--key': join(folder, 'no.pem') },
    /cannot read or make .*no\.pem \(ENOENT\)/,
  ],
  [
    'an address that is not here',
    { '--host': '192.0.2.1' },
    /can't listen on 192\.0\.2\.1:0 \(EADDRNOTAVAIL\)/,
  ],
] as const)
  await t.test(`refuses ${what}`, async (t) => {
    const args = Object.entries({ ...good, ...changed }).flat();
    const { code, stdout, stderr } = await runCommand(['witness', ...args], { ONEVISIT_HOME: folder });
    t.equal(code, 1);
    t.equal(stdout, '');
    t.match(stderr, reason);
  });
