import { connect as connectTo, createServer, type AddressInfo, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { loadCatalogue } from '../../src/catalogue/catalogue.ts';
import { connectionConfig } from '../../src/db/connection.ts';
import { openDatabase } from '../../src/db/database.ts';
import { UserError } from '../../src/base/errors.ts';
import { followAuthority, type AuthorityView } from '../../src/grants/authority.ts';
import { addGrant, revokeGrant } from '../../src/grants/administer-grants.ts';
import { addPurpose } from '../../src/grants/purposes.ts';
import { addClient, revokeClient } from '../../src/identity/departments-and-clients.ts';
import { killSessions } from '../helpers/log.ts';
import { until } from '../helpers/until.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { createDatabase } from '../helpers/database.ts';
import { actor } from '../helpers/keys.ts';
import { withDatabase } from '../helpers/server.ts';

const test = await createDatabase(t);
const { database, pool: owner } = test;

async function follow(t: Test, name: string, listenUrl = test.gatewayUrl): Promise<AuthorityView> {
  const { pool, close } = openDatabase(test.gatewayUrl, `${name} pool`, { maxConnections: 2 });
  t.teardown(close);
  const view = await followAuthority(pool, connectionConfig(listenUrl, `${name} listen`));
  t.teardown(() => view.close());
  return view;
}
const title = (view: AuthorityView): string | undefined =>
  view.current().purposes.get('tax-assessment')?.title.en;

/** Changes what is read without the version that the poll looks at: only a notification tells. */
async function changeQuietly(to: string): Promise<void> {
  await owner.query(`update registry.purpose set title_en = $1 where code = 'tax-assessment'`, [to]);
}
/** Changes the version without a notification: only the poll tells. */
async function changeUnheard(to: string): Promise<void> {
  await owner.query(
    `with v as (update audit.authority set version = version + 1)
     update registry.purpose set title_en = $1 where code = 'tax-assessment'`,
    [to],
  );
}

await t.test('holds the clients, purposes and grants that the database has', async (t) => {
  const view = await follow(t, 'whole');
  const { clientId } = await addClient(database, actor, { department: 'taxation', roles: ['exchange'] });
  const until = new Date('2126-01-01T00:00:00.123Z');
  const { id } = await addGrant(database, loadCatalogue(), actor, {
    consumer: 'taxation',
    dataset: 'citizens',
    fields: ['phone', 'name'],
    plainFields: ['phone'],
    purposes: ['tax-assessment'],
    requires: ['case'],
    verifyFields: ['sex'],
    dailyQuota: 7,
    validFrom: new Date('2026-01-01T00:00:00.000Z'),
    validUntil: until,
  });
  await view.refresh();
  const authority = view.current();
  t.match(authority.clients.get(clientId), { id: clientId, department: 'taxation', roles: ['exchange'] });
  t.equal(authority.clients.get(clientId)?.secretHash?.length, 32);
  t.strictSame(authority.purposes.get('social-assistance'), {
    code: 'social-assistance',
    title: { en: 'Review of social assistance', zh: '社会救助审核' },
    requires: ['case', 'official'],
    confidentialDays: 0,
  });
  t.strictSame(
    authority.grantsOf('taxation', 'citizens').find((grant) => grant.id === id),
    {
      id,
      consumer: 'taxation',
      dataset: 'citizens',
      fields: ['name', 'phone'],
      plainFields: ['phone'],
      verifyFields: ['sex'],
      purposes: ['tax-assessment'],
      status: 'active',
      validFromMs: Date.parse('2026-01-01T00:00:00.000Z'),
      validUntilMs: until.getTime(),
      requires: ['case'],
      dailyQuota: 7,
    },
  );
  t.strictSame(authority.grantsOf('taxation', 'vehicles'), []);
  await revokeGrant(database, actor, id, null);
  await revokeClient(database, actor, clientId);
  await view.refresh();
  t.notOk(view.current().clients.has(clientId), 'a revoked client is left out');
  t.ok(authority.clients.has(clientId), 'what was held before stays as it was');
  const held = view.current().grantsOf('taxation', 'citizens');
  t.notOk(
    held.some((grant) => grant.id === id),
    'and so is a revoked grant',
  );
});

await t.test('follows acts by themselves', async (t) => {
  const view = await follow(t, 'acts');
  const purpose = { title: { en: 'N', zh: '新' }, legal_basis: 'law', requires: [], confidential_days: 0 };
  await addPurpose(database, actor, { ...purpose, code: 'followed' });
  await until('the purpose is there', () => view.current().purposes.has('followed'));
  t.equal(
    view.current().version,
    (await owner.query<{ version: number }>('select version from audit.authority')).rows[0]!.version,
  );
});

await t.test('follows by notifications', async (t) => {
  const view = await follow(t, 'heard');
  await changeQuietly('heard');
  await owner.query('notify onevisit_authority');
  await until('it has heard', () => title(view) === 'heard');
  t.pass();
});

await t.test('follows by the poll, when no notification comes', async (t) => {
  const view = await follow(t, 'polled');
  await changeUnheard('polled');
  await until('it has asked', () => title(view) === 'polled');
  t.pass();
});

await t.test('follows while its listening connection is killed, and listens again', async (t) => {
  const view = await follow(t, 'killed');
  t.equal(await killSessions(test, 'killed listen'), 1);
  await changeUnheard('after the kill');
  await until('it has asked', () => title(view) === 'after the kill');
  await until('it listens again', async () => {
    await changeQuietly('heard again');
    await owner.query('notify onevisit_authority');
    return title(view) === 'heard again';
  });
  t.ok((await killSessions(test, 'killed pool')) > 0);
  await changeUnheard('after the other kill');
  await until('it asks again', () => title(view) === 'after the other kill');
});

await t.test('follows by the poll while nothing can be listened to', async (t) => {
  const sockets = new Set<Socket>();
  const { hostname, port } = new URL(test.gatewayUrl);
  const proxy = createServer((socket) => {
    const server = connectTo(Number(port), hostname);
    for (const end of [socket, server]) sockets.add(end.on('error', () => undefined));
    socket.pipe(server).pipe(socket);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const url = new URL(test.gatewayUrl);
  url.port = String((proxy.address() as AddressInfo).port);
  const view = await follow(t, 'deaf', url.href);
  proxy.close();
  for (const socket of sockets) socket.destroy();
  await changeUnheard('deaf');
  await until('it has asked', () => title(view) === 'deaf', 6000);
  t.pass();
});

await t.test('has, after a refresh, what the database had when it was called', async (t) => {
  const view = await follow(t, 'refreshed');
  for (let round = 0; round < 40; round++) {
    const early = [view.refresh(), view.refresh()];
    await changeQuietly(`round ${round}`);
    const late = Array.from({ length: 3 }, () => view.refresh());
    await late[round % 3];
    if (title(view) !== `round ${round}`) t.fail(`round ${round} finds ${title(view)}`);
    await Promise.all([...early, ...late]);
  }
  t.equal(title(view), 'round 39');
});

await t.test('reads only the version where nothing has changed, and all where something has', async (t) => {
  const view = await follow(t, 'frugal');
  // Its own first notification has it read once more.
  await view.refresh();
  const before = view.current();
  await view.refreshIfChanged();
  t.equal(view.current(), before);
  await changeUnheard('changed');
  await view.refreshIfChanged();
  t.equal(title(view), 'changed');
});

await t.test('says so when a refresh fails, and keeps what it has', async (t) => {
  const { pool, close } = openDatabase(test.gatewayUrl, 'failing pool', { maxConnections: 1 });
  const view = await followAuthority(pool, connectionConfig(test.gatewayUrl, 'failing listen'));
  t.teardown(() => view.close());
  const { version } = view.current();
  await close();
  await t.rejects(view.refresh());
  await t.rejects(view.refreshIfChanged());
  await t.rejects(Promise.all([view.refresh(), view.refresh()]));
  t.equal(view.current().version, version);
});

await t.test('refuses to start where notifications do not arrive', async (t) => {
  const { pool, close } = openDatabase(test.gatewayUrl, 'elsewhere pool', { maxConnections: 1 });
  t.teardown(close);
  // Notifications stay within a database: listening at another one is as deaf as a pooler of transactions.
  const elsewhere = connectionConfig(withDatabase(test.gatewayUrl, 'postgres'), 'elsewhere listen');
  await t.rejects(followAuthority(pool, elsewhere), {
    name: UserError.name,
    message: /^DATABASE_URL: notifications/,
  });
});

await t.test('leaves a whole log behind all of that', async (t) => {
  await checkAuditLog(t, test);
});
