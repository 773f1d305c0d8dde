import t from 'tap';
import { createHash } from 'node:crypto';
import { personaCitizens } from '../../src/sandbox/personas.ts';
import { checkAuditLog, startGateway } from '../helper.ts';

const [wife] = personaCitizens;
const ordinary = wife!;

await t.test('answers a read with exactly the fields asked for, in their order', async (t) => {
  const test = await startGateway(t);
  const response = await test.read('citizens', { id: ordinary.id, fields: ['birth_date', 'name'] });
  t.equal(response.statusCode, 200);
  t.equal(response.body, JSON.stringify({ birth_date: ordinary.birth_date, name: ordinary.name }));
  t.equal(response.headers['content-type'], 'application/json; charset=utf-8');
  t.equal(response.headers['cache-control'], 'no-store');
  t.notOk(response.headers['exchange-masked']);

  const entry = await test.entryOf(response);
  t.match(entry, {
    format: 'onevisit-entry/1',
    kind: 'exchange',
    id: response.headers['exchange-id'],
    consumer: 'civil-affairs',
    provider: 'public-security',
    dataset: 'citizens',
    version: 1,
    operation: 'read',
    purpose: 'marriage-registration',
    fields: ['birth_date', 'name'],
    outcome: 'released',
    records: 1,
  });
  await checkAuditLog(t, test);
});

await t.test('binds the body to its entry by the salt that only the consumer gets', async (t) => {
  const test = await startGateway(t);
  const response = await test.read('citizens', { id: ordinary.id });
  const salt = Buffer.from(response.headers['exchange-salt'] as string, 'base64');
  const commitment = createHash('sha256')
    .update('onevisit-body/1\0')
    .update(salt)
    .update(response.rawPayload);
  t.equal((await test.entryOf(response)).body, commitment.digest('base64url'));
  await checkAuditLog(t, test);
});
