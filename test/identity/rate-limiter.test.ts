import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import t from 'tap';
import { addressKey, createRateLimiter, type RateLimiter } from '../../src/identity/rate-limiter.ts';
import { parseListField } from '../helpers/structured-fields.ts';

interface Limited {
  limiter: RateLimiter;
  advance: (ms: number) => void;
}

function limited(perSecond: number, windowSeconds = 2): Limited {
  let ms = 1_000_000;
  const limiter = createRateLimiter({ name: 'client', perSecond, windowSeconds, nowMs: () => ms });
  return { limiter, advance: (by) => (ms += by) };
}

await t.test('takes its quota at once, and then what has come back', (t) => {
  const { limiter, advance } = limited(5);
  t.same(
    Array.from({ length: 11 }, () => limiter.take('a')),
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, -1],
  );
  advance(199);
  t.equal(limiter.take('a'), -1, 'a refused request costs nothing, and nothing came back yet');
  advance(1);
  t.equal(limiter.take('a'), 0);
  advance(1000);
  t.equal(limiter.take('a'), 4);
  advance(3_600_000);
  t.equal(limiter.take('a'), 9, 'more than the quota never comes back');
  t.end();
});

await t.test('counts every key by itself', (t) => {
  const { limiter } = limited(1, 1);
  t.equal(limiter.take('a'), 0);
  t.equal(limiter.take('a'), -1);
  t.equal(limiter.take('b'), 0);
  t.end();
});

await t.test('never takes more than the quota and what came back since', (t) => {
  const steps = fc.array(fc.record({ waitMs: fc.nat(3000), asked: fc.nat(30) }), { maxLength: 40 });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 6 }),
      steps,
      (rate, window, all) => {
        const { limiter, advance } = limited(rate, window);
        let elapsedMs = 0;
        let taken = 0;
        for (const { waitMs, asked } of all) {
          advance(waitMs);
          elapsedMs += waitMs;
          for (let i = 0; i < asked; i++) if (limiter.take('a') >= 0) taken++;
          if (taken > rate * window + (rate * elapsedMs) / 1000 + 1e-6) return false;
        }
        return true;
      },
    ),
  );
  t.end();
});

await t.test('takes every request of whoever keeps to the rate', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 2000 }), (rate, requests) => {
      const { limiter, advance } = limited(rate);
      for (let i = 0; i < requests; i++) {
        if (limiter.take('a') < 0) return false;
        advance(Math.ceil(1000 / rate));
      }
      return true;
    }),
    { numRuns: 30 },
  );
  t.end();
});

await t.test('tells policy and what is left as structured fields', (t) => {
  const { limiter } = limited(5);
  t.same(parseListField(limiter.policy), [{ value: 'client', parameters: { q: 10, w: 2 } }]);
  t.same(parseListField(limiter.describe(limiter.take('a'))), [
    { value: 'client', parameters: { r: 9, t: 1 } },
  ]);
  t.same(parseListField(limiter.describe(-1)), [{ value: 'client', parameters: { r: 0, t: 1 } }]);
  t.end();
});

await t.test('gives nothing away when the clock is put back, and takes nothing', (t) => {
  const { limiter, advance } = limited(1, 2);
  t.equal(limiter.take('a'), 1);
  advance(-3_600_000);
  t.equal(limiter.take('a'), 0);
  t.equal(limiter.take('a'), -1);
  advance(1000);
  t.equal(limiter.take('a'), 0, 'and goes on from there');
  t.end();
});

await t.test('forgets whoever rests, and is never larger than its bound', (t) => {
  const { limiter, advance } = limited(1, 2);
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const heapMb = (): number => {
    collectGarbage();
    return process.memoryUsage().heapUsed / 2 ** 20;
  };
  const before = heapMb();
  for (let i = 0; i < 1_000_000; i++) limiter.take(`2001:db8:${i.toString(16)}::/64`);
  const grown = heapMb() - before;
  t.ok(grown > 1 && grown < 40, `a million addresses within one window: ${grown.toFixed(0)} MB`);
  advance(10_000);
  limiter.take('x');
  advance(10_000);
  limiter.take('x');
  t.ok(heapMb() - before < grown / 10, 'two windows later');
  t.equal(limiter.take('2001:db8:1::/64'), 1, 'it has its whole quota again');
  t.end();
});

await t.test('has a key that goes on asking counted across generations', (t) => {
  const { limiter, advance } = limited(1, 2);
  let taken = 0;
  for (let i = 0; i < 100; i++) {
    if (limiter.take('a') >= 0) taken++;
    limiter.take(`other ${i}`);
    advance(100);
  }
  t.equal(taken, 11, 'two at once, and one a second in 9.9 seconds');
  t.end();
});

await t.test('takes the addresses of a site for one', (t) => {
  const same: [string, string[]][] = [
    [
      '2001:db8:1:2::/64',
      ['2001:db8:1:2::1', '2001:DB8:1:2:ffff:1:2:3', '2001:0db8:0001:0002::', '2001:db8:1:2::1%eth0'],
    ],
    ['2001:db8:0:0::/64', ['2001:db8::1', '2001:db8:0:0:1::', '2001:db8::192.0.2.1']],
    ['0:0:0:0::/64', ['::1', '::', '::192.0.2.1']],
    ['192.0.2.1', ['192.0.2.1', '::ffff:192.0.2.1', '::FFFF:192.0.2.1']],
    ['64:ff9b:0:0::/64', ['64:ff9b::192.0.2.33']],
  ];
  for (const [key, addresses] of same)
    for (const address of addresses) t.equal(addressKey(address), key, address);
  t.not(addressKey('2001:db8:1:3::1'), addressKey('2001:db8:1:2::1'));
  t.not(addressKey('192.0.2.2'), addressKey('192.0.2.1'));
  t.end();
});

await t.test('takes for an address whatever a proxy writes, and keeps little of it', (t) => {
  t.equal(addressKey(undefined), '');
  t.equal(addressKey('unknown'), 'unknown');
  t.ok(addressKey('x'.repeat(10_000)).length < 100);
  fc.assert(
    fc.property(fc.ipV6(), fc.string(), (address, text) => {
      const key = addressKey(address);
      return addressKey(text).length < 100 && key.length < 100 && !key.includes('NaN');
    }),
  );
  t.end();
});
