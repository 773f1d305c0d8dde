import t from 'tap';
import type { LightMyRequestResponse } from 'fastify';
import { connectionConfig, openLink } from '../../src/db/connection.ts';
import { createRecordReader } from '../../src/records/read.ts';
import { personaCitizens } from '../../src/sandbox/personas.ts';
import { citizens, type Citizen } from '../../src/sandbox/province.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway } from '../helpers/gateway.ts';
import { absentCitizen } from '../helpers/checks.ts';

const test = await startGateway(t);
await test.token('civil-affairs');
/** Those whom the template of the test databases has. */
const people = [...citizens({ seed: 7, citizens: 300, enterprises: 60 })];
const fields = ['name', 'birth_date', 'id'];
const idAt = [...test.gateway.catalogue.findNewest('citizens')!.fields.keys()].indexOf('id');

function expected({ name, birth_date, id }: Citizen): string {
  return JSON.stringify({ name, birth_date, id });
}

function readAll(ids: string[]): Promise<LightMyRequestResponse[]> {
  return Promise.all(ids.map((id) => test.read('citizens', { id, fields })));
}

function distinct(answers: LightMyRequestResponse[], header: string): number {
  return new Set(answers.map(({ headers }) => headers[header])).size;
}

await t.test('gives each of 200 readers at once the record that it asked for', async (t) => {
  const asked = people.slice(0, 200);
  const answers = await readAll(asked.map(({ id }) => id));
  t.same(
    answers.map(({ body }) => body),
    asked.map(expected),
  );
  for (const header of ['exchange-id', 'exchange-entry', 'exchange-leaf', 'exchange-salt'])
    t.equal(distinct(answers, header), 200, `every ${header} is its own`);
});

await t.test('enters of each of them the subject and the body that are its own', async (t) => {
  const asked = people.slice(200, 230);
  const answers = await readAll(asked.map(({ id }) => id));
  const entries = await Promise.all(answers.map((answer) => test.entryOf(answer)));
  t.same(
    entries.map(({ id }) => id),
    answers.map(({ headers }) => headers['exchange-id']),
  );
  t.equal(new Set(entries.map(({ subjects }) => (subjects as string[])[0])).size, 30);
  t.equal(new Set(entries.map(({ body }) => body)).size, 30);
});

await t.test('answers every one of many who ask for the same id at once', async (t) => {
  const [citizen] = people;
  const answers = await readAll(Array.from({ length: 20 }, () => citizen!.id));
  t.same(
    answers.map(({ body }) => body),
    answers.map(() => expected(citizen!)),
  );
  t.equal(distinct(answers, 'exchange-entry'), 20, 'and enters each of them');
});

await t.test('lets no bad request harm the good ones beside it', async (t) => {
  const good = people.slice(10, 40);
  const bad = [absentCitizen, `${good[0]!.id.slice(0, 17)}?`, '\u0000', '\ud800', "'; drop table x", ''];
  const ids = good.flatMap(({ id }, i) => [id, bad[i % bad.length]!]);
  const answers = await readAll(ids);
  t.same(
    answers.filter((_, i) => i % 2 === 0).map(({ body }) => body),
    good.map(expected),
  );
  const statuses = answers.filter((_, i) => i % 2 === 1).map(({ statusCode }) => statusCode);
  t.same(
    statuses,
    good.map((_, i) => (bad[i % bad.length] === absentCitizen ? 404 : 400)),
  );
});

await t.test('keeps datasets, fields and masks of readers at once apart', async (t) => {
  const taxation = await test.token('taxation');
  const { id, mobile_phone: phone, name } = personaCitizens[0]!;
  const asks = await Promise.all(
    Array.from({ length: 10 }, () => [
      test.read('citizens', { id, fields: ['phone'] }),
      test.read('citizens', { id, fields: ['name'] }),
      test.read(
        'enterprises',
        { id: '91999901MA00000155', fields: ['status'] },
        { token: taxation, purpose: 'tax-assessment' },
      ),
    ]).flat(),
  );
  const masked = `${phone!.slice(0, 3)}****${phone!.slice(-4)}`;
  const bodies = [{ phone: masked }, { name }, { status: 'active' }].map((body) => JSON.stringify(body));
  t.same(
    asks.map(({ body }) => body),
    asks.map((_, i) => bodies[i % 3]),
  );
});

await t.test('has each of them in a log that is whole', async (t) => {
  const entries = await checkAuditLog(t, test);
  t.equal(entries.filter(({ kind }) => kind === 'exchange').length, 200 + 30 + 20 + 60 + 30);
});

await t.test('fails only the read whose value the server can not take', async (t) => {
  const link = openLink(connectionConfig(test.gatewayUrl, 'test', { pipeline: true }));
  t.teardown(() => link.close());
  const reader = createRecordReader(link, test.pool, test.gateway.catalogue.findNewest('citizens')!);
  const ids = people.slice(0, 12).map(({ id }) => id);
  const found = await Promise.allSettled(
    [...ids, 'a\u0000b', absentCitizen, '\u0000'].map((id) => reader.find(id)),
  );
  t.same(
    found.slice(0, 12).map((one) => (one.status === 'fulfilled' ? one.value?.[idAt] : one.reason)),
    ids,
  );
  t.match(found[12], { status: 'rejected', reason: { code: 'store-unavailable' } });
  t.match(found[13], { status: 'fulfilled', value: null });
  t.match(found[14], { status: 'rejected', reason: { code: 'store-unavailable' } });
  t.equal((await reader.find(ids[0]!))?.[idAt], ids[0], 'and the next read is answered');
});

await t.test('reads more at once than one statement takes, and refuses what is too much', async (t) => {
  const link = openLink(connectionConfig(test.gatewayUrl, 'test', { pipeline: true }));
  t.teardown(() => link.close());
  const reader = createRecordReader(link, test.pool, test.gateway.catalogue.findNewest('citizens')!);
  const asked = Array.from({ length: 10_000 }, (_, i) => people[i % people.length]!.id);
  const reads = asked.map((id) => reader.find(id));
  await t.rejects(reader.find(asked[0]!), { code: 'overloaded' });
  const records = await Promise.all(reads);
  t.notOk(records.some((record, i) => record?.[idAt] !== asked[i]));
});
