/**
 * Has the program's TypeScript imported from copies without types, which are made once after each change. What Node has
 * for it costs every process memory for as long as it runs: its compiler 20 MB, its compile cache 7.
 *
 * Run by itself, it makes the copies: an image does so when it is built.
 */
import { createHash, randomUUID } from 'node:crypto';
import {
  globSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { registerHooks, stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const program = join(import.meta.dirname, '..');
const folders = ['src', 'migrations'];
const ours = folders.map((folder) => pathToFileURL(join(program, folder, '/')).href);
/** Beside the packages, where nobody writes but who may change the program anyway. */
const copies = join(program, 'node_modules', '.cache', 'onevisit');
/** Others may share the folder: what nobody made anew for so long is of no program that runs. */
const keptMs = 30 * 24 * 60 * 60 * 1000;
const maxMakingMs = 60_000;
const sealLength = sealed('').length;
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
  let copy;
  try {
    copy = readFileSync(join(copies, nameOfCopy(typed)), 'utf8');
  } catch {
    return null;
  }
  const source = copy.slice(0, -sealLength);
  return copy === sealed(source) ? source : null;
}

/**
 * A copy says what it should be, so that one that was not written to its end, or was damaged, is none.
 *
 * @param {string} source
 */
function sealed(source) {
  return `${source}\n// ${digest(source)}\n`;
}

/** @param {string} text */
function digest(text) {
  return createHash('sha256').update(text).digest('hex');
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
  try {
    spawnSync(process.execPath, options, { stdio: 'ignore', env: {}, timeout: maxMakingMs });
  } catch {
    // Where no process may be started, either.
  }
  const source = readCopy(typed);
  if (source === null && process.argv[2] === 'serve')
    process.emitWarning(`no copies without types in ${copies}: the gateway takes 20 MB more`);
  return source;
}

/**
 * A copy is found by what it was made from, and by what.
 *
 * @param {string} typed
 */
function nameOfCopy(typed) {
  return `${digest(`${process.version}\n${typed}`)}.js`;
}

function makeCopies() {
  mkdirSync(copies, { recursive: true });
  const wanted = new Set();
  for (const file of globSync(
    folders.map((folder) => `${folder}/**/*.ts`),
    { cwd: program },
  )) {
    const typed = readFileSync(join(program, file), 'utf8');
    wanted.add(nameOfCopy(typed));
    if (readCopy(typed) === null) makeCopy(typed);
  }
  for (const name of readdirSync(copies).filter((one) => !wanted.has(one))) {
    const { mtimeMs } = statSync(join(copies, name), { throwIfNoEntry: false }) ?? { mtimeMs: Infinity };
    if (mtimeMs < Date.now() - keptMs) rmSync(join(copies, name), { force: true });
  }
}

/** @param {string} typed */
function makeCopy(typed) {
  let source;
  try {
    source = stripTypeScriptTypes(typed);
  } catch {
    // What is no TypeScript that could be imported has no copy.
    return;
  }
  const unfinished = join(copies, randomUUID());
  writeFileSync(unfinished, sealed(source));
  renameSync(unfinished, join(copies, nameOfCopy(typed)));
}
