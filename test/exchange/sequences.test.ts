import fc from 'fast-check';
import t from 'tap';
import { createSequences, minRun } from '../../src/exchange/sequences.ts';

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
