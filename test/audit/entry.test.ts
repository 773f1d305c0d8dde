import { createHash, createHmac, hkdfSync, randomBytes, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { encodeEntry, type Entry } from '../../src/audit/entry.ts';
import { canonicalJson } from '../../src/base/canonical-json.ts';
import { commitToBody, deriveLogSecrets, subjectRef } from '../../src/audit/subjects.ts';

const time = new Date('2026-11-23T01:02:03.004Z');

function entryOf(details: Record<string, unknown>): Entry {
  return { kind: 'query', id: '5f0c3a52-6d1e-4b8e-9a5f-3f6f0a5c2b11', time, details };
}

/** Values that the format has, as JSON.parse gives them. */
/** What PostgreSQL can store: any Unicode but U+0000. */
const text = fc.string({ unit: 'binary' }).filter((string) => !string.includes('\0'));

const values = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    text,
    fc.boolean(),
    fc.maxSafeInteger().map((integer) => integer + 0),
    fc.array(tie('value')),
    fc.dictionary(text, tie('value')),
  ),
})).value;

await t.test('writes an entry as the format has it, byte by byte', (t) => {
  const { bytes, hash } = encodeEntry({
    kind: 'exchange',
    id: '5f0c3a52-6d1e-4b8e-9a5f-3f6f0a5c2b11',
    time,
    version: 1,
    official: { proof: 'asserted', id: '王"\\\n' },
    case: undefined,
    fields: ['name', 'birth_date'],
    outcome: 'refused',
    records: 0,
  });
  t.equal(
    bytes.toString(),
    '{"fields":["name","birth_date"],"format":"onevisit-entry/1","id":"5f0c3a52-6d1e-4b8e-9a5f-3f6f0a5c2b11",' +
      '"kind":"exchange","official":{"id":"王\\"\\\\\\n","proof":"asserted"},"outcome":"refused","records":0,' +
      '"time":"2026-11-23T01:02:03.004Z","version":1}',
  );
  t.strictSame(hash, createHash('sha256').update(Buffer.of(0)).update(bytes).digest());
  t.end();
});

await t.test('sorts members by UTF-16 code units, as RFC 8785 has it (3.2.3)', (t) => {
  const example = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\u{1f600}': 5, '\u0080': 6, '\u00f6': 7 };
  const sorted = ['\r', '1', '\u0080', '\u00f6', '\u20ac', '\u{1f600}', '\ufb33'];
  t.strictSame(Object.keys(example).length, sorted.length);
  t.equal(
    canonicalJson(example),
    `{${sorted.map((name) => `${JSON.stringify(name)}:${example[name as keyof typeof example]}`).join(',')}}`,
  );
  t.end();
});

await t.test('gives one text for equal values, whatever the order of their members', (t) => {
  function reversed(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(reversed);
    if (typeof value !== 'object' || value === null) return value;
    const members = Object.entries(value).map(([name, member]) => [name, reversed(member)] as const);
    return Object.fromEntries(members.toReversed());
  }
  fc.assert(fc.property(values, (value) => canonicalJson(value) === canonicalJson(reversed(value))));
  t.pass();
  t.end();
});

await t.test('says the same value, and says it the same way again', (t) => {
  fc.assert(
    fc.property(values, (value) => {
      const text = canonicalJson(value);
      const read = JSON.parse(text) as unknown;
      return canonicalJson(read) === text && JSON.stringify(read).length === text.length;
    }),
  );
  fc.assert(
    fc.property(fc.dictionary(text, text), (value) =>
      t.strictSame(JSON.parse(canonicalJson(value)), { ...value }),
    ),
    { numRuns: 30 },
  );
  t.end();
});

await t.test('leaves out members without a value', (t) => {
  t.equal(canonicalJson({ b: undefined, a: { c: undefined }, d: 1 }), '{"a":{},"d":1}');
  t.end();
});

await t.test('writes minus zero as zero', (t) => {
  t.equal(canonicalJson(-0), '0');
  t.end();
});

const refused: Record<string, unknown> = {
  null: null,
  undefined,
  'a fraction': 0.5,
  NaN,
  infinity: -Infinity,
  'an integer beyond 2^53 - 1': 2 ** 53,
  'a bigint': 1n,
  'a function': () => undefined,
  'a symbol': Symbol('s'),
  'a lone high surrogate': 'a\ud800',
  'a lone low surrogate': '\udc00b',
  'surrogates in the wrong order': '\udc00\ud800',
  'U+0000': 'a\0b',
};
for (const [what, value] of Object.entries(refused))
  await t.test(`refuses ${what}, wherever it stands`, (t) => {
    t.throws(() => canonicalJson(value), TypeError);
    t.throws(() => canonicalJson([value]), TypeError);
    if (value !== undefined) t.throws(() => encodeEntry(entryOf({ deep: { within: value } })), TypeError);
    t.end();
  });

await t.test('refuses a lone surrogate in the name of a member', (t) => {
  t.throws(() => canonicalJson({ 'a\ud800': 1 }), TypeError);
  t.end();
});

await t.test('takes an entry of 65,535 bytes, and refuses one of one more', (t) => {
  const empty = encodeEntry(entryOf({ pad: '' })).bytes.length;
  const largest = encodeEntry(entryOf({ pad: 'x'.repeat(65_535 - empty) }));
  t.equal(largest.bytes.length, 65_535);
  t.throws(() => encodeEntry(entryOf({ pad: 'x'.repeat(65_536 - empty) })), RangeError);
  const characters = Math.ceil((65_536 - empty) / 3);
  t.throws(
    () => encodeEntry(entryOf({ pad: '密'.repeat(characters) })),
    RangeError,
    'bytes count, not characters',
  );
  t.end();
});

await t.test('names a subject by its keyed hash, as the format has it', (t) => {
  const secret = randomBytes(32);
  const key = Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), 'onevisit/subject', 32));
  const data = Buffer.concat([Buffer.from('citizens'), Buffer.of(0), Buffer.from('999901198804120024')]);
  const expected = createHmac('sha256', key).update(data).digest().subarray(0, 16).toString('base64url');
  t.equal(subjectRef(deriveLogSecrets(secret), 'citizens', '999901198804120024'), expected);
  t.match(expected, /^[\w-]{22}$/);
  t.end();
});

await t.test('gives a subject other names in other datasets and under other secrets', (t) => {
  const secrets = deriveLogSecrets(randomBytes(32));
  const others = deriveLogSecrets(randomBytes(32));
  const names = [
    subjectRef(secrets, 'citizens', '1'),
    subjectRef(secrets, 'enterprises', '1'),
    subjectRef(secrets, 'citizens', '2'),
    subjectRef(others, 'citizens', '1'),
  ];
  t.equal(new Set(names).size, names.length);
  t.not(secrets.subjectKeyId, others.subjectKeyId);
  t.end();
});

await t.test('commits to a body as the format has it', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), text, (secret, body) => {
      const id = randomUUID();
      const key = Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), 'onevisit/salt', 32));
      const salt = createHmac('sha256', key).update(id).digest();
      const committed = Buffer.concat([
        Buffer.from('onevisit-body/1'),
        Buffer.of(0),
        salt,
        Buffer.from(body),
      ]);
      const found = commitToBody(deriveLogSecrets(Buffer.from(secret)), id, body);
      return (
        found.salt.equals(salt) &&
        found.commitment === createHash('sha256').update(committed).digest('base64url')
      );
    }),
    { numRuns: 50 },
  );
  t.pass();
  t.end();
});

await t.test('derives keys for each use that have nothing in common', (t) => {
  const { subjectMac, saltMac, cursorKey } = deriveLogSecrets(randomBytes(32));
  const cursorMac = createHmac('sha256', cursorKey).update('text').digest();
  const macs = [subjectMac('text'), saltMac('text'), cursorMac].map((mac) => mac.toString('hex'));
  t.equal(new Set(macs).size, 3);
  t.equal(cursorKey.symmetricKeySize, 32);
  t.end();
});

const word = fc.option(fc.string({ unit: 'binary', maxLength: 20 }), { nil: undefined });
const words = fc.option(fc.array(fc.string({ unit: 'binary', maxLength: 20 }), { maxLength: 3 }), {
  nil: undefined,
});
const number = fc.option(fc.oneof(fc.maxSafeInteger(), fc.constantFrom(0.5, NaN, 2 ** 53, Infinity)), {
  nil: undefined,
});

/** Entries with any member there is, good values and bad. */
const entries = fc.record({
  kind: fc.constantFrom('exchange', 'grant', 'key'),
  id: fc.oneof(
    fc.uuid({ version: 4 }),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('\\u0000', 'a\0', '\ud800'),
  ),
  time: fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true }),
  official: fc.option(
    fc.record({ proof: fc.constantFrom('asserted', 'proven'), id: fc.string({ unit: 'binary' }) }),
    { nil: undefined },
  ),
  ...Object.fromEntries(['records', 'version'].map((name) => [name, number])),
  ...Object.fromEntries(['fields', 'grants', 'subjects'].map((name) => [name, words])),
  ...Object.fromEntries(
    ['body', 'case', 'client', 'code', 'consumer', 'data_key', 'dataset', 'operation', 'outcome', 'provider']
      .concat(['purpose', 'sealed', 'subject_key', 'trace_id'])
      .map((name) => [name, word]),
  ),
  details: fc.option(fc.dictionary(fc.string(), fc.string()), { nil: undefined }),
}) as fc.Arbitrary<Entry>;

await t.test('encodes every entry as the canonical JSON of its members, or refuses it as that does', (t) => {
  const outcomes = { encoded: 0, refused: 0 };
  fc.assert(
    fc.property(entries, (entry) => {
      let expected: string;
      try {
        expected = canonicalJson({ ...entry, format: 'onevisit-entry/1', time: entry.time.toISOString() });
      } catch (error) {
        outcomes.refused++;
        t.throws(() => encodeEntry(entry), error as Error);
        return;
      }
      outcomes.encoded++;
      t.equal(encodeEntry(entry).bytes.toString(), expected);
    }),
    { numRuns: 500 },
  );
  t.ok(outcomes.encoded > 50 && outcomes.refused > 50, 'both were tried');
  t.end();
});
