import t from 'tap';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LightMyRequestResponse } from 'fastify';
import { buildApp } from '../../src/gateway/app.ts';
import { loadCatalogue } from '../../src/catalogue/catalogue.ts';
import { checkRelations } from '../../src/catalogue/relations.ts';
import { readConfig } from '../../src/base/config.ts';
import { openGateway } from '../../src/gateway/gateway.ts';
import { addGrant } from '../../src/grants/administer-grants.ts';
import { addClient } from '../../src/identity/departments-and-clients.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { basic } from '../helpers/clients.ts';
import { createDatabase } from '../helpers/database.ts';
import { actor, issuer, keys, logOrigin } from '../helpers/keys.ts';

const root = join(import.meta.dirname, '..', '..');
const day = 24 * 60 * 60 * 1000;

function property(type: string, examples: unknown[], more: object = {}): object {
  const texts = { title: 'x', description: 'x.', 'x-zh': { title: '某', description: '某。' } };
  return { type, ...texts, examples, ...more };
}

const vehicles = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'vehicles',
  title: 'Vehicles',
  description: 'The vehicle register.',
  'x-zh': { title: '车辆', description: '车辆登记。' },
  type: 'object',
  additionalProperties: false,
  required: ['plate', 'seats'],
  properties: {
    plate: property('string', ['云A0000X'], { pattern: '^云[A-Z][0-9A-Z]{5}$', maxLength: 7 }),
    keeper: property('string', ['示例甲'], { maxLength: 64 }),
    seats: property('integer', [5], { minimum: 1, maximum: 200 }),
    tonnes: property('number', [1.5]),
    electric: property('boolean', [true]),
    first_registered_on: property('string', ['2020-01-31'], { format: 'date' }),
  },
  'x-dataset': {
    provider: 'public-security',
    key: 'plate',
    personal: false,
    sharing: 'conditional',
    fields: {
      plate: { level: 'L2', searchable: true },
      keeper: { level: 'L3', searchable: false, mask: { keep_start: 1, keep_end: 0 } },
      seats: { level: 'L1', searchable: false },
      tonnes: { level: 'L1', searchable: false },
      electric: { level: 'L1', searchable: false },
      first_registered_on: { level: 'L1', searchable: false },
    },
  },
};

const migration = `
  create table store.vehicles (
    plate text collate "C" primary key,
    keeper text,
    seats int not null,
    tonnes numeric,
    electric boolean,
    first_registered_on date
  );
  create view v1.vehicles as
    select plate, keeper, seats, tonnes, electric, first_registered_on from store.vehicles;
  grant select on v1.vehicles to onevisit_gateway;
  insert into store.vehicles values ('云A1234X', '示例乙丙', 5, 1.25, true, '2020-02-29'),
                                    ('云B0000X', null, 2, null, null, null)`;

await t.test('serves a dataset that is a schema and a migration, without code of its own', async (t) => {
  const database = await createDatabase(t);
  const folder = join(t.testdir(), 'schemas');
  cpSync(join(root, 'schemas'), folder, { recursive: true });
  writeFileSync(join(folder, 'v1', 'vehicles.json'), JSON.stringify(vehicles));
  await database.pool.query(migration);
  const catalogue = loadCatalogue(folder);
  await checkRelations(database.database, catalogue);
  await addGrant(database.database, catalogue, actor, {
    consumer: 'civil-affairs',
    dataset: 'vehicles',
    fields: Object.keys(vehicles.properties),
    plainFields: [],
    purposes: ['marriage-registration'],
    validFrom: new Date(Date.now() - day),
    validUntil: new Date(Date.now() + day),
  });
  const client = await addClient(database.database, actor, {
    department: 'civil-affairs',
    roles: ['exchange'],
  });

  const config = {
    ...readConfig('home', { LOG_LEVEL: 'silent', LOG_ORIGIN: logOrigin, ONEVISIT_HOME: t.testdir() }),
    embedded: false,
  };
  const gateway = await openGateway({ config, keys, issuer, databaseUrl: database.gatewayUrl, catalogue });
  const app = await buildApp(gateway);
  t.teardown(async () => {
    await app.close();
    await gateway.close();
  });
  const granted = await app.inject({
    method: 'POST',
    url: '/oauth/token',
    headers: {
      authorization: basic(client.clientId, client.clientSecret),
      'content-type': 'application/x-www-form-urlencoded',
    },
    payload: 'grant_type=client_credentials',
  });
  const headers = {
    authorization: `Bearer ${granted.json<{ access_token: string }>().access_token}`,
    'exchange-purpose': 'marriage-registration',
  };
  const read = (body: object): Promise<LightMyRequestResponse> =>
    app.inject({
      method: 'POST',
      url: '/v1/vehicles/read',
      headers: { ...headers, 'content-type': 'application/json' },
      payload: JSON.stringify(body),
    });

  const whole = await read({ id: '云A1234X' });
  t.equal(
    whole.body,
    '{"plate":"云A1234X","keeper":"示***","seats":5,"tonnes":1.25,"electric":true,"first_registered_on":"2020-02-29"}',
  );
  t.equal(whole.headers['exchange-masked'], 'keeper');
  t.equal(
    (await read({ id: '云B0000X', fields: ['keeper', 'tonnes', 'electric'] })).body,
    '{"keeper":null,"tonnes":null,"electric":null}',
  );
  const url = `/v1/vehicles/${encodeURIComponent('云A1234X')}?fields=seats`;
  t.equal((await app.inject({ method: 'GET', url, headers })).body, '{"seats":5}');
  t.match((await read({ id: '云C0000X' })).json(), { status: 404, code: 'record-absent' });
  t.match((await read({ id: 'A1234X' })).json(), { status: 400, code: 'invalid-id' });
  t.match((await read({ id: '云A1234X', fields: ['color'] })).json(), { status: 400, code: 'unknown-field' });

  const document = (await app.inject('/openapi/v1.json')).json<{ paths: Record<string, object> }>();
  t.ok(document.paths['/v1/vehicles/read'] && document.paths['/v1/vehicles/{id}'], 'and is documented');
  const entries = await checkAuditLog(t, database);
  const exchanges = entries.filter(({ dataset, kind }) => dataset === 'vehicles' && kind === 'exchange');
  t.same(
    exchanges.map(({ outcome }) => outcome),
    ['released', 'released', 'released', 'absent', 'refused', 'refused'],
  );
  t.ok(exchanges.every(({ provider }) => provider === 'public-security'));
});

await t.test('names no dataset in code, but for the sandbox', (t) => {
  const { datasets } = loadCatalogue();
  const names = new RegExp(`\\b(${datasets.map(({ name }) => name).join('|')})\\b`, 'i');
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.includes('sandbox'),
  );
  t.ok(files.length > 40);
  const named = files.flatMap((file) =>
    readFileSync(join(root, 'src', file), 'utf8')
      .split('\n')
      .flatMap((line, i) => (names.test(line) ? [`${file}:${i + 1}: ${line.trim()}`] : [])),
  );
  t.same(named, []);
  t.end();
});
