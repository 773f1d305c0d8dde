import t, { type Test } from 'tap';
import { countUses } from '../../src/audit/search/count-uses.ts';
import { personaCitizens, personaEnterprises } from '../../src/sandbox/personas.ts';
import { runCommand, type CommandEnd } from '../helpers/command.ts';
import { startGateway } from '../helpers/gateway.ts';
import { actor } from '../helpers/keys.ts';
import { addGrant } from '../../src/grants/administer-grants.ts';

const test = await startGateway(t);
const { id } = personaCitizens[0]!;
const day = 24 * 60 * 60 * 1000;

interface Use {
  consumer: string;
  exchanges: number;
  last: string;
  operations: Record<string, number>;
  fields: Record<string, number>;
}

function impact(...args: string[]): Promise<CommandEnd> {
  return runCommand(['dataset', 'impact', ...args], {
    ADMIN_DATABASE_URL: test.adminUrl,
    TIME_ZONE: 'Asia/Shanghai',
  });
}

async function uses(t: Test, ...args: string[]): Promise<Use[]> {
  const { code, stdout, stderr } = await impact(...args, '--json');
  t.same({ code, stderr }, { code: 0, stderr: '' });
  const { items, next } = JSON.parse(stdout) as { items: Use[]; next: null };
  t.equal(next, null);
  return items;
}

/** The exchanges' moments, in a month of their own: five minutes, and midnight in Shanghai, between them. */
function moveTo(moment: string): string {
  test.clock.advance(Date.parse(moment) - test.clock.now().getTime());
  return moment;
}

const first = moveTo('2027-03-01T15:58:00.000Z');
const human = { token: await test.token('human-resources'), purpose: 'social-insurance' };
const taxation = { token: await test.token('taxation'), purpose: 'tax-assessment' };
await test.token('civil-affairs');
await addGrant(test.database, test.gateway.catalogue, actor, {
  consumer: 'human-resources',
  dataset: 'citizens',
  fields: ['name'],
  plainFields: [],
  purposes: ['social-insurance'],
  validFrom: new Date(Date.parse(first) - day),
  validUntil: new Date(Date.parse(first) + 100 * day),
});
await addGrant(test.database, test.gateway.catalogue, actor, {
  consumer: 'civil-affairs',
  dataset: 'citizens',
  fields: ['name', 'phone', 'sex'],
  plainFields: [],
  purposes: ['marriage-registration'],
  validFrom: new Date(Date.parse(first) - day),
  validUntil: new Date(Date.parse(first) + 100 * day),
});
await test.read('citizens', { id, fields: ['name', 'phone'] });
await test.read('citizens', { id, fields: ['name'] });
await test.ask('batch', 'citizens', { ids: [id], fields: ['name', 'sex'] });
await test.read('citizens', { id, fields: ['name'] }, human);
const second = moveTo('2027-03-01T16:03:00.000Z');
await test.read('citizens', { id, fields: ['ethnicity', 'phone'] });
await test.read('citizens', { id, fields: ['mobile_phone'] }, { version: 2 });
await test.read('enterprises', { id: personaEnterprises[0]!.id, fields: ['name'] }, taxation);

await t.test('lists who uses a version, how often, by what, and last when', async (t) => {
  t.same(await uses(t, 'citizens', '1'), [
    {
      consumer: 'civil-affairs',
      exchanges: 4,
      last: second,
      operations: { read: 3, batch: 1 },
      fields: { name: 3, phone: 2, ethnicity: 1, sex: 1 },
    },
    { consumer: 'human-resources', exchanges: 1, last: first, operations: { read: 1 }, fields: { name: 1 } },
  ]);
  t.same(await uses(t, 'citizens', 'v2'), [
    {
      consumer: 'civil-affairs',
      exchanges: 1,
      last: second,
      operations: { read: 1 },
      fields: { mobile_phone: 1 },
    },
  ]);
});

await t.test('lists who uses a field, and nobody where nobody does', async (t) => {
  t.match(await uses(t, 'citizens', '1', '--field', 'phone'), [
    { consumer: 'civil-affairs', exchanges: 2, last: second, operations: { read: 2 } },
  ]);
  t.match(await uses(t, 'citizens', '1', '--field', 'sex'), [{ exchanges: 1, last: first }]);
  t.same(await uses(t, 'citizens', '1', '--field', 'marital_status'), []);
});

await t.test('counts from the beginning of a day in the time zone', async (t) => {
  t.match(await uses(t, 'citizens', '1', '--from', '2027-03-01'), [
    { consumer: 'civil-affairs', exchanges: 4 },
    { consumer: 'human-resources', exchanges: 1 },
  ]);
  t.match(await uses(t, 'citizens', '1', '--from', '2027-03-02'), [
    { consumer: 'civil-affairs', exchanges: 1, last: second, fields: { ethnicity: 1, phone: 1 } },
  ]);
  t.same(await uses(t, 'citizens', '1', '--from', '2027-03-03'), []);
});

await t.test('shows a person a table', async (t) => {
  const { code, stdout } = await impact('citizens', '2');
  t.equal(code, 0);
  t.match(
    stdout,
    /^CONSUMER +EXCHANGES +LAST +OPERATIONS +FIELDS\ncivil-affairs +1 +2027-03-01T16:03:00.000Z +read 1 +mobile_phone 1\n$/,
  );
});

await t.test('refuses what there is not, in one line', async (t) => {
  for (const [reason, ...args] of [
    ['there is no dataset "vehicles"; there are citizens, enterprises', 'vehicles', '1'],
    ['citizens has no version "3"; it has v1, v2', 'citizens', '3'],
    [
      'v1 of citizens has no field mobile_phone; it has id, name, ',
      'citizens',
      '1',
      '--field',
      'mobile_phone',
    ],
    ['--from: "2027-02-30" is not a day', 'citizens', '1', '--from', '2027-02-30'],
  ] as const) {
    const { code, stdout, stderr } = await impact(...args);
    t.same({ code, stdout }, { code: 1, stdout: '' });
    t.ok(stderr.startsWith(`onevisit: ${reason}`), stderr);
    t.equal(stderr.trim().split('\n').length, 1);
  }
});

await t.test('counts a log of more than one step whole, and tells how far it is', async (t) => {
  const entries = 12_000;
  await test.pool.query(
    `insert into audit.entry (index, bytes, leaf_hash)
     select base + n, bytes, sha256('\\x00'::bytea || bytes) from (
       select n, (select max(index) from audit.entry) as base,
         convert_to(format('{"consumer":"c%s","dataset":"enterprises","fields":%s,"id":"%s","kind":"exchange",'
           '"operation":"read","time":"2027-03-05T00:00:%sZ","version":%s}', n % 3,
           case when n % 5 = 0 then '"none"' else '["name","status"]' end, gen_random_uuid(),
           lpad((n % 60)::text, 2, '0'), case when n % 2 = 0 then '1' else '"odd"' end), 'UTF8') as bytes
       from generate_series(1, $1::int) n) made`,
    [entries],
  );
  const heard: number[] = [];
  const found = await countUses(
    test.database,
    { dataset: 'enterprises', version: 1, field: null, from: new Date('2027-03-04T00:00:00Z') },
    (done, total) => heard.push(done / total),
  );
  t.match(found, [
    {
      consumer: 'c0',
      exchanges: 2000,
      last: '2027-03-05T00:00:54.000Z',
      fields: { name: 1600, status: 1600 },
    },
    { consumer: 'c1', exchanges: 2000 },
    { consumer: 'c2', exchanges: 2000 },
  ]);
  t.ok(heard.length >= 3 && heard.every((share, i) => share < 1 && (i === 0 || share > heard[i - 1]!)));
});
