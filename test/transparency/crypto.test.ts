import { execFile } from 'node:child_process';
import { generateKeyPairSync, hash, sign } from 'node:crypto';
import { promisify } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import * as browser from '../../src/transparency/crypto-browser.ts';
import * as node from '../../src/transparency/node/crypto-node.ts';
import known from '../fixtures/signed-note.json' with { type: 'json' };

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const rawKey = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);

for (const [name, { sha256Into, ed25519Check }] of Object.entries({ node, browser })) {
  await t.test(`hashes as SHA-256 does, in ${name}`, (t) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(40), (bytes, at) => {
        const to = new Uint8Array(80).fill(7);
        sha256Into(bytes, to, at);
        const around = [...to.subarray(0, at), ...to.subarray(at + 32)];
        return (
          Buffer.from(to.subarray(at, at + 32)).toString('hex') === hash('sha256', bytes) &&
          around.every((byte) => byte === 7)
        );
      }),
    );
    t.end();
  });

  await t.test(`tells Ed25519 signatures that hold from others, in ${name}`, (t) => {
    const check = ed25519Check(rawKey);
    const message = Buffer.from('a message');
    const signature = sign(null, message, privateKey);
    t.ok(check(message, signature));
    t.notOk(check(Buffer.from('a massage'), signature));
    t.notOk(check(message, signature.subarray(1)));
    t.notOk(check(message, Buffer.concat([signature, Buffer.of(0)])));
    for (let bit = 0; bit < 512; bit++) {
      const flipped = Buffer.from(signature);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      t.notOk(check(message, flipped));
    }
    t.end();
  });
}

// What a browser lacks is taken away before the verifier is loaded with the browser's condition.
const inBrowser = `
  delete globalThis.Buffer;
  delete globalThis.process;
  const { openNote, parseVerifierKey } = await import('./src/transparency/note.ts');
  const { verifyLog } = await import('./src/transparency/verify-log.ts');
  const { tilesSource } = await import('./src/transparency/tiles-source.ts');
  const { verifyProof } = await import('./src/transparency/proof.ts');
  const known = ${JSON.stringify(known)};
  const { signers } = openNote(known.text + '\\n' + known.signatures, [parseVerifierKey(known.verifier_key)]);
  const verdict = await verifyLog(tilesSource(() => Promise.resolve(null)), { verifiers: [] }).catch(String);
  console.log(signers[0].name, typeof verifyProof, verdict);
`;

await t.test('the verifier runs without anything of Node', async (t) => {
  // By env: the test runner puts hooks of its own into every process that a test starts.
  const { stdout } = await promisify(execFile)(
    'env',
    ['-i', process.execPath, '--conditions=browser', '--input-type=module', '--eval', inBrowser],
    { cwd: `${import.meta.dirname}/../..` },
  );
  t.match(stdout, /^PeterNeumann function .*no checkpoint/);
});
