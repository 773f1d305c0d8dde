import fc from 'fast-check';
import t from 'tap';
import { applyMask, type Mask } from '../../src/catalogue/mask.ts';

const masks: fc.Arbitrary<Mask> = fc.record({
  keep_start: fc.integer({ min: 0, max: 20 }),
  keep_end: fc.integer({ min: 0, max: 20 }),
});
/** No stars, so that a star in what comes out is one of the mask's. */
const text = fc.string({ unit: 'binary', maxLength: 40 }).filter((value) => !value.includes('*'));

await t.test('keeps the ends that a mask names, and stars the rest', (t) => {
  const cases: [mask: Mask, value: string, masked: string][] = [
    [{ keep_start: 3, keep_end: 4 }, '12012345678', '120****5678'],
    [{ keep_start: 6, keep_end: 1 }, '11010519491231002X', '110105***********X'],
    [{ keep_start: 2, keep_end: 0 }, '云栖省观云市', '云栖****'],
    [{ keep_start: 0, keep_end: 1 }, '欧阳清荷', '***荷'],
    [{ keep_start: 2, keep_end: 1 }, '慕容𬸚英', '慕容*英'],
    [{ keep_start: 2, keep_end: 1 }, '𬸚𬸚𬸚𬸚', '𬸚𬸚*𬸚'],
    [{ keep_start: 0, keep_end: 0 }, '汉族', '***'],
    [{ keep_start: 0, keep_end: 0 }, '', '***'],
    [{ keep_start: 3, keep_end: 4 }, '1201234', '***'],
    [{ keep_start: 3, keep_end: 4 }, '12', '***'],
    [{ keep_start: 1, keep_end: 0 }, '甲', '***'],
  ];
  for (const [mask, value, masked] of cases) t.equal(applyMask(mask, value), masked);
  t.end();
});

await t.test('never shows a character beyond the kept ends', (t) => {
  fc.assert(
    fc.property(masks, text, (mask, value) => {
      const shown = Array.from(applyMask(mask, value));
      const stars = shown.filter((one) => one === '*').length;
      const start = shown.slice(0, shown.indexOf('*'));
      const end = shown.slice(shown.lastIndexOf('*') + 1);
      return (
        stars > 0 &&
        shown.length === start.length + stars + end.length &&
        start.length <= mask.keep_start &&
        end.length <= mask.keep_end &&
        value.startsWith(start.join('')) &&
        value.endsWith(end.join(''))
      );
    }),
    { numRuns: 2000 },
  );
  t.pass('whatever mask and value');
  t.end();
});

await t.test('tells values apart by nothing but their kept ends and their length', (t) => {
  fc.assert(
    fc.property(masks, text, text, (mask, value, other) => {
      const characters = Array.from(value);
      const hidden = characters.length - mask.keep_start - mask.keep_end;
      const replaced = Array.from(other).slice(0, Math.max(0, hidden));
      if (hidden <= 0 || replaced.length < hidden) return true;
      const twin = [
        ...characters.slice(0, mask.keep_start),
        ...replaced,
        ...characters.slice(characters.length - mask.keep_end),
      ].join('');
      return (
        Array.from(twin).length !== characters.length || applyMask(mask, twin) === applyMask(mask, value)
      );
    }),
    { numRuns: 2000 },
  );
  t.equal(
    applyMask({ keep_start: 1, keep_end: 1 }, 'abcd'),
    applyMask({ keep_start: 1, keep_end: 1 }, 'axyd'),
  );
  t.end();
});
