/**
 * Has the program's TypeScript imported from copies without types, which are made once after each change. What Node has
 * for it costs every process memory for as long as it runs: its compiler 20 MB, its compile cache 7.
 *
 * Run by itself, it makes the copies: an image does so when it is built.
 */
import { createHash } from 'node:crypto';
import { globSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { registerHooks, stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const program = join(import.meta.dirname, '..');
const folders = ['src', 'migrations'];
const ours = folders.map((folder) => pathToFileURL(join(program, folder, '/')).href);
/** Beside the packages, where nobody writes but who may change the program anyway. */
const copies = join(program, 'node_modules', '.cache', 'onevisit');
/** The end of each copy: one that lacks it was not written to its end. */
const end = '\n// without types\n';
let mayMakeCopies = true;

if (import.meta.main) makeCopies();
else registerHooks({ load });

/**
 * @param {string} url
 * @param {import('node:module').LoadHookContext} context
 * @param {(url: string, context?: Partial<import('node:module').LoadHookContext>) => import('node:module').LoadFnOutput} nextLoad
 * @returns {import('node:module').LoadFnOutput}
 */
function load(url, context, nextLoad) {
  if (!url.endsWith('.ts') || !ours.some((folder) => url.startsWith(folder))) return nextLoad(url, context);
  const typed = readFileSync(fileURLToPath(url), 'utf8');
  const source = readCopy(typed) ?? readNewCopy(typed);
  // Where no copies can be written, Node does it its own way.
  return source === null ? nextLoad(url, context) : { format: 'module', source, shortCircuit: true };
}

/**
 * @param {string} typed
 * @returns {string | null}
 */
function readCopy(typed) {
  try {
    const copy = readFileSync(join(copies, nameOfCopy(typed)), 'utf8');
    return copy.endsWith(end) ? copy : null;
  } catch {
    return null;
  }
}

/**
 * Has all copies made by a process of its own, whose compiler goes with it.
 *
 * @param {string} typed
 * @returns {string | null}
 */
function readNewCopy(typed) {
  if (!mayMakeCopies) return null;
  mayMakeCopies = false;
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const options = ['--disable-warning=ExperimentalWarning', fileURLToPath(import.meta.url)];
  spawnSync(process.execPath, options, { stdio: 'ignore', env: {} });
  return readCopy(typed);
}

/**
 * A copy is found by what it was made from, and by what.
 *
 * @param {string} typed
 */
function nameOfCopy(typed) {
  return `${createHash('sha256').update(`${process.version}\n${typed}`).digest('hex')}.js`;
}

function makeCopies() {
  mkdirSync(copies, { recursive: true });
  const wanted = new Set();
  for (const file of globSync(
    folders.map((folder) => `${folder}/**/*.ts`),
    { cwd: program },
  )) {
    const typed = readFileSync(join(program, file), 'utf8');
    const copy = nameOfCopy(typed);
    wanted.add(copy);
    if (readCopy(typed) !== null) continue;
    const unfinished = join(copies, `${copy}.${process.pid}`);
    writeFileSync(unfinished, stripTypeScriptTypes(typed) + end);
    renameSync(unfinished, join(copies, copy));
  }
  for (const name of readdirSync(copies))
    if (name.endsWith('.js') && !wanted.has(name)) rmSync(join(copies, name), { force: true });
}
