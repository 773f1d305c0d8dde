import t from 'tap';
import { startGateway } from './helpers/gateway.ts';

const { app } = await startGateway(t);

/** What a page loads, by its tags. */
function referencesOf(html: string): string[] {
  return [...html.matchAll(/<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)="([^"]*)"/g)].map(
    (match) => match[1]!,
  );
}

for (const address of ['/docs', '/docs/'])
  await t.test(`shows the documents at ${address} without any network but the gateway`, async (t) => {
    const page = await app.inject({ url: address });
    t.equal(page.statusCode, 200);
    t.match(page.headers['content-type'], /^text\/html/);
    t.match(page.body, /<title>OneVisit<\/title>/);
    t.notMatch(page.body, /(?:src|href)="(?:https?:)?\/\//, 'refers to no other host');
    const references = referencesOf(page.body);
    t.ok(references.length >= 5);
    for (const reference of references) {
      const { pathname, host } = new URL(reference, `http://gateway.test${address}`);
      t.equal(host, 'gateway.test');
      const response = await app.inject({ url: pathname });
      t.equal(response.statusCode, 200, reference);
      t.ok(response.rawPayload.length > 0, `${reference} is not empty`);
      if (reference.endsWith('.js')) t.match(response.headers['content-type'], /javascript/);
      if (reference.endsWith('.css')) t.match(response.headers['content-type'], /text\/css/);
    }
  });

await t.test('asks no validator on the internet, and reads the document of this gateway', async (t) => {
  const { body } = await app.inject({ url: '/docs/static/swagger-initializer.js' });
  t.notMatch(body, /url: *['"]https?:/i);
  t.match(body, /validatorUrl: null/);
  t.match(body, /resolveUrl\('\.\/json'\)/);
  const shown = await app.inject({ url: '/docs/json' });
  t.same(shown.json(), (await app.inject({ url: '/openapi/v2.json' })).json(), 'the newest');
  const offered = [...body.matchAll(/"url":"(\/openapi\/v\d+\.json)"/g)].map((match) => match[1]!);
  t.same(offered, ['/openapi/v2.json', '/openapi/v1.json'], 'and those of all generations, the newest first');
  for (const url of offered) t.equal((await app.inject({ url })).statusCode, 200);
  const css = await app.inject({ url: '/docs/static/swagger-ui.css' });
  t.notMatch(css.body, /@import|url\(["']?(?:https?:)?\/\//, 'styles load nothing from elsewhere');
});

await t.test('forbids the page every other host', async (t) => {
  const policyOf = async (url: string): Promise<unknown> =>
    (await app.inject({ url })).headers['content-security-policy'];
  const policy = await policyOf('/docs');
  t.equal(await policyOf('/docs/'), policy);
  t.match(policy, /default-src 'self'/);
  t.match(policy, /script-src 'self' *;/, 'no script but its own');
  t.match(policy, /object-src 'none'/);
  t.notMatch(policy, /unsafe-eval|https:|http:|\.io\b|\.com\b|\*/, 'no other host');
  t.notMatch(policy, /upgrade-insecure-requests/, 'the sandbox is served by http');
});

await t.test('leads from the file name to the page, and nowhere outside the folder', async (t) => {
  const index = await app.inject({ url: '/docs/static/index.html' });
  t.equal(index.statusCode, 302);
  t.equal(index.headers.location, '/docs/');
  for (const path of [
    '../../../package.json',
    '%2e%2e/%2e%2e/package.json',
    '..%2f..%2fpackage.json',
    '%5c..%5cpackage.json',
    '.git/config',
    'none.js',
  ]) {
    const response = await app.inject({ url: `/docs/static/${path}` });
    t.ok([400, 404].includes(response.statusCode), path);
    t.match(response.headers['content-type'], /^application\/problem\+json/, path);
    t.notMatch(response.json<{ detail: string }>().detail, /请求体/, 'blames no body where there is none');
  }
});
