import { createHash, randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import type { LightMyRequestResponse } from 'fastify';
import { verifyProof } from '../../../src/transparency/proof.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { keys, logOrigin } from '../../helpers/keys.ts';
import { connect, countEntries } from '../../helpers/log.ts';
import { until } from '../../helpers/until.ts';
import { verifierOf } from '../../../src/transparency/node/sign.ts';

const test = await startGateway(t);
const verifiers = [verifierOf(logOrigin, keys.log)];
const persona = { id: '999901198804120024', fields: ['name', 'birth_date'] };
const official = { 'exchange-official': 'auditor-7' };

interface Receipt {
  entry: string;
  proof: string;
  salt?: string;
}

async function getReceipt(
  exchange: unknown,
  {
    token,
    headers = {},
    file = '',
  }: { token?: string; headers?: Record<string, string>; file?: string } = {},
): Promise<LightMyRequestResponse> {
  return test.app.inject({
    url: `/v1/exchanges/${String(exchange)}/receipt${file}`,
    headers: { authorization: `Bearer ${token ?? (await test.token('civil-affairs'))}`, ...headers },
  });
}

/** Checks a receipt as its holder would, with the verifier key alone. */
function checkReceipt(t: Test, receipt: Receipt, answered: LightMyRequestResponse): Record<string, unknown> {
  const bytes = Buffer.from(receipt.entry, 'base64');
  const { index, checkpoint } = verifyProof(receipt.proof, bytes, verifiers);
  t.equal(index, Number(answered.headers['exchange-entry']));
  t.ok(checkpoint.size > index);
  const entry = JSON.parse(bytes.toString()) as Record<string, unknown>;
  t.equal(entry.id, answered.headers['exchange-id']);
  return entry;
}

await t.test('gives the consumer the entry, its proof, and the salt that opens the body', async (t) => {
  const answered = await test.read('citizens', persona);
  const before = await countEntries(test);
  const response = await getReceipt(answered.headers['exchange-id']);
  t.equal(response.statusCode, 200);
  t.equal(response.headers['cache-control'], 'no-store');
  const receipt = response.json<Receipt>();
  const entry = checkReceipt(t, receipt, answered);
  t.equal(receipt.salt, answered.headers['exchange-salt']);
  const opened = createHash('sha256')
    .update('onevisit-body/1\0')
    .update(Buffer.from(receipt.salt!, 'base64'))
    .update(answered.rawPayload)
    .digest('base64url');
  t.equal(entry.body, opened);
  t.equal(await countEntries(test), before, 'its own receipt is no act');
});

await t.test('gives the proof alone as a file', async (t) => {
  const answered = await test.read('citizens', persona);
  const id = answered.headers['exchange-id'];
  const response = await getReceipt(id, { file: '.tlog-proof' });
  t.equal(response.statusCode, 200);
  t.equal(response.headers['content-disposition'], `attachment; filename="${String(id)}.tlog-proof"`);
  const { entry } = (await getReceipt(id)).json<Receipt>();
  t.equal(
    verifyProof(response.body, Buffer.from(entry, 'base64'), verifiers).index,
    Number(answered.headers['exchange-entry']),
  );
});

await t.test('proves refusals and absent records too, without a salt', async (t) => {
  const refused = await test.read('citizens', { ...persona, fields: ['ethnicity'] });
  t.equal(refused.statusCode, 403);
  const absent = await test.read('citizens', { ...persona, id: '999901200001019995' });
  for (const [answered, outcome] of [
    [refused, 'refused'],
    [absent, absent.statusCode === 404 ? 'absent' : 'refused'],
  ] as const) {
    const receipt = (await getReceipt(answered.headers['exchange-id'])).json<Receipt>();
    t.equal(checkReceipt(t, receipt, answered).outcome, outcome);
    t.equal(receipt.salt, undefined);
  }
});

await t.test(
  'shows provider and auditor the same without the salt, and records that they looked',
  async (t) => {
    const answered = await test.read('citizens', persona);
    const id = answered.headers['exchange-id'];
    for (const [department, role] of [
      ['public-security', 'provide'],
      ['audit-office', 'audit'],
    ] as const) {
      const token = await test.token(department, [role]);
      t.match((await getReceipt(id, { token })).json(), { status: 400, code: 'official-required' });
      t.match((await getReceipt(id, { token, headers: { 'exchange-official': '%' } })).json(), {
        status: 400,
        code: 'invalid-request',
      });
      const before = await countEntries(test);
      const response = await getReceipt(id, { token, headers: official });
      t.equal(response.statusCode, 200);
      const receipt = response.json<Receipt>();
      checkReceipt(t, receipt, answered);
      t.equal(receipt.salt, undefined);
      const { rows } = await test.pool.query<{ bytes: Buffer }>(
        'select bytes from audit.entry where index = $1',
        [before],
      );
      t.match(JSON.parse(rows[0]!.bytes.toString()), {
        kind: 'query',
        operation: 'receipt',
        consumer: department,
        official: { id: 'auditor-7' },
        details: { exchange: id },
      });
    }
  },
);

await t.test(
  'is not there for others, for ids that are none, and for entries that are no exchange',
  async (t) => {
    const answered = await test.read('citizens', persona);
    const id = String(answered.headers['exchange-id']);
    const { rows } = await test.pool.query<{ bytes: Buffer }>(
      'select bytes from audit.entry where index = 0',
    );
    const act = (JSON.parse(rows[0]!.bytes.toString()) as { id: string }).id;
    const before = await countEntries(test);
    const auditor = { token: await test.token('audit-office', ['audit']), headers: official };
    for (const [what, exchange, how] of [
      ['another consumer', id, { token: await test.token('taxation') }],
      [
        'another provider',
        id,
        { token: await test.token('market-regulation', ['provide']), headers: official },
      ],
      ['the provider as a consumer', id, { token: await test.token('public-security') }],
      ['no such exchange', randomUUID(), auditor],
      ['no id', 'x', auditor],
      ['an id in capitals', id.toUpperCase(), auditor],
      ['an act', act, auditor],
    ] as const)
      t.match((await getReceipt(exchange, how)).json(), { status: 404, code: 'not-found' }, what);
    const lookers = (await countEntries(test)) - before;
    t.ok(lookers <= 3, 'tokens of new clients are entries, failed looks are not');
    t.match((await getReceipt(id, { token: 'x' })).json(), { status: 401, code: 'token-invalid' });
    const bare = await test.app.inject({ url: `/v1/exchanges/${id}/receipt` });
    t.match(bare.json(), { status: 401, code: 'token-missing' });
  },
);

await t.test('says 202 while no checkpoint covers the entry, and 200 once one does', async (t) => {
  const blocker = await connect(t, test.adminUrl);
  await until('the lock', async () => {
    const { rows } = await blocker.query<{ got: boolean }>('select pg_try_advisory_lock(7103, 4) as got');
    return rows[0]!.got;
  });
  const answered = await test.read('citizens', persona);
  const id = answered.headers['exchange-id'];
  const pending = await getReceipt(id);
  t.equal(pending.statusCode, 202);
  t.equal(pending.headers['retry-after'], '1');
  t.same(pending.json(), { status: 'pending' });
  await blocker.end();
  const response = await getReceipt(id);
  t.equal(response.statusCode, 200);
  checkReceipt(t, response.json(), answered);
});

await t.test('the log is whole', (t) => checkAuditLog(t, test).then(() => undefined));

await t.test('hands out nothing that it can not prove', async (t) => {
  const answered = await test.read('citizens', persona);
  const id = answered.headers['exchange-id'];
  t.equal((await getReceipt(id)).statusCode, 200);
  await test.pool.query('alter table audit.entry_0000 disable trigger all');
  await test.pool.query(
    `update audit.entry_0000 set bytes = convert_to(replace(convert_from(bytes, 'utf8'), '"released"', '"absent"'), 'utf8')
     where index = $1`,
    [Number(answered.headers['exchange-entry'])],
  );
  t.match((await getReceipt(id)).json(), { status: 503, code: 'audit-unavailable' });
});
