import fc from 'fast-check';
import t from 'tap';
import { createIdRuns, minRun } from '../../src/exchange/id-runs.ts';
import { usccOf } from '../../src/sandbox/names.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway } from '../helpers/gateway.ts';

const idAt = (n: number): string => `99990119880412${String(n).padStart(3, '0')}X`;
/** How many check characters the ids have. */
const checks = 1;
const upTo = (count: number, step = 1): string[] =>
  Array.from({ length: count }, (_, i) => idAt(107 + i * step));

await t.test('tells of a run once it is long enough, whichever way the ids come', (t) => {
  for (const ids of [upTo(minRun), upTo(minRun).toReversed(), upTo(minRun, 2)]) {
    t.equal(createIdRuns().note('client', ids, checks), minRun, 'in one batch');
    const sequences = createIdRuns();
    const told = ids.map((id) => sequences.note('client', [id], checks));
    t.strictSame(told, [...Array.from({ length: minRun - 1 }, () => null), minRun], 'one after the other');
  }
  t.end();
});

await t.test('tells of nothing where ids are no neighbours', (t) => {
  t.equal(createIdRuns().note('client', upTo(50, 3), checks), null);
  const other = upTo(50).map((id, i) => (i % 2 === 0 ? id : id.replace('1988', '1989')));
  const sequences = createIdRuns();
  for (const id of other) t.equal(sequences.note('client', [id], checks), null);
  t.equal(createIdRuns().note('client', ['1', '2', '3', '4', '5', '6', '7', '8'], checks), null);
  t.end();
});

await t.test('sees neighbours among codes that end with two check characters', (t) => {
  const codes = Array.from({ length: 200 }, (_, i) => usccOf('999901', 1000 + i));
  t.equal(createIdRuns().note('client', codes.slice(0, 10), 2), 10);
  const strangers = codes.filter((_, i) => i % 4 === 0);
  t.equal(createIdRuns().note('client', strangers, 2), null);
  t.end();
});

await t.test('tells of neighbours in a batch in whatever order', (t) => {
  const shuffled = upTo(20).toSorted((a, b) => (Number(a.slice(14, 17)) % 7) - (Number(b.slice(14, 17)) % 7));
  t.equal(createIdRuns().note('client', shuffled, checks), 20);
  t.end();
});

await t.test('tells of neighbours among strangers, of whom a batch may have a thousand', (t) => {
  const strangers = Array.from({ length: 500 }, (_, i) => `${990000 + i}19880412${107 + i}X`);
  const pairs = strangers.map((id) => id.replace('19880412', '20010203'));
  t.equal(createIdRuns().note('client', [...strangers, ...pairs], checks), null);
  const hidden = [
    ...strangers.slice(0, 250),
    ...upTo(6).toReversed(),
    ...strangers.slice(250),
    ...upTo(9, 2),
  ];
  t.equal(createIdRuns().note('client', hidden, checks), 12, 'those by ones and by twos together');
  t.end();
});

await t.test('takes an exchange that is decided again for one', (t) => {
  const sequences = createIdRuns();
  for (const id of upTo(minRun - 1))
    for (let i = 0; i < 3; i++) t.equal(sequences.note('client', [id], checks), null);
  t.end();
});

await t.test('keeps clients apart, and forgets whoever came first', (t) => {
  const sequences = createIdRuns();
  for (const id of upTo(minRun - 1)) for (const client of ['a', 'b']) sequences.note(client, [id], checks);
  t.equal(sequences.note('c', [idAt(107 + minRun - 1)], checks), null);
  t.equal(sequences.note('a', [idAt(107 + minRun - 1)], checks), minRun);
  for (let i = 0; i < 1000; i++) sequences.note(`other-${i}`, [idAt(1)], checks);
  t.equal(sequences.note('b', [idAt(107 + minRun - 1)], checks), null);
  t.end();
});

await t.test('sees in a batch what its ids one by one would show, and more where they were shuffled', (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1 }), (numbers) => {
      const ids = numbers.map(idAt);
      const one = createIdRuns();
      const each = ids.map((id) => one.note('client', [id], checks) ?? 0);
      return (createIdRuns().note('client', ids, checks) ?? 0) >= Math.max(...each);
    }),
  );
  t.end();
});

await t.test('the entry of a batch tells of a run, and that of a search of none', async (t) => {
  const test = await startGateway(t);
  const token = await test.token('civil-affairs');
  await test.grant({
    consumer: 'civil-affairs',
    dataset: 'citizens',
    fields: ['id', 'name', 'region_code'],
    plainFields: ['id', 'name'],
    purposes: ['marriage-registration'],
  });
  const ids = Array.from({ length: 12 }, (_, i) =>
    withCheck(`99990119880412${String(107 + i).padStart(3, '0')}`),
  );
  const person = { name: '相邻', sex: 'female', birth_date: '1988-04-12', region_code: '999901' };
  for (const id of ids)
    await test.pool.query(
      'insert into store.citizens (id, name, sex, birth_date, region_code) values ($1, $2, $3, $4, $5)',
      [id, ...Object.values(person)],
    );
  const found = await test.ask(
    'search',
    'citizens',
    { where: { name: person.name }, fields: ['id'] },
    { token },
  );
  t.equal(found.json<{ items: unknown[] }>().items.length, ids.length);
  t.notOk('run' in ((await test.entryOf(found)).details as object));
  const batch = await test.ask('batch', 'citizens', { ids, fields: ['name'] }, { token });
  t.match(await test.entryOf(batch), { details: { run: ids.length } });
  const read = await test.read('citizens', { id: ids[0] }, { token });
  t.notOk('details' in (await test.entryOf(read)), 'nor that of a read of somebody else');
  await checkAuditLog(t, test);
});

/** The id with its check character (GB 11643). */
function withCheck(body: string): string {
  const weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
  const sum = weights.reduce((total, weight, i) => total + weight * Number(body[i]), 0);
  return body + '10X98765432'[sum % 11]!;
}
