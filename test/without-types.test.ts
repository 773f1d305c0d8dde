import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';

const compiler = 'internal/deps/amaro';

/** A program of two files, started by the gateway's own means, that says what it is and whether Node has its compiler. */
function newProgram(t: Test): { folder: string; copies: string; start(...flags: string[]): string } {
  const folder = t.testdir({
    'package.json': '{ "type": "module" }',
    src: { 'cli.ts': programSaying('first'), 'said.ts': 'export type Said = string;\n' },
    migrations: {},
  });
  for (const name of ['onevisit.js', 'without-types.js'])
    copyFileSync(join(import.meta.dirname, '..', 'src', name), join(folder, 'src', name));
  return {
    folder,
    copies: join(folder, 'node_modules', '.cache', 'onevisit'),
    start(...flags) {
      // Without what tap would have it load.
      const command = ['-u', 'NODE_OPTIONS', process.execPath, ...flags, join(folder, 'src', 'onevisit.js')];
      const ended = spawnSync('env', command, { encoding: 'utf8' });
      if (ended.status !== 0) throw new Error(ended.stderr);
      return ended.stdout.trim();
    },
  };
}

function programSaying(what: string): string {
  return `
    import type { Said } from './said.ts';
    const compiler: boolean = process.moduleLoadList.some((name: string) => name.includes('${compiler}'));
    console.log('${what}' satisfies Said, compiler ? 'with' : 'without', 'the compiler');
  `;
}

function readCopies(folder: string): Map<string, string> {
  return new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

await t.test('starts without the compiler of types, the first time too', (t) => {
  const program = newProgram(t);
  t.equal(program.start(), 'first without the compiler');
  t.equal(readdirSync(program.copies).length, 2, 'each file has a copy');
  t.equal(program.start(), 'first without the compiler');
  t.end();
});

await t.test('imports what was changed, and keeps copies of what was for a month', (t) => {
  const program = newProgram(t);
  program.start();
  const before = readdirSync(program.copies);
  writeFileSync(join(program.folder, 'src', 'cli.ts'), programSaying('second'));
  t.equal(program.start(), 'second without the compiler');
  t.equal(readdirSync(program.copies).length, 3, 'others may use it');
  const longAgo = new Date(Date.now() - 31 * 24 * 60 * 60 * 1000);
  for (const name of before) utimesSync(join(program.copies, name), longAgo, longAgo);
  writeFileSync(join(program.folder, 'src', 'cli.ts'), programSaying('third'));
  t.equal(program.start(), 'third without the compiler');
  const copies = [...readCopies(program.copies).values()];
  t.equal(copies.length, 3, 'of said.ts, which is unchanged, of the second and of the third');
  t.notOk(copies.some((copy) => copy.includes('first')));
  const untouched = readdirSync(program.copies).filter(
    (name) => statSync(join(program.copies, name)).mtimeMs === longAgo.getTime(),
  );
  t.equal(untouched.length, 1, 'what is unchanged is not made again');
  t.end();
});

for (const [what, damage] of Object.entries({
  'was not written to its end': (text: string) => text.slice(0, text.length >> 1),
  'is empty': () => '',
  'says something else': (text: string) => text.replace('first', 'forged'),
}))
  await t.test(`makes a copy again that ${what}`, (t) => {
    const program = newProgram(t);
    program.start();
    const whole = readCopies(program.copies);
    for (const [name, text] of whole) writeFileSync(join(program.copies, name), damage(text));
    t.equal(program.start(), 'first without the compiler');
    t.strictSame(readCopies(program.copies), whole);
    t.end();
  });

await t.test('copies what it can, whatever else lies beside it', (t) => {
  const program = newProgram(t);
  writeFileSync(join(program.folder, 'src', 'a.ts'), 'enum NotErasable { A }');
  t.equal(program.start(), 'first without the compiler');
  t.end();
});

await t.test('starts where it may start no process of its own', (t) => {
  const program = newProgram(t);
  t.equal(program.start('--permission', '--allow-fs-read=*'), 'first with the compiler');
  t.end();
});

await t.test('starts with the compiler where no copies can be written', (t) => {
  const program = newProgram(t);
  mkdirSync(join(program.folder, 'node_modules'));
  writeFileSync(join(program.folder, 'node_modules', '.cache'), 'a file, where a folder would be');
  t.equal(program.start(), 'first with the compiler');
  rmSync(join(program.folder, 'node_modules', '.cache'));
  t.equal(program.start(), 'first without the compiler');
  t.end();
});
