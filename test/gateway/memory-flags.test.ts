import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import manifest from '../../package.json' with { type: 'json' };

function read(file: string): string {
  return readFileSync(join(import.meta.dirname, '..', '..', file), 'utf8');
}

const [setting, ...startedBy] = manifest.scripts.start.split(' ');
const started = startedBy.filter((word) => word.startsWith('--'));

await t.test('bounds the memory of a gateway, however it is started', (t) => {
  t.equal(setting, 'MALLOC_ARENA_MAX=1');
  t.strictSame(
    started.map((flag) => flag.split('=')[0]),
    [
      '--max-semi-space-size',
      '--heap-growing-percent',
      '--no-parallel-scavenge',
      '--no-allocation-site-pretenuring',
      '--no-separate-gc-phases',
      '--v8-pool-size',
    ],
  );
  const shebang = read('src/onevisit.js').split('\n', 1)[0]!;
  t.equal(shebang, `#!/usr/bin/env -S ${setting} node ${started.join(' ')}`, 'as the command onevisit');
  const command = /^CMD (.*)$/m.exec(read('Dockerfile'))?.[1];
  t.ok(/^ENV (.*)$/m.exec(read('Dockerfile'))![1]!.split(' ').includes(setting!));
  t.strictSame(JSON.parse(command!), ['node', ...started, 'src/onevisit.js', 'serve'], 'in its image');
  t.end();
});
