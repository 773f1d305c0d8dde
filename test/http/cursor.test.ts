import { createSecretKey, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { openCursor, readIndexCursor, sealCursor } from '../../src/http/cursor.ts';

const key = createSecretKey(randomBytes(32));
const now = new Date('2026-11-25T08:00:00.000Z');
const day = 24 * 60 * 60 * 1000;

await t.test('opens what it sealed, for the same scope, within a day', (t) => {
  const id = fc.string({ unit: 'grapheme', maxLength: 64 });
  fc.assert(
    fc.property(id, fc.string(), fc.integer({ min: 0, max: day }), (id, scope, later) => {
      const cursor = sealCursor(key, scope, id, now);
      return openCursor(key, scope, cursor, new Date(now.getTime() + later)) === id;
    }),
  );
  t.equal(openCursor(key, 's', sealCursor(key, 's', 'x', now), new Date(now.getTime() + day + 1)), null);
  t.end();
});

await t.test('opens nothing under another scope or key, and nothing that was altered', (t) => {
  const cursor = sealCursor(key, 'one', '999901198804120024', now);
  t.equal(openCursor(key, 'two', cursor, now), null);
  t.equal(openCursor(createSecretKey(randomBytes(32)), 'one', cursor, now), null);
  const bytes = Buffer.from(cursor, 'base64url');
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const altered = Buffer.from(bytes);
    altered[bit >> 3]! ^= 1 << (bit & 7);
    if (openCursor(key, 'one', altered.toString('base64url'), now) !== null) t.fail(`bit ${bit}`);
  }
  for (let length = 0; length < bytes.length; length++)
    t.equal(openCursor(key, 'one', bytes.subarray(0, length).toString('base64url'), now), null);
  t.end();
});

await t.test('throws at nothing, whatever it is given', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.base64String(), fc.string({ unit: 'binary' })),
      (cursor) => openCursor(key, 'one', cursor, now) === null,
    ),
  );
  t.end();
});

await t.test('shows nothing of the id, and is another one each time', (t) => {
  const id = '999901198804120024';
  const [one, two] = [sealCursor(key, 's', id, now), sealCursor(key, 's', id, now)];
  t.not(one, two);
  for (const cursor of [one, two])
    t.notOk(Buffer.from(cursor, 'base64url').toString('latin1').includes('9999'));
  t.end();
});

await t.test('is as long for every index', (t) => {
  const lengths = [0, 9, 10, 999_999_999, Number.MAX_SAFE_INTEGER].map(
    (index) => sealCursor(key, 's', String(index), now).length,
  );
  t.strictSame(new Set(lengths).size, 1);
  t.end();
});

await t.test('gives an index back as it was, and no place that is none', (t) => {
  fc.assert(
    fc.property(
      fc.maxSafeInteger().map(Math.abs),
      (index) => readIndexCursor(key, 's', sealCursor(key, 's', String(index), now), now) === index,
    ),
  );
  t.equal(readIndexCursor(key, 's', undefined, now), null, 'none is none');
  t.throws(() => readIndexCursor(key, 'another', sealCursor(key, 's', '7', now), now), {
    code: 'invalid-request',
    errors: [{ pointer: '#/after' }],
  });
  t.end();
});
