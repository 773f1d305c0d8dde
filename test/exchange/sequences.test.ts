import fc from 'fast-check';
import t from 'tap';
import { createSequences, minRun } from '../../src/exchange/sequences.ts';
import { checkAuditLog, startGateway } from '../helper.ts';

const idAt = (n: number): string => `99990119880412${String(n).padStart(3, '0')}X`;
const upTo = (count: number, step = 1): string[] =>
  Array.from({ length: count }, (_, i) => idAt(107 + i * step));

await t.test('tells of a run once it is long enough, whichever way the ids come', (t) => {
  for (const ids of [upTo(minRun), upTo(minRun).toReversed(), upTo(minRun, 2)]) {
    t.equal(createSequences().note('client', ids), minRun, 'in one batch');
    const sequences = createSequences();
    const told = ids.map((id) => sequences.note('client', [id]));
    t.strictSame(told, [...Array.from({ length: minRun - 1 }, () => null), minRun], 'one after the other');
  }
  t.end();
});

await t.test('tells of nothing where ids are no neighbours', (t) => {
  t.equal(createSequences().note('client', upTo(50, 3)), null);
  const other = upTo(50).map((id, i) => (i % 2 === 0 ? id : id.replace('1988', '1989')));
  t.equal(createSequences().note('client', other), null);
  t.equal(createSequences().note('client', ['1', '2', '3', '4', '5', '6', '7', '8']), null);
  t.end();
});

await t.test('takes an exchange that is decided again for one', (t) => {
  const sequences = createSequences();
  for (const id of upTo(minRun - 1))
    for (let i = 0; i < 3; i++) t.equal(sequences.note('client', [id]), null);
  t.end();
});

await t.test('keeps clients apart, and forgets whoever came first', (t) => {
  const sequences = createSequences();
  for (const id of upTo(minRun - 1)) for (const client of ['a', 'b']) sequences.note(client, [id]);
  t.equal(sequences.note('c', [idAt(107 + minRun - 1)]), null);
  t.equal(sequences.note('a', [idAt(107 + minRun - 1)]), minRun);
  for (let i = 0; i < 1000; i++) sequences.note(`other-${i}`, [idAt(1)]);
  t.equal(sequences.note('b', [idAt(107 + minRun - 1)]), null);
  t.end();
});

await t.test('is the same for a batch as for its ids one by one', (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1 }), (numbers) => {
      const ids = numbers.map(idAt);
      const one = createSequences();
      const each = ids.map((id) => one.note('client', [id]) ?? 0);
      return (createSequences().note('client', ids) ?? 0) === Math.max(...each);
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
