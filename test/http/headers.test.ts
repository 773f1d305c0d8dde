import fc from 'fast-check';
import t from 'tap';
import { decodeHeader, isCleanText, readTraceId } from '../../src/http/headers.ts';

const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
const span = '00f067aa0ba902b7';

await t.test('decodes what was encoded, whatever clean text it is', (t) => {
  const cleanText = fc.string({ unit: 'binary', maxLength: 40 }).filter(isCleanText);
  fc.assert(
    fc.property(cleanText, (text) => {
      t.equal(decodeHeader(encodeURIComponent(text), 80), text);
    }),
    { numRuns: 300 },
  );
  t.end();
});

await t.test('gives clean text of the length or null, whatever comes', (t) => {
  const piece = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc.integer({ min: 0, max: 255 }).map((byte) => `%${byte.toString(16).padStart(2, '0')}`),
    fc.constantFrom('%', '%E4%B8%AD', '%F0%AC%B8%9A', 'a'),
  );
  const anything = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));
  let decoded = 0;
  fc.assert(
    fc.property(anything, (value) => {
      const text = decodeHeader(value, 5);
      if (text === null) return true;
      decoded++;
      return isCleanText(text) && Array.from(text).length <= 5 && decodeURIComponent(value) === text;
    }),
    { numRuns: 2000 },
  );
  t.ok(decoded > 50, 'some could be decoded');
  t.end();
});

await t.test('counts characters as people do, not as UTF-16 does', (t) => {
  t.equal(decodeHeader('abc', 3), 'abc');
  t.equal(decodeHeader('abcd', 3), null);
  t.equal(decodeHeader(encodeURIComponent('𬸚𬸚𬸚'), 3), '𬸚𬸚𬸚');
  t.equal(decodeHeader(encodeURIComponent('𬸚𬸚𬸚𬸚'), 3), null);
  t.end();
});

await t.test('takes no plus sign for a blank', (t) => {
  t.equal(decodeHeader('a+b', 10), 'a+b');
  t.end();
});

await t.test('takes no header that is not ASCII', (t) => {
  for (const value of ['中', 'é', '\u0000', '\t', '\u007f']) t.equal(decodeHeader(value, 10), null);
  t.end();
});

await t.test('finds control characters and lone surrogates unclean, and nothing else', (t) => {
  for (const text of ['', 'a b', '中文', '𬸚', 'é', '\u00a0']) t.ok(isCleanText(text), JSON.stringify(text));
  for (const text of ['\u0000', 'a\nb', 'a\r', '\t', '\u007f', '\u0085', '\ud86c', '\ude1a', '\ude1a\ud86c'])
    t.notOk(isCleanText(text), JSON.stringify(text));
  t.end();
});

await t.test('reads the trace id of a traceparent (W3C Trace Context, 3.2)', (t) => {
  t.equal(readTraceId(`00-${trace}-${span}-01`), trace);
  t.equal(readTraceId(`00-${trace}-${span}-00`), trace);
  t.equal(readTraceId(`cc-${trace}-${span}-01-what-the-future-brings`), trace, 'of a later version');
  t.equal(readTraceId(undefined), null);
  t.equal(readTraceId([`00-${trace}-${span}-01`, `00-${trace}-${span}-01`]), null);
  t.end();
});

await t.test('passes over a traceparent that is malformed (W3C Trace Context, 3.2)', (t) => {
  const malformed = {
    'another form': 'x',
    'no flags': `00-${trace}-${span}`,
    'capital letters': `00-${trace.toUpperCase()}-${span}-01`,
    'a trace id of zeros': `00-${'0'.repeat(32)}-${span}-01`,
    'a trace id too short': `00-${trace.slice(1)}-${span}-01`,
    'a blank in front': ` 00-${trace}-${span}-01`,
    'a line break': `00-${trace}-${span}-01\n`,
    'a parent id of zeros': `00-${trace}-${'0'.repeat(16)}-01`,
    'the forbidden version': `ff-${trace}-${span}-01`,
    'more than version 00 has': `00-${trace}-${span}-01-more`,
    'flags too long': `cc-${trace}-${span}-01more`,
  };
  for (const [what, traceparent] of Object.entries(malformed)) t.equal(readTraceId(traceparent), null, what);
  t.end();
});
