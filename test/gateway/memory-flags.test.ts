import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import t from 'tap';
import manifest from '../../package.json' with { type: 'json' };

const root = join(import.meta.dirname, '..', '..');

await t.test('bounds the memory of a gateway, however it is started', (t) => {
  const program = manifest.bin.onevisit;
  const [shebang] = readFileSync(join(root, program), 'utf8').split('\n', 1);
  t.equal(shebang, '#!/usr/bin/env -S node --max-semi-space-size=8 --heap-growing-percent=30');
  t.equal(manifest.scripts.start, `${program} serve`, 'by npm start');
  const command = /^CMD (.*)$/m.exec(readFileSync(join(root, 'Dockerfile'), 'utf8'))?.[1];
  t.strictSame(JSON.parse(command!), [program, 'serve'], 'in its image');
  t.end();
});

await t.test('runs as a program of its own', (t) => {
  const env = { PATH: [dirname(process.execPath), process.env.PATH].join(delimiter) };
  const { stdout, stderr } = spawnSync(join(root, manifest.bin.onevisit), ['--version'], {
    env,
    encoding: 'utf8',
  });
  t.same({ stdout, stderr }, { stdout: `${manifest.version}\n`, stderr: '' });
  t.end();
});
