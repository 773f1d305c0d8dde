import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, matchesGlob, relative, resolve } from 'node:path';
import t from 'tap';

const source = join(import.meta.dirname, '..', 'src');

/**
 * The house, from the roof to the ground (design, The house). A file imports files of its own layer and of the
 * layers below it, never of one above. The first pattern that fits a file says its layer.
 */
const layers: [name: string, patterns: string[]][] = [
  ['command line', ['cli.ts', 'operator-commands.ts', '*/*commands.ts']],
  ['process', ['main.ts', 'openapi-files.ts', 'admin.ts', 'sandbox/*.ts']],
  ['app', ['app.ts', 'server.ts', 'routing.ts', 'shed-early.ts']],
  ['parts, connected', ['gateway.ts', 'publishing.ts']],
  ['routes', ['operations.ts', '*/*routes.ts', '*/*documents.ts']],
  ['what routes share', ['list-page.ts', 'openapi.ts', 'openapi-components.ts', 'problem.ts', 'metrics.ts']],
  ['exchange', ['exchange/*.ts']],
  [
    'domain',
    [
      'identity/*.ts',
      'grants/*.ts',
      'catalogue/*.ts',
      'records/*.ts',
      'audit/*.ts',
      'witness/*.ts',
      'problems/*.ts',
      'disclosures/*.ts',
    ],
  ],
  ['db', ['db/*.ts']],
  [
    'leaves',
    [
      'answer.ts',
      'calendar.ts',
      'config.ts',
      'cursor.ts',
      'keys.ts',
      'errors.ts',
      'gate.ts',
      'headers.ts',
      'http-names.ts',
      'validation.ts',
      'free-port.ts',
      'suggest.ts',
      'working-days.ts',
      'command.ts',
      'describe-error.ts',
    ],
  ],
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

function layerOf(file: string): number {
  return layers.findIndex(([, patterns]) => patterns.some((pattern) => matchesGlob(file, pattern)));
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
  t.ok(found('cli.ts', 'command.ts'), 'types');
  t.ok(found('main.ts', 'app.ts'), 'values');
  t.ok(found('exchange/documents.ts', 'openapi.ts'), 'mixtures, from another folder');
  t.ok(found('db/embedded.ts', 'db/embedded-host.ts'), 'statements of several lines');
  t.ok(imports.length > files.length);
  t.same(
    imports.filter(({ to }) => to.endsWith('.ts') && !files.includes(to)),
    [],
    'each of them exists',
  );
});

await t.test('gives every file its layer', async (t) => {
  t.same(
    files.filter((file) => layerOf(file) < 0),
    [],
  );
});

await t.test('imports point one way', async (t) => {
  const upwards = imports
    .filter(({ from, to }) => to.endsWith('.ts') && layerOf(to) < layerOf(from))
    .map(
      ({ from, to }) => `${from} (${layers[layerOf(from)]![0]}) imports ${to} (${layers[layerOf(to)]![0]})`,
    );
  t.same(upwards, []);
});

await t.test('no file imports itself by a detour', async (t) => {
  t.same(findCycle(imports), null);
  t.match(
    findCycle([...imports, { from: 'errors.ts', to: 'main.ts' }]),
    ['errors.ts', 'main.ts'],
    'or is found',
  );
});

await t.test('no part of the domain needs one that needs it', async (t) => {
  const domain = layers.findIndex(([name]) => name === 'domain');
  const between = imports
    .filter(({ from, to }) => layerOf(from) === domain && layerOf(to) === domain)
    .map(({ from, to }) => ({ from: dirname(from), to: dirname(to) }))
    .filter(({ from, to }) => from !== to);
  t.ok(between.length > 0);
  t.same(findCycle(between), null);
});

await t.test(
  'the sandbox and the administering connection serve only the command line and the start',
  async (t) => {
    const users = (pattern: string): string[] =>
      imports
        .filter(({ from, to }) => matchesGlob(to, pattern) && dirname(from) !== dirname(pattern))
        .map(({ from }) => from);
    const sandboxUsers = [...new Set(users('sandbox/*.ts'))].sort();
    t.same(sandboxUsers, ['cli.ts', 'main.ts']);
    const adminUsers = imports.filter(({ to }) => to === 'admin.ts').map(({ from }) => from);
    t.ok(adminUsers.length > 0);
    t.same(
      adminUsers.filter((from) => layers[layerOf(from)]![0] !== 'command line'),
      [],
    );
  },
);

await t.test('only the configuration reads the environment', async (t) => {
  const readers = files.filter((file) =>
    /\bprocess\s*\.\s*env\b|\benv\b[^;]*from 'node:process'/.test(readFileSync(join(source, file), 'utf8')),
  );
  // PostgreSQL's own programs are run with the PATH of whoever started the gateway.
  t.same(readers.sort(), ['config.ts', 'db/embedded-host.ts']);
  const host = readFileSync(join(source, 'db/embedded-host.ts'), 'utf8');
  t.same(host.match(/process\.env\S*/g), ['process.env.PATH'], 'and of it nothing but PATH');
});

await t.test('migrations stand by themselves', async (t) => {
  const folder = join(source, '..', 'migrations');
  for (const name of readdirSync(folder))
    t.notMatch(readFileSync(join(folder, name), 'utf8'), /from '\.\.?\//, name);
});
