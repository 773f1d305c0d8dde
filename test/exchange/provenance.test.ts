import t from 'tap';
import { loadCsv } from '../../src/records/load.ts';
import { personaCitizens, personaEnterprises } from '../../src/sandbox/personas.ts';
import { newFile } from '../helpers/files.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway, type AskOptions } from '../helpers/gateway.ts';
import { actor } from '../helpers/keys.ts';
import { absentCitizen, checkRefusal } from '../helpers/checks.ts';

const test = await startGateway(t);
await test.token('civil-affairs');
const [wife, husband] = personaCitizens;
const [company] = personaEnterprises;
const taxation: AskOptions = { token: await test.token('taxation'), purpose: 'tax-assessment' };

await test.pool.query(`update store.citizens set as_of = '2026-10-31' where id = $1`, [wife!.id]);
await test.pool.query(`update store.citizens set as_of = '2026-11-01' where id = $1`, [husband!.id]);
await test.pool.query(`update store.enterprises set as_of = '2026-09-30' where id = $1`, [company!.id]);

function origin(as_of: string, level: string, masked = false, source = 'public-security'): object {
  return { source, as_of, level, masked };
}

await t.test('tells of each field its source, day, level, and whether it is masked', async (t) => {
  const response = await test.read('citizens', { id: wife!.id, fields: ['phone', 'name'], meta: true });
  t.strictSame(response.json(), {
    phone: '120****0001',
    name: wife!.name,
    meta: { phone: origin('2026-10-31', 'L3', true), name: origin('2026-10-31', 'L2') },
  });
  t.match(await test.entryOf(response), { fields: ['name', 'phone'], records: 1 });

  const granted = await test.read('citizens', { id: wife!.id, meta: true });
  const { meta, ...record } = granted.json<{ meta: object }>();
  t.same(Object.keys(meta), Object.keys(record), 'of all that is granted when no fields are named');
  t.match(meta, { id: { masked: false, level: 'L3' } }, 'a field that is granted plain is not masked');

  const enterprise = await test.read(
    'enterprises',
    { id: company!.id, fields: ['legal_representative_id', 'status'], meta: true },
    taxation,
  );
  t.match(enterprise.json(), {
    meta: {
      legal_representative_id: origin('2026-09-30', 'L3', true, 'market-regulation'),
      status: origin('2026-09-30', 'L1', false, 'market-regulation'),
    },
  });
});

await t.test('tells nothing more where it is not asked', async (t) => {
  for (const meta of [{}, { meta: false }]) {
    const response = await test.read('citizens', { id: wife!.id, fields: ['name'], ...meta });
    t.equal(response.body, JSON.stringify({ name: wife!.name }));
  }
});

await t.test('tells it of each record of a batch and of a search', async (t) => {
  const fields = ['name'];
  const ids = [wife!.id, absentCitizen, husband!.id];
  const batch = await test.ask('batch', 'citizens', { ids, fields, meta: true });
  t.strictSame(batch.json(), {
    results: [
      {
        id: wife!.id,
        status: 'found',
        record: { name: wife!.name, meta: { name: origin('2026-10-31', 'L2') } },
      },
      { id: absentCitizen, status: 'absent' },
      {
        id: husband!.id,
        status: 'found',
        record: { name: husband!.name, meta: { name: origin('2026-11-01', 'L2') } },
      },
    ],
  });
  const search = await test.ask('search', 'citizens', { where: { name: husband!.name }, fields, meta: true });
  t.strictSame(search.json(), {
    items: [{ name: husband!.name, meta: { name: origin('2026-11-01', 'L2') } }],
    next: null,
  });
});

await t.test('tells the day as of which a file was loaded', async (t) => {
  const enterprises = test.gateway.catalogue.findNewest('enterprises')!;
  const { id, name, type, established_on, status } = company!;
  const file = newFile(
    t,
    `id,name,type,established_on,status\n${[id, name, type, established_on, status].join(',')}\n`,
  );
  const result = await loadCsv(test.adminUrl, enterprises, file, actor, { asOf: '2026-11-20' });
  t.match(result, { loaded: 1, as_of: '2026-11-20' });
  const response = await test.read('enterprises', { id, fields: ['name'], meta: true }, taxation);
  t.match(response.json(), { meta: { name: { as_of: '2026-11-20' } } });
  const { rows } = await test.pool.query<{ bytes: Buffer }>(
    'select bytes from audit.entry where index = $1',
    [result.entry],
  );
  t.match(JSON.parse(rows[0]!.bytes.toString()), { kind: 'load', details: { as_of: '2026-11-20' } });
});

await t.test('refuses a wish that is neither yes nor no', async (t) => {
  const response = await test.read('citizens', { id: wife!.id, meta: 'yes' });
  const { problem } = await checkRefusal(t, test, response, {
    status: 400,
    code: 'invalid-request',
    subject: false,
  });
  t.equal(problem.errors?.[0]?.pointer, '#/meta');
  const verify = await test.ask('verify', 'citizens', { id: wife!.id, claims: { name: 'x' }, meta: true });
  t.equal(verify.statusCode, 400, 'a verification releases no value that could come from anywhere');
});

await t.test('has it all in a log that is whole', async (t) => {
  await checkAuditLog(t, test);
});
