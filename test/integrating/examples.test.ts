import { chmodSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { runCommand } from '../helpers/command.ts';
import { newFolder } from '../helpers/folder.ts';
import { createHome, startSandbox } from '../helpers/sandbox.ts';
import { startFickleGateway, type Refusal } from '../helpers/fickle-gateway.ts';
import {
  generatorProgram,
  listTypeErrors,
  prepareProject,
  root,
  runProgram,
  type ProgramEnd,
} from '../helpers/project.ts';

const document = readFileSync(join(root, 'docs', 'integrating.md'), 'utf8');
const home = createHome(t);
const sandbox = await startSandbox(t, home);
const folder = newFolder(t);
prepareProject(folder);
symlinkSync(home, join(folder, '.onevisit'));
const env: Record<string, string> = { LC_ALL: 'C.UTF-8', PATH: `${putPrograms()}:${process.env.PATH}` };

/** The blocks of code in one language, as they stand. */
function blocksOf(language: string): string[] {
  const blocks = document.matchAll(/^```(\w*)\n([^]*?)^```$/gm);
  return [...blocks].filter((block) => block[1] === language).map((block) => block[2]!);
}

/** What `npx` brings by the network elsewhere is here already. Gives the folder of the programs. */
function putPrograms(): string {
  const folder = newFolder(t);
  const programs = { onevisit: join(root, 'src', 'onevisit.js'), 'openapi-typescript': generatorProgram };
  const cases = Object.entries(programs).map(([name, file]) => `${name}) shift; exec node '${file}' "$@";;`);
  writeFileSync(join(folder, 'npx'), `#!/bin/sh\ncase "$1" in ${cases.join(' ')} esac\nexit 127\n`);
  chmodSync(join(folder, 'npx'), 0o755);
  symlinkSync(process.execPath, join(folder, 'node'));
  return folder;
}

const missing = new Set<string>();
for (const program of ['bash', 'curl', 'python3', 'java']) {
  const asked = program === 'java' ? '--list-modules' : '--version';
  const { code, stdout } = await runProgram(program, [asked], { cwd: folder, env });
  // Java compiles an example where its compiler is there as well.
  const isOld = program === 'java' && !(Number(/jdk\.compiler@(\d+)/.exec(stdout)?.[1]) >= 17);
  if (code !== 0 || isOld) missing.add(program);
}

/** What a machine need not have, unless ONEVISIT_TEST_PROGRAMS says so: without it the test is skipped. */
function needing(...programs: string[]): { skip?: string } {
  const lacking = programs.filter((program) => missing.has(program));
  if (lacking.length === 0 || process.env.ONEVISIT_TEST_PROGRAMS === 'required') return {};
  return { skip: `missing on this machine: ${lacking.join(', ').replace('java', 'JDK 17')}` };
}

const [whoAsks] = blocksOf('sh');
const [receipt, bash] = blocksOf('bash');
const printed = [...bash!.matchAll(/# ((?:read|batch|verify|search|refused): .+)$/gm)].map(
  (match) => match[1],
);

await t.test('takes who asks from sandbox.json, as it says', async (t) => {
  const names = ['ONEVISIT_URL', 'CLIENT_ID', 'CLIENT_SECRET'];
  const { stdout, stderr } = await runProgram(
    'sh',
    ['-ec', `${whoAsks}printf '%s\\n' ${names.map((name) => `"$${name}"`).join(' ')}`],
    { cwd: folder, env },
  );
  t.equal(stderr, '');
  t.match(stdout, new RegExp(`^${sandbox.baseUrl}\n\\S+\novs_\\S+\n$`));
  for (const [i, value] of stdout.trimEnd().split('\n').entries()) env[names[i]!] = value;
});

await t.test('its TypeScript compiles with the types that it generates', async (t) => {
  const [code] = blocksOf('ts');
  writeFileSync(join(folder, 'ask.ts'), code!);
  const [generate] = /npx openapi-typescript .+/.exec(code!)!;
  const { code: ended, stderr } = await runProgram('sh', ['-ec', generate], { cwd: folder, env });
  t.equal(ended, 0, stderr);
  t.same(await listTypeErrors(folder), []);
});

const examples = [
  { language: 'bash', file: 'ask.sh', program: 'bash', needs: ['bash', 'curl'] },
  { language: 'ts', file: 'ask.ts', program: 'node', needs: [] },
  { language: 'python', file: 'ask.py', program: 'python3', needs: ['python3'] },
  { language: 'java', file: 'Ask.java', program: 'java', needs: ['java'] },
];
for (const { language, file, program, needs } of examples)
  await t.test(`its example in ${language} prints what it says`, needing(...needs), async (t) => {
    writeFileSync(join(folder, file), blocksOf(language).at(-1)!);
    t.ok(document.includes(`\`${program} ${file}\``), 'by the command that it names');
    const { code, stdout, stderr } = await runProgram(program, [file], { cwd: folder, env });
    t.same({ code, stderr }, { code: 0, stderr: '' });
    t.equal(printed.length, 5);
    t.same(stdout.trimEnd().split('\n'), printed);
  });

const runnable = examples.filter(({ needs }) => !needs.some((one) => missing.has(one)));

/** Runs every example that can be, each on a gateway of its own that refuses the first data requests. */
function runAll(
  t: Test,
  refusalsOf: (language: string) => readonly Refusal[],
  settings: Record<string, string> = {},
): Promise<(ProgramEnd & { language: string; asked: Map<string, number> })[]> {
  return Promise.all(
    runnable.map(async ({ language, file, program }) => {
      const { baseUrl, asked } = await startFickleGateway(t, sandbox.baseUrl, refusalsOf(language));
      const given = { ...env, ONEVISIT_URL: baseUrl, ...settings };
      return { ...(await runProgram(program, [file], { cwd: folder, env: given })), language, asked };
    }),
  );
}

const expired = { status: 401, code: 'token-expired' };
const overloaded = { status: 503, code: 'overloaded', retryAfterSeconds: 1 };
const usedUp = { status: 429, code: 'quota-exceeded', retryAfterSeconds: 3600 };

await t.test('its examples ask again where it says so', async (t) => {
  // A script is over before its token is.
  const refusalsOf = (language: string): Refusal[] =>
    language === 'bash' ? [overloaded] : [expired, overloaded];
  for (const { language, code, stdout, stderr, asked } of await runAll(t, refusalsOf)) {
    t.equal(code, 0, stderr);
    t.same(stdout.trimEnd().split('\n'), printed, language);
    t.equal(asked.get('/oauth/token'), refusalsOf(language).length, `a new token in ${language}`);
    t.equal(asked.get('/v2/citizens/read'), 2 + refusalsOf(language).length, language);
  }
});

await t.test('its examples give up where it says so', async (t) => {
  for (const { language, code, stdout, asked } of await runAll(t, () => [usedUp])) {
    t.not(code, 0, language);
    t.equal(stdout, '', language);
    t.equal(asked.get('/v2/citizens/read'), 1, language);
  }
});

await t.test('its examples say why when they are refused a token', async (t) => {
  for (const { language, code, stdout, stderr } of await runAll(t, () => [], { CLIENT_SECRET: 'wrong' })) {
    t.not(code, 0, language);
    t.equal(stdout, '', language);
    t.match(stderr, /401|no token/, language);
  }
});

await t.test('what it keeps is proved later', needing('bash', 'curl'), async (t) => {
  const { code, stdout, stderr } = await runProgram('bash', ['-ec', receipt!], { cwd: folder, env });
  t.equal(code, 0, stderr);
  t.match(
    stdout,
    /^entry \d+ is in the log, under a signed checkpoint[^\n]+\nthe body is the one that was sent\n$/,
  );
});

await t.test('leaves a whole audit log', async (t) => {
  t.match(await runCommand(['audit', 'verify'], { ONEVISIT_HOME: home }), { code: 0 });
});
