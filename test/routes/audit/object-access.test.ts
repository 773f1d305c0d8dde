import type { LightMyRequestResponse } from 'fastify';
import t from 'tap';
import { personaCitizens, personaEnterprises } from '../../../src/sandbox/personas.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { until } from '../../helpers/until.ts';
import { newAsker, type Asker } from '../../helpers/search.ts';

/** Who may see which entry, by every way to it: what belongs to others is not there. */
const test = await startGateway(t);
const askers = {
  consumer: await newAsker(test, 'civil-affairs', ['exchange']),
  otherConsumer: await newAsker(test, 'taxation', ['exchange']),
  provider: await newAsker(test, 'public-security', ['provide']),
  otherProvider: await newAsker(test, 'market-regulation', ['provide']),
  auditor: await newAsker(test, 'audit-office', ['audit']),
  portal: await newAsker(test, 'service-portal', ['disclose']),
  admin: await newAsker(test, 'data-bureau', ['admin']),
};
type Who = keyof typeof askers;

interface Target {
  index: number;
  id: string;
}

function targetOf({ headers }: LightMyRequestResponse): Target {
  return { index: Number(headers['exchange-entry']), id: String(headers['exchange-id']) };
}

const objects = {
  'a released read of a citizen': targetOf(
    await test.read('citizens', { id: personaCitizens[0]!.id }, { token: await askers.consumer.token() }),
  ),
  'a refused read of a citizen': targetOf(
    await test.read(
      'citizens',
      { id: personaCitizens[0]!.id, fields: ['ethnicity'] },
      { token: await askers.consumer.token() },
    ),
  ),
  'a read of an enterprise': targetOf(
    await test.read(
      'enterprises',
      { id: personaEnterprises[0]!.id },
      { token: await askers.otherConsumer.token(), purpose: 'tax-assessment' },
    ),
  ),
  'an act that governs': { index: 1, id: '' },
};
const citizens: Who[] = ['consumer', 'provider', 'auditor'];
const seenBy: Record<keyof typeof objects, Who[]> = {
  'a released read of a citizen': citizens,
  'a refused read of a citizen': citizens,
  'a read of an enterprise': ['otherConsumer', 'otherProvider', 'auditor'],
  'an act that governs': ['auditor'],
};
const withoutScope: Who[] = ['portal', 'admin'];

async function get(asker: Asker, url: string): Promise<LightMyRequestResponse> {
  const headers = { authorization: `Bearer ${await asker.token()}`, 'exchange-official': 'somebody' };
  return test.app.inject({ url, headers });
}

async function post(asker: Asker, url: string, payload: object): Promise<LightMyRequestResponse> {
  const headers = { authorization: `Bearer ${await asker.token()}`, 'exchange-official': 'somebody' };
  return test.app.inject({ method: 'POST', url, headers, payload });
}

await until('a checkpoint covers them', async () => {
  const { rows } = await test.pool.query<{ size: number | null }>(
    'select max(size) as size from audit.checkpoint',
  );
  return (rows[0]!.size ?? 0) > objects['a read of an enterprise'].index;
});

for (const [what, { index, id }] of Object.entries(objects) as [keyof typeof objects, Target][])
  await t.test(what, async (t) => {
    for (const [who, asker] of Object.entries(askers) as [Who, Asker][]) {
      const sees = seenBy[what].includes(who);
      const expected = withoutScope.includes(who) ? 403 : sees ? 200 : 404;
      t.equal((await get(asker, `/v1/audit/entries/${index}`)).statusCode, expected, `${who}: entry`);
      if (id !== '')
        t.equal(
          (await get(asker, `/v1/exchanges/${id}/receipt`)).statusCode,
          sees ? 200 : 404,
          `${who}: receipt`,
        );

      const found = await post(asker, '/v1/audit/entries/search', { limit: 500 });
      const items = found.statusCode === 200 ? found.json<{ items: { index: number }[] }>().items : [];
      t.equal(
        items.some((item) => item.index === index),
        sees,
        `${who}: search`,
      );

      const mine = seenBy[what].includes(who) && who === 'auditor';
      const opening = { reason: 'to see who may open it' };
      const opened = await post(asker, `/v1/audit/entries/${index}/open`, opening);
      t.equal(opened.statusCode, mine ? (id === '' ? 409 : 200) : 403, `${who}: opening`);
      const exported = await post(asker, '/v1/audit/export', { format: 'ndjson' });
      t.equal(exported.statusCode, mine ? 200 : 403, `${who}: export`);
      t.equal(exported.body.includes(`"index":${index},`), mine, `${who}: in the export`);
    }
  });

await t.test('nobody counts what belongs to others', async (t) => {
  for (const [who, asker] of Object.entries(askers) as [Who, Asker][]) {
    const answer = await post(asker, '/v1/audit/summary', { by: ['dataset'], kind: 'exchange' });
    if (withoutScope.includes(who)) t.equal(answer.statusCode, 403, who);
    else
      t.strictSame(
        answer.json<{ items: { dataset: string }[] }>().items.map(({ dataset }) => dataset),
        who === 'auditor'
          ? ['citizens', 'enterprises']
          : who.startsWith('other')
            ? ['enterprises']
            : ['citizens'],
        who,
      );
  }
});

await t.test('a disclosure is for portals alone', async (t) => {
  const body = { dataset: 'citizens', id: personaCitizens[0]!.id };
  for (const [who, asker] of Object.entries(askers) as [Who, Asker][]) {
    const { statusCode } = await post(asker, '/v1/disclosures', body);
    t.equal(statusCode, who === 'portal' ? 400 : 403, `${who}: without the login of the subject`);
  }
});

await t.test('leaves a whole log behind all of that', (t) => checkAuditLog(t, test));
