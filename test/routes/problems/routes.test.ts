import { createHash } from 'node:crypto';
import type { LightMyRequestResponse } from 'fastify';
import t from 'tap';
import { errorTable } from '../../../src/base/error-table.ts';
import { personaCitizens } from '../../../src/sandbox/personas.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { issuer } from '../../helpers/keys.ts';

const test = await startGateway(t);
const { id } = personaCitizens[0]!;
const get = (url: string): Promise<LightMyRequestResponse> => test.app.inject({ url });

/** The section of a page in one language, from its first heading to its end. */
function sectionOf(page: string, language: 'zh' | 'en'): string {
  const found = new RegExp(`<section id="${language}" lang="${language}">(.*?)</section>`, 's').exec(page);
  return found?.[1] ?? '';
}

/** The headings of a section, in order, and the text below each. */
function partsOf(section: string): [heading: string, text: string][] {
  return [...section.matchAll(/<h3>(.*?)<\/h3>(.*?)(?=<h3>|$)/gs)].map((match) => [
    match[1]!,
    match[2]!.replaceAll(/<[^>]+>/g, '').trim(),
  ]);
}

await t.test('has a page for every code: cause, fix and whom to ask, in both languages', async (t) => {
  for (const [code, { status, title }] of Object.entries(errorTable)) {
    const { statusCode, body } = await get(`/problems/${code}`);
    t.equal(statusCode, 200, code);
    t.match(body, `<h1><code translate="no">${code}</code></h1>`);
    t.match(body, `HTTP ${status} · `);
    const expected = { zh: ['原因', '处理办法', '咨询对象'], en: ['Cause', 'Fix', 'Whom to ask'] };
    for (const language of ['zh', 'en'] as const) {
      const section = sectionOf(body, language);
      t.match(section, `<h2>${title[language]}</h2>`);
      const parts = partsOf(section);
      t.same(
        parts.map(([heading]) => heading),
        expected[language],
        `${code} ${language}`,
      );
      for (const [heading, text] of parts) t.ok(text.length > 5, `${code}: ${heading}`);
    }
  }
});

await t.test('the type of a refusal leads to the page of its code', async (t) => {
  const refusals = [
    await test.read('citizens', { id, fields: ['ethnicity'] }),
    await test.read('citizens', { id }, { token: null }),
    await get('/nowhere'),
  ];
  const codes = refusals.map((refusal) => refusal.json<{ code: string }>().code);
  t.same(codes, ['field-not-granted', 'token-missing', 'route-unknown']);
  for (const refusal of refusals) {
    const { type, code, title } = refusal.json<{ type: string; code: string; title: string }>();
    t.ok(type.startsWith(`${issuer}/`));
    const page = await get(type.slice(issuer.length));
    t.equal(page.statusCode, 200);
    t.match(page.body, `<code translate="no">${code}</code>`);
    t.match(page.body, title, 'with the same title');
  }
});

await t.test('lists every code once, grouped by status, and leads to its page and back', async (t) => {
  const { statusCode, body } = await get('/problems');
  t.equal(statusCode, 200);
  const statuses = [...body.matchAll(/<h2 id="status-(\d+)">\1 · \p{Script=Han}+ · /gu)].map((match) =>
    Number(match[1]),
  );
  t.same(
    statuses,
    [...new Set(Object.values(errorTable).map(({ status }) => status))].sort((a, b) => a - b),
  );
  const links = [...body.matchAll(/<a href="(problems\/[^"]+)"/g)].map((match) => match[1]!);
  t.same(
    [...links].sort(),
    Object.keys(errorTable)
      .map((code) => `problems/${code}`)
      .sort(),
  );
  for (const [code, { status, title }] of Object.entries(errorTable)) {
    const group = body.split('<section').find((part) => part.includes(`"problems/${code}"`))!;
    t.match(group, `id="status-${status}"`);
    for (const text of [title.zh, title.en]) t.match(group, text);
  }
  for (const link of links) {
    const { pathname } = new URL(link, `${issuer}/problems`);
    const page = await get(pathname);
    t.equal(page.statusCode, 200);
    const back = /<a href="([^"#]+)">/.exec(page.body)![1]!;
    t.equal(new URL(back, `${issuer}${pathname}`).pathname, '/problems');
  }
});

await t.test('serves pages to anybody, to be kept, with nothing but their own style', async (t) => {
  for (const url of ['/problems', '/problems/no-grant']) {
    const { headers, body } = await get(url);
    t.match(headers, {
      'content-type': 'text/html; charset=utf-8',
      'content-language': 'zh, en',
      'cache-control': 'public, max-age=3600',
      'x-content-type-options': 'nosniff',
    });
    const style = /<style>(.*?)<\/style>/s.exec(body)![1]!;
    const hash = createHash('sha256').update(style).digest('base64');
    t.equal(
      headers['content-security-policy'],
      `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    );
    t.notMatch(body, /<script|<link|<img|\sstyle=|\son\w+=|\bsrc=|https?:\/\//i, 'loads nothing');
    t.notMatch(body, /undefined|\[object|`|\{\w+\}/, 'leaves nothing unfilled');
    t.match(body, /^<!doctype html>\n<html lang="zh">/);
    t.ok(Buffer.byteLength(body) < 20_000, 'is small');
  }
});

await t.test('has no page for a code that there is not', async (t) => {
  for (const code of ['no-such-code', 'No-Grant', '__proto__', 'constructor', '%3Cscript%3E', '%00', '']) {
    const response = await get(`/problems/${code}`);
    t.match(response.json(), { status: 404, code: 'not-found' }, code);
    t.equal(response.headers['content-type'], 'application/problem+json; charset=utf-8');
    t.equal(response.headers['cache-control'], 'no-store');
    t.notMatch(response.body, /script/);
  }
  t.match((await get('/problems/no-grant/more')).json(), { status: 404, code: 'route-unknown' });
});

await t.test('takes GET alone', async (t) => {
  for (const url of ['/problems', '/problems/no-grant'])
    for (const method of ['POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS'] as const) {
      const response = await test.app.inject({ method, url });
      t.equal(response.statusCode, 405, `${method} ${url}`);
      t.equal(response.headers.allow, 'GET');
    }
});

await t.test('pages leave nothing in the audit log', async (t) => {
  const entries = await checkAuditLog(t, test);
  t.equal(entries.filter(({ kind }) => kind === 'exchange').length, 1, 'but the one refusal');
});
