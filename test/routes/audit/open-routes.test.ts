import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LightMyRequestResponse } from 'fastify';
import t, { type Test } from 'tap';
import { personaEnterprises, personas } from '../../../src/sandbox/personas.ts';
import { createJudge, type Document } from '../../helpers/openapi-document.ts';
import { runCommand, startCommand, type CommandEnd } from '../../helpers/command.ts';
import { checkProblem } from '../../helpers/checks.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { auditOfficeKeys } from '../../helpers/keys.ts';
import { countEntries } from '../../helpers/log.ts';
import { until } from '../../helpers/until.ts';

interface Opened {
  index: number;
  entry: string;
  dataset: string;
  sealed: string;
  data_key: string;
  wrapped_key: Record<string, string>;
  opening: number;
}

const test = await startGateway(t);
const judge = createJudge((await test.app.inject({ url: '/openapi/v1.json' })).json<Document>());
const audit = await test.token('audit-office', ['audit']);
const id = personas.find(({ dataset }) => dataset === 'citizens')!.id;
const reason = 'Complaint 2026-17: who was looked up on that evening';

async function open(
  index: number | string,
  {
    token = audit,
    official = 'auditor-7',
    body = { reason },
  }: { token?: string; official?: string; body?: object } = {},
): Promise<LightMyRequestResponse> {
  return test.app.inject({
    method: 'POST',
    url: `/v1/audit/entries/${index}/open`,
    headers: {
      ...(token !== '' && { authorization: `Bearer ${token}` }),
      ...(official !== '' && { 'exchange-official': official }),
      'content-type': 'application/json',
    },
    payload: JSON.stringify(body),
  });
}

const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }) as string;
const folder = t.testdir({
  'office.pem': pem(auditOfficeKeys.privateKey),
  'other.pem': pem(generateKeyPairSync('x25519').privateKey),
  'log.pem': pem(generateKeyPairSync('ed25519').privateKey),
  'none.pem': 'no key',
});

/** On the auditor's machine: no database, no gateway, the key and the answer alone. */
function openOffline(answer: unknown, key = 'office.pem', ...more: string[]): Promise<CommandEnd> {
  const file = join(folder, 'answer.json');
  writeFileSync(file, typeof answer === 'string' ? answer : JSON.stringify(answer));
  return runCommand(['audit', 'open', file, '--key', join(folder, key), ...more], {
    ONEVISIT_HOME: join(folder, 'home'),
  });
}

const { headers } = await test.read('citizens', { id, fields: ['name'] });
const index = Number(headers['exchange-entry']);
const entries = async (): Promise<Record<string, unknown>[]> => {
  const { rows } = await test.pool.query<{ bytes: Buffer }>('select bytes from audit.entry order by index');
  return rows.map(({ bytes }) => JSON.parse(bytes.toString()) as Record<string, unknown>);
};

await t.test(
  'answers the sealed subjects and nothing plain, and the opening is an entry before',
  async (t) => {
    const answer = await open(index);
    t.equal(answer.statusCode, 200);
    judge.checkAnswer(t, 'openEntry', answer);
    t.equal(answer.headers['cache-control'], 'no-store');
    t.notOk(answer.payload.includes(id));
    const body = answer.json<Opened>();
    const log = await entries();
    t.match(body, { index, entry: headers['exchange-id'], dataset: 'citizens', opening: log.length - 1 });
    t.equal(body.sealed, log[index]!.sealed);
    t.strictSame(log[body.opening], {
      client: log[body.opening]!.client,
      consumer: 'audit-office',
      details: { entry: headers['exchange-id'], index, reason },
      format: 'onevisit-entry/1',
      id: answer.headers['exchange-id'],
      kind: 'open',
      official: { id: 'auditor-7', proof: 'asserted' },
      operation: 'open',
      outcome: 'done',
      records: 1,
      time: test.clock.now().toISOString(),
    });
  },
);

await t.test("opens on the auditor's machine, with the office's key alone", async (t) => {
  const answer = (await open(index)).json<Opened>();
  t.same(await openOffline(answer), { code: 0, stdout: `${id}\n`, stderr: '' });
  const json = await openOffline(answer, 'office.pem', '--json');
  t.same(JSON.parse(json.stdout), { index, entry: answer.entry, dataset: 'citizens', ids: [id] });
});

await t.test('opens what was asked in every way, and refusals', async (t) => {
  const taxation = { token: await test.token('taxation'), purpose: 'tax-assessment' };
  const { id: enterprise, legal_representative_id: person } = personaEnterprises[0]!;
  const absent = personas.find(({ story }) => story.startsWith('Nobody'))!.id;
  const asked: [LightMyRequestResponse, string[]][] = [
    [await test.ask('batch', 'citizens', { ids: [id, absent], fields: ['name'] }), [id, absent]],
    [await test.ask('verify', 'citizens', { id, claims: { name: 'x' } }), [id]],
    [await test.read('citizens', { id: absent }), [absent]],
    [await test.read('citizens', { id, fields: ['ethnicity'] }), [id]],
    [await test.read('enterprises', { id: enterprise }, taxation), [enterprise, person!]],
  ];
  for (const [exchange, ids] of asked) {
    const answer = await open(Number(exchange.headers['exchange-entry']));
    const { stdout } = await openOffline(answer.payload, 'office.pem', '--json');
    t.strictSame((JSON.parse(stdout) as { ids: string[] }).ids, ids);
  }
});

await t.test('finds the key of an hour that is over, and a key that the search tables lack', async (t) => {
  test.clock.advance(2 * 60 * 60 * 1000);
  const audit = await test.token('audit-office', ['audit']);
  const exchange = await test.read('citizens', { id, fields: ['name'] });
  const later = (await open(Number(exchange.headers['exchange-entry']), { token: audit })).json<Opened>();
  const earlier = (await open(index, { token: audit })).json<Opened>();
  t.not(later.data_key, earlier.data_key);
  for (const answer of [earlier, later]) t.equal((await openOffline(answer)).stdout, `${id}\n`);
});

async function refused(t: Test, end: CommandEnd, why: RegExp): Promise<void> {
  t.same({ code: end.code, stdout: end.stdout }, { code: 1, stdout: '' });
  t.match(end.stderr, why);
  t.match(end.stderr, /^onevisit: [^\n]+\n$/, 'in one line');
  t.notOk(end.stderr.includes(id));
}

await t.test('the command refuses what it cannot open, in one clear line', async (t) => {
  const token = await test.token('audit-office', ['audit']);
  const answer = (await open(index, { token })).json<Opened>();
  const flipped = (text: string): string => {
    const bytes = Buffer.from(text, 'base64url');
    bytes[20]! ^= 1;
    return bytes.toString('base64url');
  };
  const { wrapped_key: key } = answer;
  const cases: [unknown, string, RegExp][] = [
    [answer, 'other.pem', /sealed for the audit office's key \S+, and this is \S+/],
    [answer, 'log.pem', /--key: .*log\.pem is not an X25519 private key/],
    [answer, 'none.pem', /--key: .*none\.pem is not an X25519 private key in PEM form/],
    [answer, 'missing.pem', /--key: cannot read .*missing\.pem \(ENOENT\)/],
    [{ ...answer, sealed: flipped(answer.sealed) }, 'office.pem', /the seal was altered/],
    [{ ...answer, sealed: '' }, 'office.pem', /the seal was altered/],
    [
      { ...answer, entry: answer.data_key },
      'office.pem',
      /the seal was altered, or is that of another entry/,
    ],
    [
      { ...answer, data_key: answer.entry },
      'office.pem',
      /the wrapped data key was altered, or is that of another id/,
    ],
    [
      { ...answer, wrapped_key: { ...key, wrapped: flipped(key.wrapped!) } },
      'office.pem',
      /wrapped data key was altered/,
    ],
    [{ ...answer, wrapped_key: { ...key, ephemeral: 'x' } }, 'office.pem', /wrapped data key was altered/],
    [{ ...answer, wrapped_key: { ...key, algorithm: 'x' } }, 'office.pem', /newer program/],
    [{ ...answer, wrapped_key: undefined }, 'office.pem', /is not what POST .*open answers/],
    [`{"id":"${id}"}`, 'office.pem', /is not what POST .*open answers/],
    [`no JSON ${id}`, 'office.pem', /is not what POST .*open answers/],
  ];
  for (const [given, file, why] of cases) await refused(t, await openOffline(given, file), why);
  const missing = ['audit', 'open', join(folder, 'none.json'), '--key', join(folder, 'office.pem')];
  await refused(t, await runCommand(missing), /cannot read .*none\.json \(ENOENT\)/);
  const nothing = startCommand(['audit', 'open', '--key', join(folder, 'office.pem')]);
  await refused(t, await nothing.ended, /standard input: is not what POST/);
});

await t.test('refuses whoever may not open, and what is not there, and enters nothing', async (t) => {
  const token = await test.token('audit-office', ['audit']);
  const grantless = await entries();
  const keyEntry = grantless.findIndex(({ kind }) => kind === 'key');
  const cases: [what: string, status: number, code: string, LightMyRequestResponse][] = [];
  const roles: [string, string[]][] = [
    ['civil-affairs', ['exchange']],
    ['public-security', ['provide']],
    ['service-portal', ['disclose']],
    ['data-bureau', ['admin']],
  ];
  const tokens = await Promise.all(roles.map(([department, role]) => test.token(department, role)));
  const before = await countEntries(test);
  for (const [i, other] of tokens.entries())
    cases.push([roles[i]![1].join(), 403, 'scope-missing', await open(index, { token: other })]);
  cases.push(
    ['no token', 401, 'token-missing', await open(index, { token: '' })],
    ['no official', 400, 'official-required', await open(index, { token, official: '' })],
    ['no reason', 400, 'invalid-request', await open(index, { token, body: {} })],
    [
      "a reason with somebody's id",
      400,
      'invalid-request',
      await open(index, { token, body: { reason: `${reason}: ${id}` } }),
    ],
    ['a short reason', 400, 'invalid-request', await open(index, { token, body: { reason: 'because' } })],
    [
      'a blank reason',
      400,
      'invalid-request',
      await open(index, { token, body: { reason: ' '.repeat(20) } }),
    ],
    [
      'control characters',
      400,
      'invalid-request',
      await open(index, { token, body: { reason: `${reason}\0` } }),
    ],
    [
      'a lone surrogate',
      400,
      'invalid-request',
      await open(index, { token, body: { reason: `${reason}\ud800` } }),
    ],
    [
      'a reason of nothing that can be read',
      400,
      'invalid-request',
      await open(index, { token, body: { reason: '\u2800'.repeat(12) } }),
    ],
    [
      'a reason that reads otherwise than it is',
      400,
      'invalid-request',
      await open(index, { token, body: { reason: `${reason}\u202e` } }),
    ],
    [
      'a long reason',
      400,
      'invalid-request',
      await open(index, { token, body: { reason: 'x'.repeat(1001) } }),
    ],
    ['another member', 400, 'invalid-request', await open(index, { token, body: { reason, id: 'x' } })],
    ['beyond the end', 404, 'not-found', await open(9_000_000, { token })],
    ['no index', 404, 'not-found', await open('x', { token })],
    ['an act', 409, 'nothing-sealed', await open(0, { token })],
    ["a key's entry", 409, 'nothing-sealed', await open(keyEntry, { token })],
  );
  for (const [what, status, code, answer] of cases) {
    await t.test(what, async (t) => {
      checkProblem(t, answer, { status, code });
      judge.checkAnswer(t, 'openEntry', answer);
    });
  }
  t.equal(await countEntries(test), before);
  t.equal(
    (await open(index, { token, body: { reason: '投诉'.repeat(500) } })).statusCode,
    200,
    'as long as may be',
  );
});

await t.test('finds a key that was made before the clock was put back', async (t) => {
  test.clock.advance(2 * 3_600_000);
  const token = async (): Promise<string> => test.token('audit-office', ['audit']);
  await test.read('citizens', { id, fields: ['name'] });
  test.clock.advance(-6 * 60_000);
  const { headers } = await test.read('citizens', { id, fields: ['name'] });
  const at = Number(headers['exchange-entry']);
  await until('it is indexed', async () => {
    const { rows } = await test.pool.query<{ mark: number }>('select audit.indexed() as mark');
    return rows[0]!.mark > at;
  });
  t.equal((await open(at, { token: await token() })).statusCode, 200);
});

await t.test('an entry whose seal no key of the log opens is said to be at fault', async (t) => {
  const token = await test.token('audit-office', ['audit']);
  const stray = { ...(await entries())[index], data_key: '5f0c3a52-6d1e-4b8e-9a5f-3f6f0a5c2b11' };
  const { rows } = await test.pool.query<{ index: number }>(
    `select audit.append((select version from audit.authority), array[b], array[sha256('\\x00' || b)]) as index
     from (select convert_to($1, 'UTF8') as b) one`,
    [JSON.stringify(stray)],
  );
  checkProblem(t, await open(rows[0]!.index, { token }), { status: 503, code: 'audit-unavailable' });
});

await t.test('the log is whole', async (t) => {
  await checkAuditLog(t, test);
});
