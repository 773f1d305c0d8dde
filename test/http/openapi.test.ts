import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConfig, lint } from '@redocly/openapi-core';
import t from 'tap';
import { errorTable } from '../../src/base/error-table.ts';
import { createJudge, methods, type Document, type MediaType } from '../helpers/openapi-document.ts';
import { startGateway } from '../helpers/gateway.ts';

const test = await startGateway(t);
const versions = ['v1', 'v2'].map((version) => {
  const file = join(import.meta.dirname, '..', '..', 'openapi', `${version}.json`);
  const committed = JSON.parse(readFileSync(file, 'utf8')) as Document;
  return { version, file, committed, judge: createJudge(committed) };
});
const [{ committed, judge }] = versions as [(typeof versions)[0]];
const { operations } = judge;

for (const { version, file, committed, judge } of versions) {
  const { operations } = judge;

  await t.test(`serves the document of ${version} that is committed`, async (t) => {
    const response = await test.app.inject({ url: `/openapi/${version}.json` });
    t.equal(response.statusCode, 200);
    t.match(response.headers['content-type'], /^application\/json/);
    t.same(response.json(), committed);
    t.ok(operations.length > 40);
  });

  await t.test(`has nothing in ${version} that a linter of OpenAPI would object to`, async (t) => {
    const config = await createConfig({ extends: ['recommended'] });
    const problems = await lint({ ref: file, config });
    t.same(
      problems.map(({ severity, ruleId, location }) => `${severity} ${ruleId} ${location[0]?.pointer}`),
      [],
    );
  });

  await t.test(`has a summary, a tag and an id of its own for every operation of ${version}`, async (t) => {
    const ids = operations.map(({ operation }) => operation.operationId);
    t.equal(new Set(ids).size, ids.length);
    for (const { path, operation } of operations)
      t.match(operation, { summary: /\S/, tags: [/\S/], operationId: /^[a-z]\w+$/ }, path);
  });

  await t.test(`names in ${version} only components and tags that it has, and has none beside`, async (t) => {
    const { components } = committed;
    const refs = [...JSON.stringify(committed).matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1]!);
    t.ok(refs.length > 20);
    for (const $ref of new Set(refs)) t.ok(judge.resolve({ $ref }), $ref);
    const had = (['schemas', 'parameters', 'headers'] as const).flatMap((kind) =>
      Object.keys(components[kind]).map((name) => `#/components/${kind}/${name}`),
    );
    t.same(had.sort(), [...new Set(refs)].sort());
    const tags = operations.flatMap(({ operation }) => operation.tags);
    t.same(committed.tags.map(({ name }) => name).sort(), [...new Set(tags)].sort());
  });
}

await t.test(
  'tells of a version on its way out what it answers, and of others nothing of the kind',
  async (t) => {
    for (const { path, operation } of versions.flatMap(({ judge }) => judge.operations)) {
      const retiring = path.startsWith('/v1/citizens/');
      t.equal(operation.deprecated, retiring ? true : undefined, path);
      t.equal(Object.hasOwn(operation.responses, '410'), retiring, path);
      for (const [status, { headers = {} }] of Object.entries(operation.responses))
        for (const name of ['Deprecation', 'Sunset', 'Link'])
          if (Object.hasOwn(headers, name) !== retiring) t.fail(`${path} ${status} ${name}`);
    }
  },
);

await t.test('describes in each document the whole API, with one version of each dataset', async (t) => {
  const isOfDataset = (path: string): boolean => /^\/v\d+\/(citizens|enterprises)\//.test(path);
  const [first, second] = versions.map(({ judge }) => judge.operations.map(({ path }) => path)) as [
    string[],
    string[],
  ];
  const own = first.filter((path) => !isOfDataset(path));
  t.ok(own.includes('/oauth/token') && own.includes('/v1/audit/entries/search') && own.includes('/livez'));
  t.same(
    second.filter((path) => !isOfDataset(path)),
    own,
  );
  const versionsIn = (paths: string[]): string[] => [
    ...new Set(paths.filter(isOfDataset).map((path) => path.split('/').slice(1, 3).join(' '))),
  ];
  t.same(versionsIn(first), ['v1 citizens', 'v1 enterprises']);
  t.same(versionsIn(second), ['v2 citizens', 'v1 enterprises'], 'the newest up to the generation');
  t.notMatch(
    JSON.stringify(versions[1]!.committed),
    '"deprecated":true',
    'nothing in the newest is deprecated',
  );
});

/** Every example of a media type, a parameter or a header. */
function examplesOf(media: MediaType): unknown[] {
  const named = Object.values(media.examples ?? {}).map(({ value }) => value);
  return media.example === undefined ? named : [media.example, ...named];
}

for (const { version, committed, judge } of versions)
  await t.test(`shows examples that the schemas of ${version} accept`, async (t) => {
    let checked = 0;
    const check = (schema: object, example: unknown, where: string): void => {
      checked++;
      const faults = judge.faultsOf(schema, example);
      if (faults.length > 0) t.fail(`${where}: ${faults.join('; ')}`);
    };
    const checkMedia = (content: Record<string, MediaType>, where: string): void => {
      for (const [type, media] of Object.entries(content)) {
        const examples = examplesOf(media);
        if (examples.length === 0) t.fail(`${where} ${type} has no example`);
        for (const example of examples) check(media.schema, example, `${where} ${type}`);
      }
    };
    for (const { method, path, operation } of judge.operations) {
      const where = `${method} ${path}`;
      if (operation.requestBody) checkMedia(operation.requestBody.content, `${where} body`);
      for (const [status, { content = {} }] of Object.entries(operation.responses))
        checkMedia(content, `${where} ${status}`);
    }
    for (const parameter of Object.values(committed.components.parameters))
      for (const example of examplesOf(parameter)) check(parameter.schema, example, parameter.name);
    checkSchemaExamples(committed, '#');
    t.ok(checked > 40, `${checked} examples are good`);

    /** `examples` inside of schemas. */
    function checkSchemaExamples(node: unknown, where: string): void {
      if (typeof node !== 'object' || node === null) return;
      const { examples, type } = node as { examples?: unknown; type?: unknown };
      if (Array.isArray(examples) && type !== undefined)
        for (const example of examples) check(node, example, where);
      for (const [key, value] of Object.entries(node))
        if (key !== 'example') checkSchemaExamples(value, `${where}/${key}`);
    }
  });

await t.test('shows each problem under its own status, as it is sent', async (t) => {
  const shown = operations.flatMap(({ operation }) =>
    Object.entries(operation.responses).flatMap(([status, { content = {} }]) =>
      Object.entries(content['application/problem+json']?.examples ?? {}).map(([code, { value }]) => ({
        status: Number(status),
        code,
        value: value as { code: string; status: number; type: string; detail: string },
      })),
    ),
  );
  const wrong = shown.filter(
    ({ status, code, value }) =>
      value.code !== code ||
      value.status !== status ||
      !value.type.endsWith(`/problems/${code}`) ||
      errorTable[code as keyof typeof errorTable].status !== status ||
      value.detail.includes('{'),
  );
  t.same(wrong, []);
  t.ok(shown.length > 50);
});

await t.test('documents every error that a route can answer', async (t) => {
  /** Any address can answer these, or none that exists: they are not of an operation. */
  const beside = [
    'route-unknown',
    'method-not-allowed',
    'ids-not-in-urls',
    'request-timeout',
    'headers-too-large',
    'internal-error',
  ];
  const documented = new Set(
    operations.flatMap(({ operation }) =>
      Object.values(operation.responses).flatMap(({ content = {} }) =>
        Object.keys(content['application/problem+json']?.examples ?? {}),
      ),
    ),
  );
  t.same(
    Object.keys(errorTable).filter((code) => !documented.has(code) && !beside.includes(code)),
    [],
  );
  const problemSchema = committed.components.schemas.Problem as {
    properties: { code: { enum: string[] } };
  };
  t.same([...problemSchema.properties.code.enum].sort(), Object.keys(errorTable).sort());
});

await t.test('documents every route that is served, and no other', async (t) => {
  /** What people read; it documents itself. */
  const forPeople = /^\/(docs|openapi)(\/|$)/;
  const paths = test.app
    .printRoutes({ commonPrefix: false })
    .split('\n')
    .flatMap((line) => /^[├└]── (\/\S*) \(/.exec(line)?.[1] ?? []);
  // Fastify lists no path that ends in a wildcard, and one that continues another not whole.
  const open = [
    '/log/tile/:level/*',
    '/log/tile/entries/*',
    '/problems/:code',
    '/v1/exchanges/:exchange/receipt.tlog-proof',
    '/v1/audit/entries/:index/open',
    '/v1/catalogue/:dataset',
    '/v1/catalogue/:dataset/schema',
    '/v1/grants/explain',
    '/v1/grants/:id',
    ...['history', 'renew', 'approve', 'reject', 'suspend', 'resume', 'revoke', 'withdraw'].map(
      (step) => `/v1/grants/:id/${step}`,
    ),
  ];
  for (const url of open)
    t.ok(
      ['GET', 'POST'].some((method) => test.app.hasRoute({ url, method })),
      url,
    );
  paths.push(...open);
  t.ok(paths.includes('/v1/citizens/read') && paths.includes('/docs'), 'the routes are found');

  const served: string[] = [];
  for (const path of paths.filter((path) => !forPeople.test(path)))
    for (const method of methods) {
      const url = path.replaceAll(/:\w+|\*/g, '91350100M000100Y43');
      const response = await test.app.inject({ method: method.toUpperCase() as 'GET', url });
      if (response.statusCode !== 405)
        served.push(`${method} ${path.replaceAll(/:(\w+)/g, '{$1}').replace('*', '{path}')}`);
    }
  const documented = versions.flatMap(({ judge }) => judge.operations);
  const operationsOf = new Set(documented.map(({ method, path }) => `${method} ${path}`));
  t.same([...operationsOf].sort(), served.sort());
});
