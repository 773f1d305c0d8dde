import t, { type Test } from 'tap';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LightMyRequestResponse } from 'fastify';
import { buildApp } from '../../src/gateway/app.ts';
import { loadCatalogue } from '../../src/catalogue/catalogue.ts';
import { readConfig } from '../../src/base/config.ts';
import { assembleGateway } from '../../src/gateway/gateway.ts';
import { readAuthority } from '../../src/grants/authority.ts';
import { addGrant, revokeGrant } from '../../src/grants/administer-grants.ts';
import { listGrants } from '../../src/grants/find-grants.ts';
import { addClient, revokeClient } from '../../src/identity/departments-and-clients.ts';
import { personaCitizens } from '../../src/sandbox/personas.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { tokenFrom } from '../helpers/clients.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { startGateway } from '../helpers/gateway.ts';
import { actor, issuer, keys } from '../helpers/keys.ts';
import { checkProblem } from '../helpers/checks.ts';

const { id, name } = personaCitizens[0]!;
const day = 24 * 60 * 60 * 1000;

interface DeafGateway {
  read(fields?: string[]): Promise<LightMyRequestResponse>;
  /** The newest entries of the log, as who looks at them again and again asks for them. */
  poll(): Promise<LightMyRequestResponse>;
  clientId: string;
  /** How often the gateway read the authority because the append told it to. */
  refreshes(): number;
}

/** A gateway that hears of no change: its memory is as old as its start until the append refuses. */
async function startDeafGateway(
  t: Test,
  database: TestDatabase,
  asker = { department: 'civil-affairs', roles: ['exchange'] },
): Promise<DeafGateway> {
  const client = await addClient(database.database, actor, asker);
  let authority = await readAuthority(database.pool);
  let refreshes = 0;
  const config = {
    ...readConfig('home', { LOG_LEVEL: 'silent', ONEVISIT_HOME: '/nonexistent' }),
    embedded: false,
  };
  const refresh = async (): Promise<void> => {
    refreshes++;
    authority = await readAuthority(database.pool);
  };
  const gateway = assembleGateway(
    { config, keys, issuer, databaseUrl: database.gatewayUrl, catalogue: loadCatalogue() },
    {
      current: () => authority,
      refresh,
      refreshIfChanged: refresh,
      close: () => Promise.resolve(),
    },
  );
  const app = await buildApp(gateway);
  t.teardown(async () => {
    await app.close();
    await gateway.close();
  });
  const token = await tokenFrom(app, client);
  return {
    clientId: client.clientId,
    refreshes: () => refreshes,
    read: (fields = ['name']) =>
      app.inject({
        method: 'POST',
        url: '/v1/citizens/read',
        headers: {
          authorization: `Bearer ${token}`,
          'exchange-purpose': 'marriage-registration',
          'content-type': 'application/json',
        },
        payload: JSON.stringify({ id, fields }),
      }),
    poll: () =>
      app.inject({
        method: 'POST',
        url: '/v1/audit/entries/search',
        headers: {
          authorization: `Bearer ${token}`,
          'exchange-official': 'auditor-1',
          'content-type': 'application/json',
        },
        payload: '{}',
      }),
  };
}

async function grantOf(database: TestDatabase): Promise<string> {
  const [grant] = await listGrants(database.database, { consumer: 'civil-affairs', dataset: 'citizens' });
  return grant!.id;
}

await t.test('refuses an auditor revoked meanwhile what needs no entry of its own', async (t) => {
  const database = await createDatabase(t);
  const gateway = await startDeafGateway(t, database, { department: 'audit-office', roles: ['audit'] });
  t.equal((await gateway.poll()).statusCode, 200);
  t.equal((await gateway.poll()).statusCode, 200);
  await revokeClient(database.database, actor, gateway.clientId);
  checkProblem(t, await gateway.poll(), { status: 401, code: 'token-invalid' });
  const entries = await checkAuditLog(t, database);
  t.equal(entries.filter(({ operation }) => operation === 'entries-search').length, 1);
});

await t.test('refuses by the append what a grant revoked meanwhile had allowed', async (t) => {
  const database = await createDatabase(t);
  const gateway = await startDeafGateway(t, database);
  const before = await gateway.read();
  t.equal(before.body, JSON.stringify({ name }));
  t.equal(gateway.refreshes(), 0);

  const { entry } = await revokeGrant(database.database, actor, await grantOf(database), 'for the test');
  const after = await gateway.read();
  checkProblem(t, after, { status: 403, code: 'no-grant' });
  t.equal(gateway.refreshes(), 1, 'the gateway learnt it from the append alone');
  t.notOk(after.body.includes(name));

  const entries = await checkAuditLog(t, database);
  t.match(entries[entry], { kind: 'grant', operation: 'grant-revoke' });
  const later = entries.slice(entry + 1).filter(({ kind }) => kind === 'exchange');
  t.match(later, [{ outcome: 'refused', code: 'no-grant' }], 'one entry, and it releases nothing');
});

await t.test('refuses by the append a client that was revoked meanwhile', async (t) => {
  const database = await createDatabase(t);
  const gateway = await startDeafGateway(t, database);
  t.equal((await gateway.read()).statusCode, 200);

  const { entry } = await revokeClient(database.database, actor, gateway.clientId);
  const after = await gateway.read();
  const problem = checkProblem(t, after, { status: 401, code: 'token-invalid' });
  t.match(problem.detail, /\S/);
  t.match(after.headers['www-authenticate'], /error="invalid_token"/);
  t.notOk(after.headers['exchange-entry']);
  t.equal(gateway.refreshes(), 1);
  checkProblem(t, await gateway.read(), { status: 401, code: 'token-invalid' });

  const entries = await checkAuditLog(t, database);
  t.equal(entries.length, entry + 1, 'nothing was entered after the revocation');
});

await t.test('refuses by the append fields that another grant took over', async (t) => {
  const database = await createDatabase(t);
  const gateway = await startDeafGateway(t, database);
  const all = await gateway.read(['name', 'phone']);
  t.equal(all.statusCode, 200);
  await revokeGrant(database.database, actor, await grantOf(database), null);
  const narrow = await addGrant(database.database, loadCatalogue(), actor, {
    consumer: 'civil-affairs',
    dataset: 'citizens',
    fields: ['name'],
    plainFields: [],
    purposes: ['marriage-registration'],
    validFrom: new Date(Date.now() - day),
    validUntil: new Date(Date.now() + day),
  });
  const response = await gateway.read(['name', 'phone']);
  const { explain } = checkProblem(t, response, { status: 403, code: 'field-not-granted' });
  t.same(explain?.missing_fields, ['phone']);
  t.equal((await gateway.read()).body, JSON.stringify({ name }));
  const entries = await checkAuditLog(t, database);
  t.same(entries.at(-1)?.grants, [narrow.id], 'the entry names the grant that allowed it');
});

await t.test('makes a revocation exact for readers who ask while it happens', async (t) => {
  const test = await startGateway(t);
  await test.token('civil-affairs');
  const grant = await grantOf(test);
  const answers: Promise<LightMyRequestResponse>[] = [];
  t.equal((await test.read('citizens', { id, fields: ['name'] })).statusCode, 200);
  const revoking = sleep(20).then(() => revokeGrant(test.database, actor, grant, null));
  let revoked = false;
  void revoking.then(() => (revoked = true));
  while (!revoked) {
    answers.push(...Array.from({ length: 5 }, () => test.read('citizens', { id, fields: ['name'] })));
    await sleep(2);
  }
  const { entry } = await revoking;
  const after = await test.read('citizens', { id, fields: ['name'] });
  checkProblem(t, after, { status: 403, code: 'no-grant' });
  for (const answer of await Promise.all(answers)) {
    const index = Number(answer.headers['exchange-entry']);
    const isReleased = answer.statusCode === 200;
    if (isReleased !== index < entry)
      t.fail(`entry ${index} answered ${answer.statusCode}, the revocation is ${entry}`);
  }
  const entries = await checkAuditLog(t, test);
  const released = entries.flatMap(({ outcome }, index) => (outcome === 'released' ? [index] : []));
  t.ok(released.length > 0, 'some read before');
  t.ok(
    released.every((index) => index < entry),
    'none after',
  );
});

await t.test('makes a new grant work within a second by itself', async (t) => {
  const test = await startGateway(t);
  const token = await test.token('taxation');
  const ask = (): Promise<LightMyRequestResponse> =>
    test.read('citizens', { id, fields: ['name'] }, { token, purpose: 'social-insurance' });
  t.equal((await ask()).statusCode, 403);
  const now = test.clock.now().getTime();
  await addGrant(test.database, test.gateway.catalogue, actor, {
    consumer: 'taxation',
    dataset: 'citizens',
    fields: ['name'],
    plainFields: [],
    purposes: ['social-insurance'],
    validFrom: new Date(now - day),
    validUntil: new Date(now + day),
  });
  const { version } = await readAuthority(test.pool);
  for (
    let waited = 0;
    waited < 1000 && test.gateway.exchanges.authority.current().version < version;
    waited += 20
  )
    await sleep(20);
  t.equal(test.gateway.exchanges.authority.current().version, version, 'the memory followed');
  t.equal((await ask()).body, JSON.stringify({ name }));
  await checkAuditLog(t, test);
});

await t.test('issues no token to a client that was revoked', async (t) => {
  const test = await startGateway(t);
  const client = await addClient(test.database, actor, { department: 'taxation', roles: ['exchange'] });
  await test.gateway.exchanges.authority.refresh();
  t.type(await tokenFrom(test.app, client), 'string');
  await revokeClient(test.database, actor, client.clientId);
  for (let waited = 0; waited < 1000 && (await tokenFrom(test.app, client)) !== undefined; waited += 20)
    await sleep(20);
  t.equal(await tokenFrom(test.app, client), undefined, 'within a second');
  await checkAuditLog(t, test);
});
