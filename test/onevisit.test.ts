import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';

const program = join(import.meta.dirname, '..', 'src', 'onevisit.js');

for (const version of ['20.20.2', '24.1.0'])
  await t.test(`says which Node it needs, under ${version}`, (t) => {
    const older = `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '${version}' })`;
    const { NODE_OPTIONS: _, ...env } = process.env;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', older, program, 'serve', '--help'],
      { env, encoding: 'utf8' },
    );
    t.equal(status, 1);
    t.match(
      stderr,
      /^onevisit needs Node 24.2 or later, and this is v[\d.]+: npm ci brings it, and npx onevisit runs it\n$/,
    );
    t.equal(stdout, '');
    t.end();
  });
