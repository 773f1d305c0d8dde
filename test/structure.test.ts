import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import t from 'tap';

const source = join(import.meta.dirname, '..', 'src');

/**
 * The house, from the roof to the ground (docs/architecture.md). The layer of a file is its top folder. A file imports
 * from its own folder and from the layers below it; folders of one layer do not import each other.
 */
const layers = [
  ['.'],
  ['commands'],
  ['gateway'],
  ['routes'],
  ['sandbox', 'exchange'],
  ['grants'],
  ['records', 'identity'],
  ['audit'],
  ['catalogue', 'witness'],
  ['db', 'transparency', 'http'],
  ['base'],
];

interface Import {
  from: string;
  to: string;
}

const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.ts'),
);
const imports: Import[] = files.flatMap((from) =>
  importsOf(from)
    .filter((to) => to.startsWith('.'))
    .map((to) => ({ from, to: relative(source, resolve(source, dirname(from), to)) }))
    .filter(({ to }) => !to.startsWith('..')),
);

/** What a file imports, as it is written; types count as well. */
function importsOf(file: string): string[] {
  const code = readFileSync(join(source, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const statements = /(?:^|\n)\s*(?:import|export)\s(?:[^'"`;]*?\sfrom\s)?\s*['"]([^'"]+)['"]/g;
  const calls = /\bimport\(\s*['"]([^'"]+)['"]/g;
  return [...code.matchAll(statements), ...code.matchAll(calls)].map((match) => match[1]!);
}

/** The top folder of a file, or "." of one that lies loose in src/. */
function roomOf(file: string): string {
  return file.includes('/') ? file.split('/')[0]! : '.';
}

function layerOf(file: string): number {
  return layers.findIndex((rooms) => rooms.includes(roomOf(file)));
}

/** Follows edges from every node; gives the first way back to a node that is being followed. */
function findCycle(edges: Import[]): string[] | null {
  const next = Map.groupBy(edges, (edge) => edge.from);
  const done = new Set<string>();
  function follow(node: string, path: string[]): string[] | null {
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node];
    if (done.has(node)) return null;
    for (const { to } of next.get(node) ?? []) {
      const cycle = follow(to, [...path, node]);
      if (cycle !== null) return cycle;
    }
    done.add(node);
    return null;
  }
  for (const node of next.keys()) {
    const cycle = follow(node, []);
    if (cycle !== null) return cycle;
  }
  return null;
}

await t.test('finds the imports that it judges', async (t) => {
  const found = (from: string, to: string): boolean =>
    imports.some((one) => one.from === from && one.to === to);
  t.ok(found('cli.ts', 'commands/command.ts'), 'types');
  t.ok(found('gateway/serve.ts', 'gateway/app.ts'), 'values');
  t.ok(found('routes/exchange/documents.ts', 'http/openapi.ts'), 'mixtures, from another folder');
  t.ok(found('db/embedded.ts', 'db/embedded-host.ts'), 'statements of several lines');
  t.ok(imports.length > files.length);
  t.same(
    imports.filter(({ to }) => to.endsWith('.ts') && !files.includes(to)),
    [],
    'each of them exists',
  );
});

await t.test('every folder of src/ has its place in the order', async (t) => {
  t.same([...new Set(files.map(roomOf))].sort(), layers.flat().sort());
  t.same(
    files.filter((file) => roomOf(file) === '.'),
    ['cli.ts'],
    'and nothing else lies loose',
  );
});

await t.test('imports point one way, down', async (t) => {
  const upward = ({ from, to }: Import): boolean =>
    roomOf(from) !== roomOf(to) && layerOf(to) <= layerOf(from);
  t.same(imports.filter(upward), []);
  t.ok(upward({ from: 'exchange/exchange.ts', to: 'routes/look.ts' }), 'one that points up is found');
  t.ok(upward({ from: 'records/read.ts', to: 'identity/clients.ts' }), 'and one that points sideways');
});

await t.test('no file imports itself by a detour', async (t) => {
  t.same(findCycle(imports), null);
  t.match(
    findCycle([...imports, { from: 'base/errors.ts', to: 'gateway/serve.ts' }]),
    ['base/errors.ts', 'gateway/serve.ts'],
    'or is found',
  );
});

await t.test('no folder imports itself by a detour', async (t) => {
  const between = imports
    .map(({ from, to }) => ({ from: dirname(from), to: dirname(to) }))
    .filter(({ from, to }) => from !== to);
  t.ok(between.length > 0);
  t.same(findCycle(between), null);
});

await t.test('base imports base alone, and what an outsider verifies with only base', async (t) => {
  const outside = (room: string): Import[] =>
    imports.filter(({ from, to }) => roomOf(from) === room && roomOf(to) !== room && roomOf(to) !== 'base');
  t.same(outside('base'), []);
  t.same(outside('transparency'), []);
});

await t.test('what an outsider verifies with needs neither Node, nor a database, nor HTTP', async (t) => {
  const packages = files
    .filter((file) => dirname(file) === 'transparency')
    .flatMap((file) => importsOf(file).filter((name) => !name.startsWith('.')));
  t.same([...new Set(packages)].sort(), ['#crypto', '@noble/ed25519', '@noble/hashes/sha2.js']);
  const below = imports.filter(
    ({ from, to }) => dirname(from) === 'transparency' && dirname(to) !== 'transparency',
  );
  t.same(below, [], 'and nothing that needs them');
});

await t.test('base has only what two rooms use', async (t) => {
  const users = (file: string): Set<string> =>
    new Set(
      imports
        .filter(({ to }) => to === file)
        .map(({ from }) => (roomOf(from) === 'base' ? from : roomOf(from))),
    );
  t.same(
    files.filter((file) => roomOf(file) === 'base' && users(file).size < 2),
    [],
  );
});

await t.test('the sandbox serves only the command line and the start', async (t) => {
  const users = imports.filter(({ to }) => roomOf(to) === 'sandbox').map(({ from }) => roomOf(from));
  t.same([...new Set(users)].sort(), ['commands', 'gateway', 'sandbox']);
});

await t.test('only the configuration reads the environment', async (t) => {
  const readers = files.filter((file) =>
    /\bprocess\s*\.\s*env\b|\benv\b[^;]*from 'node:process'/.test(readFileSync(join(source, file), 'utf8')),
  );
  // PostgreSQL's own programs are run with the PATH of whoever started the gateway.
  t.same(readers.sort(), ['base/config.ts', 'db/embedded-host.ts']);
  const host = readFileSync(join(source, 'db/embedded-host.ts'), 'utf8');
  t.same(host.match(/process\.env\S*/g), ['process.env.PATH'], 'and of it nothing but PATH');
});

await t.test('migrations stand by themselves', async (t) => {
  const folder = join(source, '..', 'migrations');
  for (const name of readdirSync(folder))
    t.notMatch(readFileSync(join(folder, name), 'utf8'), /from '\.\.?\//, name);
});

/** Tables of texts and of made-up data, which are read line by line. */
const tables = ['base/error-table.ts', 'sandbox/names.ts'];
const maxFileLines = 250;
const maxFunctionLines = 100;
const longFunctionLines = 60;
const maxLongFunctions = 10;

/** The functions of a file that have a name, with how many lines each has. */
function functionsOf(file: string): { name: string; lines: number }[] {
  const lines = readFileSync(join(source, file), 'utf8').split('\n');
  return lines.flatMap((line, first) => {
    const [, indent, name] =
      /^(\s*)(?:export )?(?:async )?(?:function\*? (\w+)|const \w+ = (?:async )?\()/.exec(line) ?? [];
    if (indent === undefined || /[;}]$|=>$/.test(line)) return [];
    const end = lines.findIndex(
      (other, at) => at > first && new RegExp(`^${indent}[}\\])]`).test(other) && !/[{(]$/.test(other),
    );
    return [{ name: `${file} ${name ?? line.trim()}`, lines: end - first + 1 }];
  });
}

await t.test('a person reads a function on a screen, and a file in one sitting', async (t) => {
  const functions = files.flatMap(functionsOf);
  const longer = (limit: number): string[] =>
    functions.filter(({ lines }) => lines > limit).map(({ name, lines }) => `${name}: ${lines}`);
  t.ok(functions.length > files.length, 'functions are found');
  t.same(longer(maxFunctionLines), []);
  t.ok(
    longer(longFunctionLines).length <= maxLongFunctions,
    `of more than ${longFunctionLines} lines: ${longer(longFunctionLines).join(', ')}`,
  );
  const long = files.filter(
    (file) => readFileSync(join(source, file), 'utf8').split('\n').length - 1 > maxFileLines,
  );
  t.same(long.sort(), tables);
});
