import type { LightMyRequestResponse } from 'fastify';
import t, { type Test } from 'tap';
import { personaCitizens } from '../../src/sandbox/personas.ts';
import { takeAway } from '../helpers/database-away.ts';
import { until } from '../helpers/until.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway } from '../helpers/gateway.ts';
import { countEntries } from '../helpers/log.ts';

const { id, name } = personaCitizens[0]!;
const request = { id, fields: ['name'] };
const test = await startGateway(t);

/** Checks a problem that says: not now, nothing was released, come again. */
function isAway(t: Test, response: LightMyRequestResponse, codes: string[]): void {
  t.equal(response.statusCode, 503);
  t.match(response.headers['content-type'], /^application\/problem\+json/);
  t.ok(codes.includes(response.json<{ code: string }>().code), response.body);
  t.match(response.headers['retry-after'], /^[1-9]\d*$/);
  t.match(response.headers['exchange-id'], /^[0-9a-f-]{36}$/);
  t.equal(
    response.json<{ instance: string }>().instance,
    `urn:uuid:${String(response.headers['exchange-id'])}`,
  );
  for (const header of ['exchange-entry', 'exchange-leaf', 'exchange-salt'])
    t.notOk(header in response.headers, `no ${header}`);
  t.notOk(response.body.includes(name), 'nothing was released');
  t.notMatch(
    response.body,
    /postgres|connect|terminat|relation|\bpg\b|permission/i,
    'nothing internal is told',
  );
}

// Each time for another official: the same look again would need no entry for a minute.
let looks = 0;
async function search(token: string): Promise<LightMyRequestResponse> {
  return test.app.inject({
    method: 'POST',
    url: '/v1/audit/entries/search',
    headers: { authorization: `Bearer ${token}`, 'exchange-official': `auditor-${++looks}` },
    payload: {},
  });
}

await t.test('refuses while the store is away, and resumes by itself when it is back', async (t) => {
  const auditor = await test.token('audit-office', ['audit']);
  t.equal((await test.read('citizens', request)).statusCode, 200);
  const entriesBefore = await countEntries(test);

  const bringBack = await takeAway(test);
  isAway(t, await test.read('citizens', request), ['store-unavailable']);
  const many = await Promise.all(personaCitizens.map(async ({ id }) => test.read('citizens', { id })));
  for (const response of many) isAway(t, response, ['store-unavailable']);
  isAway(t, await test.read('citizens', { id: 'X' }), ['audit-unavailable']);
  isAway(t, await test.read('citizens', request, { purpose: 'no-such' }), ['audit-unavailable']);
  isAway(t, await search(auditor), ['store-unavailable']);
  t.equal(
    (await test.read('citizens', request, { token: null })).statusCode,
    401,
    'tokens are still checked',
  );

  await bringBack();
  await until('reads are answered again', async () => {
    return (await test.read('citizens', request)).statusCode === 200;
  });
  t.same((await test.read('citizens', request)).json(), { name });
  t.equal((await search(auditor)).statusCode, 200);
  const entries = await checkAuditLog(t, test);
  t.same(
    entries.slice(entriesBefore).filter(({ outcome }) => outcome !== 'released' && outcome !== 'done'),
    [],
    'what was refused while the store was away is not entered',
  );
});

await t.test('follows grants again after the store was away', async (t) => {
  const bringBack = await takeAway(test);
  isAway(t, await test.read('citizens', request), ['store-unavailable']);
  await bringBack();
  await until('the store is back', async () => (await test.gateway.readiness()).ready);
  const grant = (status: string): Promise<unknown> =>
    test.pool.query(
      "update registry.grant set status = $1 where consumer = 'civil-affairs' and dataset = 'citizens'",
      [status],
    );
  const bumped = async (): Promise<number> => test.gateway.exchanges.authority.current().version;
  const version = await bumped();
  await grant('revoked');
  await test.token('taxation');
  t.ok((await bumped()) > version, 'a new client is known at once');
  await until('the grant is gone', async () => {
    return (await test.read('citizens', request)).statusCode === 403;
  });
  await grant('active');
  await test.token('human-resources');
  await until('the grant is back', async () => {
    return (await test.read('citizens', request)).statusCode === 200;
  });
  await checkAuditLog(t, test);
});

await t.test('releases nothing that can not be entered', async (t) => {
  const entriesBefore = await countEntries(test);
  const append = 'function audit.append(bigint, bytea[], bytea[])';
  await test.pool.query(`revoke execute on ${append} from onevisit_gateway, public`);
  isAway(t, await test.read('citizens', request), ['audit-unavailable']);
  isAway(t, await test.read('enterprises', { id: 'X' }), ['audit-unavailable']);
  isAway(t, await search(await test.token('audit-office', ['audit'])), ['audit-unavailable']);
  t.equal(await countEntries(test), entriesBefore);

  await test.pool.query(`grant execute on ${append} to onevisit_gateway`);
  await until('reads are answered again', async () => {
    return (await test.read('citizens', request)).statusCode === 200;
  });
  await checkAuditLog(t, test);
});
