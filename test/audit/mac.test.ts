import { createHmac, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { createMac } from '../../src/audit/mac.ts';
import known from '../fixtures/rfc4231.json' with { type: 'json' };

for (const { name, key, data, mac } of known)
  await t.test(`gives the known answer of ${name}`, (t) => {
    const text = Buffer.from(data, 'hex').toString();
    t.equal(createMac(Buffer.from(key, 'hex'))(text).toString('hex'), mac);
    t.end();
  });

await t.test('gives what HMAC-SHA-256 gives, text after text, short and long', (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 64 }),
      fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.string({ minLength: 200, maxLength: 2000 })), {
        minLength: 1,
        maxLength: 5,
      }),
      (key, texts) => {
        const mac = createMac(key);
        const wrong = texts.filter(
          (text) => !mac(text).equals(createHmac('sha256', key).update(text).digest()),
        );
        t.same(wrong, []);
      },
    ),
    { numRuns: 200 },
  );
  t.end();
});

await t.test('keeps each answer apart from the next', (t) => {
  const mac = createMac(randomBytes(32));
  const first = mac('first');
  const kept = Buffer.from(first);
  mac('second');
  t.same(first, kept);
  t.end();
});

await t.test('refuses a key that is longer than a block', (t) => {
  t.throws(() => createMac(Buffer.alloc(65)), RangeError);
  t.end();
});
