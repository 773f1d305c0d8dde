import { parse } from 'csv-parse/sync';
import t from 'tap';
import { canonicalJson } from '../../../src/base/canonical-json.ts';
import { leafHash } from '../../../src/transparency/merkle.ts';
import { verifyExport } from '../../../src/audit/export/verify-export.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { askExport, indicesOf, linesOf } from '../../helpers/exporting.ts';
import {
  countEntries,
  fillTo,
  holdLock,
  logLocks,
  newLeaf,
  readVersion,
  untilBlocked,
} from '../../helpers/log.ts';
import { until } from '../../helpers/until.ts';
import { verifiers } from '../../helpers/published-log.ts';

const test = await startGateway(t);
const persona = '999901198804120024';
const audit = await test.token('audit-office', ['audit']);
const provider = await test.token('public-security', ['provide']);
const read = await test.read('citizens', { id: persona, fields: ['name'] });
await test.read('citizens', { id: persona, fields: ['birth_date'] }, { purpose: 'no-such-purpose' });
const formula = '=HYPERLINK("http://x")\u2028,王';
const { bytes, hash } = newLeaf({ official: { id: formula, proof: 'asserted' }, case: '-1' });
await test.pool.query('select audit.append($1, $2, $3)', [await readVersion(test), [bytes], [hash]]);
await fillTo(test, 900);

async function* each(text: string): AsyncGenerator<string> {
  yield* text.trimEnd().split('\n');
}

await t.test(
  'gives every entry up to a checkpoint, newest first, with its exact bytes and its proof',
  async (t) => {
    const before = await countEntries(test);
    const answer = await askExport(test, audit, { format: 'ndjson' });
    t.equal(answer.statusCode, 200);
    t.match(answer.headers, {
      'content-type': 'application/x-ndjson',
      'cache-control': 'no-store',
      'content-disposition': `attachment; filename="audit-${before}.ndjson"`,
    });
    const lines = linesOf(answer.body);
    t.match(lines[0]!.export, { format: 'onevisit-export/2', filter: {}, below: before });
    t.same(
      indicesOf(lines),
      Array.from({ length: before }, (_, i) => before - 1 - i),
    );
    const { rows } = await test.pool.query<{ bytes: Buffer }>(
      'select bytes from audit.entry where index < $1 order by index desc',
      [before],
    );
    const entries = lines.filter(({ entry }) => entry !== undefined);
    t.ok(
      entries.every(({ entry }, i) => canonicalJson(entry) === rows[i]!.bytes.toString()),
      'canonical JSON makes the bytes again',
    );
    t.ok(
      entries.every(
        ({ leaf_hash: told }, i) => told === Buffer.from(leafHash(rows[i]!.bytes)).toString('base64'),
      ),
    );
    t.match(lines.at(-1), { manifest: { from: 0, below: before, count: before, size: before }, next: null });
    const verdict = await verifyExport(each(answer.body), { verifiers });
    t.same(verdict, { entries: before, sizes: [before], filter: {}, from: 0, findings: [], more: false });
  },
);

await t.test('is an entry itself, durable before the first byte, without the plain id', async (t) => {
  const answer = await askExport(test, audit, { format: 'ndjson', dataset: 'citizens', subject: persona });
  const lines = linesOf(answer.body);
  t.ok(indicesOf(lines).includes(Number(read.headers['exchange-entry'])));
  t.notMatch(answer.body, persona);
  const { rows } = await test.pool.query<{ bytes: Buffer }>(
    `select bytes from audit.entry where convert_from(bytes, 'UTF8')::jsonb ->> 'id' = $1`,
    [answer.headers['exchange-id']],
  );
  t.notMatch(rows[0]!.bytes.toString(), persona);
  t.match(JSON.parse(rows[0]!.bytes.toString()), {
    kind: 'query',
    operation: 'export',
    consumer: 'audit-office',
    official: { id: 'auditor-7', proof: 'asserted' },
    details: { dataset: 'citizens', subject: /^[\w-]{22}$/, format: 'ndjson' },
  });
  const verdict = await verifyExport(each(answer.body), { verifiers });
  t.match(verdict, { findings: [], filter: { dataset: 'citizens', subject: /^[\w-]{22}$/ } });
});

await t.test('sends nothing before its own entry is durable', async (t) => {
  const before = await countEntries(test);
  const lock = await holdLock(t, test, logLocks.append);
  let answered = false;
  const asked = askExport(test, audit, { format: 'csv' }).then((answer) => {
    answered = true;
    return answer;
  });
  await untilBlocked(test, 'onevisit append');
  t.equal(answered, false);
  t.equal(await countEntries(test), before);
  await lock.release();
  t.equal((await asked).statusCode, 200);
  t.equal(await countEntries(test), before + 1);
});

await t.test('gives what a filter leaves, each entry proven by itself', async (t) => {
  const answer = await askExport(test, audit, { format: 'ndjson', consumer: 'civil-affairs' });
  const lines = linesOf(answer.body);
  t.ok(lines.some(({ entry }) => entry?.outcome === 'refused'));
  t.ok(lines.every(({ entry }) => entry === undefined || entry.consumer === 'civil-affairs'));
  t.match(await verifyExport(each(answer.body), { verifiers }), {
    findings: [],
    filter: { consumer: 'civil-affairs' },
  });
});

await t.test('goes on from the last manifest that was received, and both parts are one export', async (t) => {
  const whole = await askExport(test, audit, { format: 'ndjson' });
  const lines = whole.body.trimEnd().split('\n');
  const cut = lines.findIndex((line) => line.startsWith('{"manifest"'));
  const received = lines.slice(0, cut + 1);
  const { next, manifest } = linesOf(`${received.at(-1)}\n`)[0]!;
  t.type(next, 'string');
  await fillTo(test, (await countEntries(test)) + 10);
  const rest = await askExport(test, audit, { format: 'ndjson', after: next });
  t.equal(linesOf(rest.body)[0]!.export!.below, manifest!.from);
  const both = `${received.join('\n')}\n${rest.body}`;
  t.same(indicesOf(linesOf(both)), indicesOf(linesOf(whole.body)));
  const verdict = await verifyExport(each(both), { verifiers });
  t.same(verdict.findings, []);
  t.equal(verdict.sizes.length, 2);

  const stranger = await test.token('audit-office', ['audit', 'exchange']);
  for (const [what, token, body] of [
    ['of another client', stranger, { format: 'ndjson', after: next }],
    ['of another filter', audit, { format: 'ndjson', after: next, consumer: 'taxation' }],
    ['of another format', audit, { format: 'csv', after: next }],
    ['of nobody', audit, { format: 'ndjson', after: 'A'.repeat(43) }],
  ] as const) {
    const answer = await askExport(test, token, body);
    t.equal(answer.statusCode, 400, what);
    t.match(answer.json(), { code: 'invalid-request', errors: [{ pointer: '#/after' }] }, what);
  }
});

await t.test('as CSV has the same entries, no formula, and a manifest at the end', async (t) => {
  const answer = await askExport(test, audit, { format: 'csv' });
  t.equal(answer.headers['content-type'], 'text/csv; charset=utf-8');
  t.equal(answer.body.codePointAt(0), 0xfeff);
  const rows: Record<string, string>[] = parse(answer.body, { bom: true, columns: true });
  const entries = rows.filter(({ record }) => record === 'entry');
  const last = JSON.parse(rows.at(-1)!.details!) as {
    manifest: { count: number; digest: string };
    next: null;
  };
  t.equal(rows.at(-1)!.record, 'manifest');
  t.equal(last.next, null);
  t.equal(last.manifest.count, entries.length);
  t.match(
    entries.find(({ id }) => id === read.headers['exchange-id']),
    {
      index: read.headers['exchange-entry'],
      leaf_hash: read.headers['exchange-leaf'],
      kind: 'exchange',
      consumer: 'civil-affairs',
      fields: 'name',
      outcome: 'released',
    },
  );
  t.match(
    entries.find(({ official }) => official?.includes('HYPERLINK')),
    { official: `'${formula}`, case: "'-1" },
  );

  const first = rows.findIndex(({ record }) => record === 'manifest');
  const { next } = JSON.parse(rows[first]!.details!) as { next: string };
  const rest = await askExport(test, audit, { format: 'csv', after: next });
  const more: string[][] = parse(rest.body);
  t.equal(more[0]![0], 'entry', 'what goes on has no header');
  t.equal(more[0]![1], rows[first + 1]!.index);
});

for (const [what, status, code, ask] of [
  ['no token', 401, 'token-missing', () => askExport(test, null, { format: 'ndjson' })],
  ['a provider', 403, 'scope-missing', () => askExport(test, provider, { format: 'ndjson' })],
  [
    'a consumer',
    403,
    'scope-missing',
    async () => askExport(test, await test.token('civil-affairs'), { format: 'ndjson' }),
  ],
  [
    'an administrator',
    403,
    'scope-missing',
    async () => askExport(test, await test.token('data-bureau', ['admin']), { format: 'ndjson' }),
  ],
  ['no official', 400, 'official-required', () => askExport(test, audit, { format: 'ndjson' }, null)],
  ['no format', 400, 'invalid-request', () => askExport(test, audit, {})],
  ['another format', 400, 'invalid-request', () => askExport(test, audit, { format: 'xlsx' })],
  [
    'a filter that is none',
    400,
    'invalid-request',
    () => askExport(test, audit, { format: 'csv', colour: 'red' }),
  ],
  ['a limit', 400, 'invalid-request', () => askExport(test, audit, { format: 'csv', limit: 5 })],
  [
    'a time that does not exist',
    400,
    'invalid-request',
    () => askExport(test, audit, { format: 'csv', from: '2026-02-30T00:00:00Z' }),
  ],
  [
    'a subject without its dataset',
    400,
    'invalid-request',
    () => askExport(test, audit, { format: 'csv', subject: persona }),
  ],
  [
    'a wrong id',
    400,
    'invalid-id',
    () => askExport(test, audit, { format: 'csv', dataset: 'citizens', subject: '999901198804120025' }),
  ],
] as const)
  await t.test(`refuses ${what}, and enters nothing`, async (t) => {
    const answer = await ask();
    const before = await countEntries(test);
    t.equal(answer.statusCode, status);
    t.equal(answer.json<{ code: string }>().code, code);
    t.equal((await ask()).statusCode, status);
    t.equal(await countEntries(test), before);
  });

await t.test('the log is whole', async (t) => {
  await until('all covered', async () => {
    const { rows } = await test.pool.query<{ size: number }>(
      'select max(size) as size from audit.checkpoint',
    );
    return rows[0]!.size === (await countEntries(test));
  });
  await checkAuditLog(t, test);
});
