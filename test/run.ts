/**
 * Runs the test suite, or the files and folders that are its arguments (`npm test -- test/exchange`), each file in a
 * process of its own. A PostgreSQL starts when the first test asks for it; all that was logged is then searched for
 * personal data. With one file its whole output is shown, with several that of those that failed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { EmbeddedServer } from '../src/db/embedded.ts';
import { offerServer } from './helpers/server.ts';

const jobs = 3;
/** A file that takes longer on a machine that is busy with other things has most likely come to a stop. */
const timeoutSeconds = 480;
/** Those that take longest begin first, so that the run does not wait for one of them at its end. */
const longest = [
  'test/http/gate.test.ts',
  'test/integrating/examples.test.ts',
  'test/audit/publishing/publish-stage.test.ts',
  'test/stress/stress.test.ts',
  'test/gateway/serve.test.ts',
  'test/bench/bench.test.ts',
];

const root = join(import.meta.dirname, '..');
const files = process.argv.length > 2 ? process.argv.slice(2).flatMap(filesOf) : filesOf('test');
files.sort((a, b) => longest.indexOf(b) - longest.indexOf(a));
const folder = mkdtempSync(join(tmpdir(), 'onevisit-test-'));
chmodSync(folder, 0o711);
const logs = join(folder, 'logs');
mkdirSync(logs, { mode: 0o777 });

let starting: Promise<EmbeddedServer> | null = null;
const running = new Set<ChildProcess>();
let passed = 0;
let failed = 0;
const failedFiles: string[] = [];
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    files.length = 0;
    failedFiles.push(`what ${signal} left undone`);
    for (const child of running) child.kill(signal);
  });
process.exitCode = await run();

async function run(): Promise<number> {
  const offered = await offerServer(startServer, logs);
  const env = {
    ...process.env,
    ...offered.env,
    NODE_COMPILE_CACHE: join(folder, 'compiled'),
    TAP_TIMEOUT: String(timeoutSeconds),
  };
  try {
    const whole = files.length === 1;
    await Promise.all(
      Array.from({ length: jobs }, async () => {
        for (let file = files.shift(); file !== undefined; file = files.shift())
          await runFile(file, env, whole);
      }),
    );
    const leaks = await findLeaks();
    for (const leak of leaks) console.error(`personal data in a log: ${leak}`);
    for (const file of failedFiles) console.error(`failed: ${file}`);
    console.log(`${passed} passed, ${failed} failed`);
    return failedFiles.length > 0 || failed > 0 || leaks.length > 0 ? 1 : 0;
  } finally {
    offered.close();
    const server = await starting?.catch(() => null);
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function startServer(): Promise<EmbeddedServer> {
  // Imported when it is needed, because most of the program comes with it.
  starting ??= import('./helpers/filled-server.ts').then(({ openFilledServer }) =>
    openFilledServer(folder, { seed: 7, citizens: 300, enterprises: 60 }),
  );
  return starting;
}

/** The test files of an argument, by their paths from the root. */
function filesOf(argument: string): string[] {
  if (!existsSync(argument)) throw new Error(`no such test: ${argument}`);
  if (!statSync(argument).isDirectory()) return [relative(root, argument)];
  const found = globSync('**/*.test.ts', { cwd: argument, exclude: ['**/node_modules'] });
  return found.map((name) => relative(root, join(argument, name))).sort();
}

async function runFile(file: string, env: NodeJS.ProcessEnv, whole: boolean): Promise<void> {
  const beginMs = Date.now();
  const child = spawn(process.execPath, [file], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (whole) process.stdout.write(text);
    });
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutSeconds * 1000);
  const end = await new Promise<number | string>((resolve) =>
    child.once('close', (code, signal) => resolve(code ?? signal!)),
  );
  clearTimeout(timer);
  running.delete(child);

  const good = output.match(/^\s*ok \d+ - (?!.*# time=)/gm)?.length ?? 0;
  const bad = output.match(/^\s*not ok \d+ - (?!.*# time=)/gm)?.length ?? 0;
  passed += good;
  failed += bad;
  // A test of properties may end well without an assertion that is counted.
  const fine = end === 0 && bad === 0 && /^ok \d+/m.test(output);
  if (!fine) failedFiles.push(file);
  if (!fine && !whole) console.log(output.replaceAll(/^\s*(ok \d+ - .*|# time=.*|1\.\.\d+|)\n/gm, ''));
  const seconds = (Date.now() - beginMs) / 1000;
  const how = seconds >= timeoutSeconds ? 'took too long' : `ended by ${end}`;
  console.log(
    `${fine ? 'ok' : 'not ok'} ${file} (${good} in ${seconds.toFixed(1)} s${fine ? '' : `, ${how}`})`,
  );
}

async function findLeaks(): Promise<string[]> {
  const logged = readdirSync(logs).map((name) => join(logs, name));
  const server = await starting?.catch(() => null);
  if (server) logged.push(join(folder, 'postgres', 'postgres', 'server.log'));
  if (logged.length === 0) return [];
  const { findPersonalData } = await import('./helpers/personal-data.ts');
  return findPersonalData(logged);
}
