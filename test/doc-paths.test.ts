import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';

const root = join(import.meta.dirname, '..');
const documents = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => join('docs', name))];
/** Paths that a reader makes: results and what a command writes. */
const made = /^(\.onevisit|node_modules|test\/bench\/node_modules)\b/;

/** The paths of files and folders of the repository that a document names, and where its links lead. */
function pathsOf(document: string): string[] {
  const text = readFileSync(join(root, document), 'utf8');
  const named = [...text.matchAll(/`([\w.-]+\/[\w./-]*)`/g)]
    .map(([, path]) => path!)
    .filter((path) => /\.(ts|js|md|json|sql)$|\/$/.test(path) && !made.test(path));
  const linked = [...text.matchAll(/\]\(([\w./-]+\.md)\)/g)].map(([, path]) =>
    join(dirname(document), path!),
  );
  return [...named, ...linked];
}

for (const document of documents)
  await t.test(`${document} names files that are there`, (t) => {
    const missing = pathsOf(document).filter(
      (path) => !existsSync(join(root, path)) && !existsSync(join(root, 'src', path)),
    );
    t.same(missing, []);
    t.end();
  });

await t.test('paths are found', (t) => {
  t.ok(pathsOf('docs/architecture.md').length > 80);
  t.end();
});
