import { spawnSync } from 'node:child_process';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';

const program = join(import.meta.dirname, '..', 'src', 'onevisit.js');
/** Without what tap would have Node load. */
const { NODE_OPTIONS: _, NODE_COMPILE_CACHE: _cache, ...env } = process.env;

for (const version of ['20.20.2', '24.2.0'])
  await t.test(`says which Node it needs, under ${version}`, (t) => {
    const older = `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '${version}' })`;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', older, program, 'serve', '--help'],
      { env, encoding: 'utf8' },
    );
    t.equal(status, 1);
    t.match(
      stderr,
      /^onevisit needs Node 24.3 or later, and this is v[\d.]+: npm ci brings it, and npx onevisit runs it\n$/,
    );
    t.equal(stdout, '');
    t.end();
  });

/** A program of one file, started as the gateway is, that says what it is and whether Node had to strip its types. */
function newProgram(t: Test, nodeModules: Record<string, string>): { folder: string; start: () => string } {
  const folder = t.testdir({
    'package.json': '{ "type": "module" }',
    src: { 'cli.ts': programSaying('first') },
    node_modules: nodeModules,
  });
  copyFileSync(program, join(folder, 'src', 'onevisit.js'));
  return {
    folder,
    start() {
      const { stdout, stderr } = spawnSync(process.execPath, [join(folder, 'src', 'onevisit.js')], {
        env,
        encoding: 'utf8',
      });
      return stdout + stderr;
    },
  };
}

function programSaying(what: string): string {
  return `
    const stripped: boolean = process.moduleLoadList.some((name: string) => name.includes('internal/deps/amaro'));
    console.log('${what}', stripped ? 'stripped' : 'cached');
    export const runCli = (): Promise<number> => Promise.resolve(0);
  `;
}

await t.test('strips types once after each change', (t) => {
  const { folder, start } = newProgram(t, {});
  t.equal(start(), 'first stripped\n');
  t.equal(start(), 'first cached\n');
  writeFileSync(join(folder, 'src', 'cli.ts'), programSaying('second'));
  t.equal(start(), 'second stripped\n');
  t.equal(start(), 'second cached\n');
  t.end();
});

await t.test('starts where nothing can be kept', (t) => {
  const { start } = newProgram(t, { '.cache': 'a file, where a folder would be' });
  t.equal(start(), 'first stripped\n');
  t.equal(start(), 'first stripped\n');
  t.end();
});
