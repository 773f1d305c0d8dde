import t from 'tap';
import type { LightMyRequestResponse } from 'fastify';
import { personaCitizens } from '../../src/sandbox/personas.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway } from '../helpers/gateway.ts';
import { checkBeside, checkRefusal } from '../helpers/checks.ts';
import { countEntries } from '../helpers/log.ts';

const [wife, husband] = personaCitizens;
const { id, sex } = wife!;
const test = await startGateway(t);
const token = await test.token('civil-affairs');
const good = JSON.stringify({ id, fields: ['sex'] });

function post(payload: string | Buffer, contentType?: string): Promise<LightMyRequestResponse> {
  return test.app.inject({
    method: 'POST',
    url: '/v1/citizens/read',
    headers: {
      authorization: `Bearer ${token}`,
      'exchange-purpose': 'marriage-registration',
      ...(contentType !== undefined && { 'content-type': contentType }),
    },
    payload,
  });
}

const taken = [
  'application/json',
  'Application/JSON',
  'APPLICATION/JSON',
  'application/json; charset=utf-8',
  'application/json;charset=UTF-8',
  'application/json ; charset="utf-8"',
];

for (const type of taken)
  await t.test(`takes JSON as ${JSON.stringify(type)}`, async (t) => {
    const response = await post(good, type);
    t.equal(response.statusCode, 200);
    t.equal(response.body, JSON.stringify({ sex }));
  });

// The forms by which Fastify's validation was passed: CVE-2022-39288, CVE-2025-32442 and those after them.
const confusing = [
  ' application/json',
  '\tapplication/json',
  'application/json\t',
  'application/json ',
  'application/json\t; charset=utf-8',
  'application/json ;',
  'application/json;',
  'application/json; charset',
];

for (const type of confusing)
  await t.test(`reads a body by its schema when it comes as ${JSON.stringify(type)}`, async (t) => {
    const before = await countEntries(test);
    const response = await post(good, type);
    t.match(String(response.statusCode), /^(200|415)$/);
    const bad = await post(JSON.stringify({ id, fields: ['sex'], where: {} }), type);
    t.match(String(bad.statusCode), /^(400|415)$/, 'no way past the validation');
    const entered = [response, bad].filter(({ statusCode }) => statusCode !== 415);
    t.equal(await countEntries(test), before + entered.length, 'all but 415 is an exchange');
  });

const refused = [
  'application/jsonx',
  'application/json/x',
  'application/json garbage',
  'application/json\tgarbage',
  'application/json, text/plain',
  'application/json,application/json',
  'application/x-json',
  'application/vnd.api+json',
  'text/json',
  'text/plain',
  'text/plain; application/json',
  'json',
  '/',
  ';',
  'application',
];

for (const type of refused)
  await t.test(`refuses ${JSON.stringify(type)}: media-type-unsupported`, async (t) => {
    await checkBeside(t, test, () => post(good, type), { status: 415, code: 'media-type-unsupported' });
  });

await t.test('refuses a body without a media type: media-type-unsupported', async (t) => {
  const response = await checkBeside(t, test, () => post(good), {
    status: 415,
    code: 'media-type-unsupported',
  });
  t.notOk(response.body.includes(id));
});

const poisoned = {
  'a prototype': `{"id":"${id}","__proto__":{"fields":["ethnicity"]}}`,
  'a prototype with escapes': `{"id":"${id}","\\u005f_proto__":{"id":"x"}}`,
  'a constructor': `{"id":"${id}","constructor":{"prototype":{"fields":["ethnicity"]}}}`,
  'a nested prototype': `{"id":"${id}","fields":[{"__proto__":{"x":1}}]}`,
};

for (const [what, body] of Object.entries(poisoned))
  await t.test(`refuses a body that poisons prototypes: ${what}`, async (t) => {
    const response = await post(body, 'application/json');
    await checkRefusal(t, test, response, { status: 400, code: 'invalid-request', subject: false });
    t.notOk(Object.hasOwn(Object.prototype, 'fields'));
    t.equal((await post(good, 'application/json')).body, JSON.stringify({ sex }));
  });

await t.test('enters the same subject that it answers when a key comes twice', async (t) => {
  const body = `{"id":"${husband!.id}","id":"${id}","fields":["ethnicity"],"fields":["sex"]}`;
  const response = await post(body, 'application/json');
  const single = await test.entryOf(await post(good, 'application/json'));
  const entry = await test.entryOf(response);
  if (response.statusCode === 200) {
    t.equal(response.body, JSON.stringify({ sex }));
    t.same(entry.subjects, single.subjects);
    t.same(entry.fields, ['sex']);
  } else t.match(entry, { outcome: 'refused', code: 'invalid-request' });
});

await t.test('takes 128 KiB and not a byte more', async (t) => {
  const limit = 128 * 1024;
  const padded = (size: number): string => good + ' '.repeat(size - good.length);
  t.equal((await post(padded(limit), 'application/json')).statusCode, 200);
  const tooLarge = (): Promise<LightMyRequestResponse> => post(padded(limit + 1), 'application/json');
  await checkBeside(t, test, tooLarge, { status: 413, code: 'payload-too-large' });
});

await t.test('refuses deep nesting without falling over', async (t) => {
  const depth = 60_000;
  for (const body of [
    '['.repeat(depth) + ']'.repeat(depth),
    '['.repeat(2 * depth),
    `{"id":"${id}","fields":${'['.repeat(depth)}${']'.repeat(depth)}}`,
    `${'{"id":'.repeat(15_000)}1${'}'.repeat(15_000)}`,
    `${'{"__proto__":'.repeat(8_000)}1${'}'.repeat(8_000)}`,
  ]) {
    const response = await post(body, 'application/json');
    await checkRefusal(t, test, response, { status: 400, code: 'invalid-request', subject: false });
  }
  t.equal((await post(good, 'application/json')).statusCode, 200);
});

await t.test('answers a body full of faults with no more than a body', async (t) => {
  const members = Array.from({ length: 14_000 }, (_, i) => `"${i.toString(36)}":1`).join(',');
  for (const body of [`{${members}}`, `{"id":"${id}","fields":[${'1,'.repeat(60_000)}1]}`]) {
    const response = await post(body, 'application/json');
    t.equal(response.json<{ code: string }>().code, 'invalid-request');
    t.ok(response.body.length <= 128 * 1024, `${response.body.length} bytes for ${body.length}`);
  }
});

await t.test('does not fall over a byte order mark or bytes that are not UTF-8', async (t) => {
  const marked = await post(Buffer.from(`\uFEFF${good}`), 'application/json');
  t.match(String(marked.statusCode), /^(200|400)$/, 'RFC 8259, 8.1: it may be passed over, or be an error');
  t.ok(marked.headers['exchange-entry']);
  const latin1 = Buffer.from(`{"id":"${id}é"}`, 'latin1');
  const response = await post(latin1, 'application/json');
  t.equal(response.statusCode, 400);
  t.equal((await test.entryOf(response)).outcome, 'refused');
});

await t.test('refuses text that PostgreSQL can not take: U+0000 and lone surrogates', async (t) => {
  for (const text of ['\\u0000', `${id}\\u0000`, '\\ud800', `\\udc00${id.slice(1)}`]) {
    const response = await post(`{"id":"${text}"}`, 'application/json');
    await checkRefusal(t, test, response, { status: 400, code: 'invalid-request', subject: false });
  }
});

await t.test('has every exchange of it in a log that is whole', async (t) => {
  await checkAuditLog(t, test);
});
