import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { makeCursor, readCursor } from '../../src/audit/cursor.ts';
import { deriveLogSecrets } from '../../src/audit/entry.ts';

const secrets = deriveLogSecrets(randomBytes(32));
const dayMs = 24 * 60 * 60 * 1000;

const indices = fc.maxSafeInteger().map(Math.abs);
const times = fc.date({ min: new Date('2026-01-01'), max: new Date('2126-01-01'), noInvalidDate: true });
const scopes = fc.string({ unit: 'binary' });

await t.test('gives the index back to the same client and query for a day', (t) => {
  fc.assert(
    fc.property(indices, times, scopes, fc.integer({ min: 0, max: dayMs }), (index, now, scope, ageMs) => {
      const cursor = makeCursor(secrets, scope, index, now);
      return readCursor(secrets, scope, cursor, new Date(now.getTime() + ageMs)) === index;
    }),
  );
  t.pass();
  t.end();
});

await t.test('is good for no longer than a day', (t) => {
  fc.assert(
    fc.property(indices, times, fc.integer({ min: 1, max: 1000 * dayMs }), (index, now, laterMs) => {
      const cursor = makeCursor(secrets, 'scope', index, now);
      return readCursor(secrets, 'scope', cursor, new Date(now.getTime() + dayMs + laterMs)) === null;
    }),
  );
  t.pass();
  t.end();
});

await t.test('is nothing to another client or query', (t) => {
  fc.assert(
    fc.property(indices, times, scopes, scopes, (index, now, mine, theirs) => {
      fc.pre(Buffer.compare(Buffer.from(mine), Buffer.from(theirs)) !== 0);
      return readCursor(secrets, theirs, makeCursor(secrets, mine, index, now), now) === null;
    }),
  );
  t.pass();
  t.end();
});

await t.test('is nothing under another secret', (t) => {
  const now = new Date();
  const others = deriveLogSecrets(randomBytes(32));
  t.equal(readCursor(others, 'scope', makeCursor(secrets, 'scope', 7, now), now), null);
  t.end();
});

await t.test('is nothing after any bit of it was flipped', (t) => {
  const now = new Date();
  const bytes = Buffer.from(makeCursor(secrets, 'scope', 123_456, now), 'base64url');
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const forged = Buffer.from(bytes);
    forged[bit >> 3]! ^= 1 << (bit & 7);
    t.equal(readCursor(secrets, 'scope', forged.toString('base64url'), now), null, `bit ${bit}`);
  }
  t.end();
});

await t.test('reads any text without throwing', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
      return readCursor(secrets, 'scope', text, new Date()) === null;
    }),
    { numRuns: 500 },
  );
  t.pass();
  t.end();
});

await t.test('says nothing of the query that it continues', (t) => {
  const cursor = Buffer.from(makeCursor(secrets, 'subject=999901198804120024', 1, new Date()), 'base64url');
  t.equal(cursor.length, 32);
  t.notOk(cursor.includes('9999'));
  t.end();
});
