import t from 'tap';
import { leafHash } from '../../../src/transparency/merkle.ts';
import { verifyProof } from '../../../src/transparency/proof.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { countEntries } from '../../helpers/log.ts';
import { until } from '../../helpers/until.ts';
import { verifiers } from '../../helpers/published-log.ts';

const test = await startGateway(t);
const persona = { id: '999901198804120024', fields: ['name'] };
const audit = await test.token('audit-office', ['audit']);

const get = (index: number | string, token: string | null = audit, official: string | null = 'auditor-7') =>
  test.app.inject({
    url: `/v1/audit/entries/${index}`,
    headers: {
      ...(token !== null && { authorization: `Bearer ${token}` }),
      ...(official !== null && { 'exchange-official': official }),
    },
  });

const { headers } = await test.read('citizens', persona);
const index = Number(headers['exchange-entry']);
await until('a checkpoint of it', async () => (await get(index)).statusCode === 200);

await t.test('gives an entry with its leaf hash, and a proof that the log holds it', async (t) => {
  const before = await countEntries(test);
  const answer = await get(index);
  const body = answer.json<{ index: number; leaf_hash: string; entry: object; proof: string }>();
  t.match(body, {
    index,
    leaf_hash: headers['exchange-leaf'],
    entry: { id: headers['exchange-id'], kind: 'exchange' },
  });
  const { rows } = await test.pool.query<{ bytes: Buffer }>(
    'select bytes from audit.entry where index = $1',
    [index],
  );
  t.equal(verifyProof(body.proof, rows[0]!.bytes, verifiers).index, index);
  t.equal(Buffer.from(leafHash(rows[0]!.bytes)).toString('base64'), body.leaf_hash);
  t.equal(JSON.stringify(body.entry), rows[0]!.bytes.toString(), 'canonical JSON as it is');
  t.equal(answer.headers['cache-control'], 'no-store');

  const look = await test.pool.query<{ bytes: Buffer }>('select bytes from audit.entry where index = $1', [
    before,
  ]);
  t.match(JSON.parse(look.rows[0]!.bytes.toString()), {
    kind: 'query',
    id: answer.headers['exchange-id'],
    operation: 'entry',
    consumer: 'audit-office',
    official: { id: 'auditor-7', proof: 'asserted' },
    details: { index },
    records: 1,
  });
});

await t.test('a consumer and a provider see their own, and nothing of others', async (t) => {
  const mine = await test.token('civil-affairs');
  const provider = await test.token('public-security', ['provide']);
  for (const token of [mine, provider]) t.equal((await get(index, token, 'official-1')).statusCode, 200);
  const others = [
    await get(index, await test.token('taxation')),
    await get(index, await test.token('market-regulation', ['provide'])),
    await get(0, mine),
  ];
  for (const answer of others) {
    t.equal(answer.statusCode, 404);
    t.equal(answer.json<{ code: string }>().code, 'not-found');
  }
});

for (const [what, status, code, ask] of [
  ['no token', 401, 'token-missing', () => get(index, null)],
  [
    'a token of another role',
    403,
    'scope-missing',
    async () => get(index, await test.token('civil-affairs', ['disclose'])),
  ],
  ['no official', 400, 'official-required', () => get(index, audit, null)],
  ['an index beyond the end', 404, 'not-found', () => get(9_000_000)],
  ['an index that is none', 404, 'not-found', () => get('x')],
  ['a leading zero', 404, 'not-found', () => get('01')],
  ['more than an index can be', 404, 'not-found', () => get('9'.repeat(40))],
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
  await checkAuditLog(t, test);
});

await t.test('an entry whose bytes are none is not handed out', async (t) => {
  const bytes = Buffer.from('no entry');
  const client = await test.pool.connect();
  const { rows } = await client.query<{ index: number }>(
    'select audit.append((select version from audit.authority), $1, $2) as index',
    [[bytes], [Buffer.from(leafHash(bytes))]],
  );
  client.release();
  const answer = await get(rows[0]!.index);
  t.equal(answer.statusCode, 503);
  t.equal(answer.json<{ code: string }>().code, 'audit-unavailable');
});
