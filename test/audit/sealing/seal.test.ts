import t from 'tap';
import { personaCitizens, personaEnterprises, personas } from '../../../src/sandbox/personas.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { openSeal, readLog as readLogOf, unwrapKey, type LogEntry } from '../../helpers/open-seal.ts';

const test = await startGateway(t);
const readLog = (): Promise<LogEntry[]> => readLogOf(test.pool);
const citizens = personaCitizens.map(({ id }) => id);
await t.test('makes one key for requests that come at once', async (t) => {
  const responses = await Promise.all(citizens.map((id) => test.read('citizens', { id })));
  for (const response of responses) t.equal(response.statusCode, 200);
  t.equal((await readLog()).filter(({ kind }) => kind === 'key').length, 1);
});

await t.test('lets the audit office read who an exchange was about, from the log alone', async (t) => {
  const absent = personas.find(({ story }) => story.startsWith('Nobody'))!.id;
  const { id: enterprise, legal_representative_id: representative } = personaEnterprises[0]!;
  const asked = await Promise.all([
    test.read('citizens', { id: citizens[0] }),
    test.read('citizens', { id: absent }),
    test.read('citizens', { id: citizens[1], fields: ['ethnicity'] }),
    test.read(
      'enterprises',
      { id: enterprise },
      { purpose: 'tax-assessment', token: await test.token('taxation') },
    ),
  ]);
  t.strictSame(
    asked.map(({ statusCode }) => statusCode),
    [200, 404, 403, 200],
  );
  const log = await readLog();
  const opened = await Promise.all(
    asked.map(async (response) => openSeal(log, await test.entryOf(response))),
  );
  t.strictSame(opened, [citizens[0], absent, citizens[1], `${enterprise}\n${representative}`]);
});

await t.test('binds a seal to its entry', async (t) => {
  const [one, two] = await Promise.all(
    citizens.slice(0, 2).map(async (id) => test.entryOf(await test.read('citizens', { id }))),
  );
  const log = await readLog();
  t.equal(openSeal(log, one!), citizens[0]);
  t.throws(() => openSeal(log, one!, two!.id as string), /the seal was altered, or is that of another entry/);
  const bytes = Buffer.from(one!.sealed as string, 'base64url');
  bytes[13]! ^= 1;
  t.throws(
    () => openSeal(log, { ...one!, sealed: bytes.toString('base64url') }),
    /the seal was altered, or is that of another entry/,
  );
});

await t.test('seals one subject differently each time', async (t) => {
  const entries = await Promise.all(
    [1, 2, 3].map(async () => test.entryOf(await test.read('citizens', { id: citizens[0] }))),
  );
  t.equal(new Set(entries.map(({ sealed }) => sealed)).size, 3);
  t.equal(new Set(entries.map(({ subjects }) => JSON.stringify(subjects))).size, 1);
});

await t.test('takes a new key after an hour, and not before', async (t) => {
  const before = await test.entryOf(await test.read('citizens', { id: citizens[0] }));
  test.clock.advance(60 * 60 * 1000 - 1000);
  const still = await test.entryOf(
    await test.read(
      'citizens',
      { id: citizens[0] },
      { token: await test.token('civil-affairs', ['exchange', 'provide']) },
    ),
  );
  test.clock.advance(1000);
  const after = await test.entryOf(
    await test.read(
      'citizens',
      { id: citizens[0] },
      { token: await test.token('civil-affairs', ['exchange', 'disclose']) },
    ),
  );
  t.equal(still.data_key, before.data_key);
  t.not(after.data_key, before.data_key);
  const log = await readLog();
  t.equal(log.filter(({ kind }) => kind === 'key').length, 2);
  t.notOk(unwrapKey(log, after.data_key).equals(unwrapKey(log, before.data_key)));
  t.equal(openSeal(log, before), citizens[0], 'the older seals stay open to the office');
  t.equal(openSeal(log, after), citizens[0]);
});

await t.test('enters a key before its first use', async (t) => {
  const log = await readLog();
  const keyAt = new Map(log.flatMap((entry, i) => (entry.kind === 'key' ? [[entry.data_key, i]] : [])));
  const uses = log.flatMap(({ kind, data_key: id }, i) => (kind === 'exchange' && id ? [{ id, i }] : []));
  t.ok(uses.length > 10);
  for (const { id, i } of uses) t.ok(Number(keyAt.get(id)) < i, `entry ${i}`);
});

await t.test('seals nothing where no subject was named', async (t) => {
  const response = await test.read(
    'citizens',
    { id: '110105194912310020' },
    { token: await test.token('civil-affairs', ['exchange', 'disclose']) },
  );
  t.equal(response.statusCode, 400);
  const entry = await test.entryOf(response);
  for (const member of ['subjects', 'sealed', 'data_key', 'subject_key']) t.notOk(member in entry, member);
});

await t.test('writes no plain id into the log', async (t) => {
  const { rows } = await test.pool.query<{ bytes: Buffer }>('select bytes from audit.entry');
  for (const { id } of personas)
    for (const form of [id, Buffer.from(id).toString('base64url'), Buffer.from(id).toString('hex')])
      t.notOk(
        rows.some(({ bytes }) => bytes.includes(form)),
        `${form} is in no entry`,
      );
  await checkAuditLog(t, test);
});
