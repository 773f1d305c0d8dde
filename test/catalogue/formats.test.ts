import fc from 'fast-check';
import t from 'tap';
import {
  idFormats,
  isCalendarDate,
  mayHoldId,
  residentIdCheck,
  usccCheck,
} from '../../src/catalogue/formats.ts';
import { personaCitizens, personaEnterprises, personas } from '../../src/sandbox/personas.ts';

const alphabet = '0123456789ABCDEFGHJKLMNPQRTUWXY';

function accepts(format: string, value: string): boolean {
  const { shape, check } = idFormats[format]!;
  return shape.test(value) && check(value);
}

/** First 17 digits of a resident id: region, a day of the calendar, a sequence number. */
const residentStem = fc
  .tuple(
    fc.integer({ min: 110000, max: 999999 }),
    fc.date({
      min: new Date('1890-01-01T00:00:00Z'),
      max: new Date('2100-12-31T00:00:00Z'),
      noInvalidDate: true,
    }),
    fc.integer({ min: 0, max: 999 }),
  )
  .map(([region, date, sequence]) => {
    const day = date.toISOString().slice(0, 10).replaceAll('-', '');
    return `${region}${day}${String(sequence).padStart(3, '0')}`;
  });
const residentId = residentStem.map((stem) => stem + residentIdCheck(stem));

const character = fc.constantFrom(...Array.from(alphabet));
const digit = fc.constantFrom(...Array.from(alphabet).slice(0, 10));
const uscc = fc
  .tuple(
    fc.array(character, { minLength: 2, maxLength: 2 }),
    fc.array(digit, { minLength: 6, maxLength: 6 }),
    fc.array(character, { minLength: 9, maxLength: 9 }),
  )
  .map((parts) => parts.flat().join(''))
  .map((stem) => stem + usccCheck(stem));

function replaceAt(text: string, at: number, by: string): string {
  return text.slice(0, at) + by + text.slice(at + 1);
}

await t.test('knows the check characters of known ids', (t) => {
  t.ok(accepts('resident-id', '11010519491231002X'), 'GB 11643, the standard’s own example');
  t.notOk(accepts('resident-id', '110105194912310021'));
  for (const code of ['91350100M000100Y43', '91330106673959654P']) t.ok(accepts('uscc', code), code);
  for (const code of ['91350100M000100Y44', '913501000M00100Y43']) t.notOk(accepts('uscc', code), code);
  t.end();
});

await t.test('accepts the ids of all personas', (t) => {
  const formats: Record<string, string> = { citizens: 'resident-id', enterprises: 'uscc' };
  for (const { dataset, id } of personas) t.ok(accepts(formats[dataset]!, id), id);
  for (const { id } of personaCitizens) t.notOk(accepts('uscc', id), 'no resident id is a credit code');
  for (const { id } of personaEnterprises) t.notOk(accepts('resident-id', id));
  t.end();
});

await t.test('accepts every resident id with its check character', (t) => {
  fc.assert(
    fc.property(residentId, (id) => accepts('resident-id', id)),
    { numRuns: 1000 },
  );
  t.match(residentIdCheck('11010519491231002'), 'X');
  t.end();
});

await t.test('refuses a resident id with any one digit changed (ISO 7064 MOD 11-2)', (t) => {
  fc.assert(
    fc.property(residentId, (id) => {
      const replaced = Array.from({ length: 18 }, (_, at) =>
        Array.from(at === 17 ? '0123456789X' : '0123456789')
          .filter((other) => other !== id[at])
          .map((other) => replaceAt(id, at, other)),
      ).flat();
      return replaced.length >= 17 * 9 && !replaced.some((other) => accepts('resident-id', other));
    }),
    { numRuns: 200 },
  );
  t.pass('no change of one digit goes unseen');
  t.end();
});

await t.test('refuses a resident id with two neighbours exchanged (ISO 7064 MOD 11-2)', (t) => {
  fc.assert(
    fc.property(residentId, fc.nat({ max: 15 }), (id, at) => {
      const [a, b] = [id[at]!, id[at + 1]!];
      return a === b || !accepts('resident-id', replaceAt(replaceAt(id, at, b), at + 1, a));
    }),
    { numRuns: 1000 },
  );
  t.pass('no exchange of two neighbours goes unseen');
  t.end();
});

await t.test('refuses a resident id with a birthday that no calendar has', (t) => {
  for (const day of ['19900230', '19901301', '19900001', '20230229', '21000229', '19900100']) {
    const stem = `110105${day}002`;
    t.notOk(accepts('resident-id', stem + residentIdCheck(stem)), day);
  }
  const leap = '11010520000229002';
  t.ok(accepts('resident-id', leap + residentIdCheck(leap)));
  t.end();
});

await t.test('accepts every credit code with its check character', (t) => {
  fc.assert(
    fc.property(uscc, (code) => accepts('uscc', code)),
    { numRuns: 1000 },
  );
  t.pass('all of them');
  t.end();
});

await t.test('refuses a credit code with any one character changed (GB 32100)', (t) => {
  fc.assert(
    fc.property(uscc, (code) => {
      const replaced = Array.from({ length: 18 }, (_, at) =>
        Array.from(alphabet)
          .filter((other) => other !== code[at])
          .map((other) => replaceAt(code, at, other)),
      ).flat();
      return replaced.length === 18 * 30 && !replaced.some((other) => accepts('uscc', other));
    }),
    { numRuns: 100 },
  );
  t.pass('no change of one character goes unseen');
  t.end();
});

await t.test('takes ids in one form alone', (t) => {
  const bad: [format: string, values: string[]][] = [
    [
      'resident-id',
      [
        '',
        '11010519491231002x',
        ' 11010519491231002X',
        '11010519491231002X ',
        '11010519491231002X\n',
        '1101051949123100',
        '１１０１０５１９４９１２３１００２Ｘ',
        '11010519491231002X1',
        'X1010519491231002X',
      ],
    ],
    ['uscc', ['', '91350100m000100y43', '91350100M000100Y43\n', '9135010OM000100Y43', '91350100M000100Y4']],
  ];
  for (const [format, values] of bad)
    for (const value of values) t.notOk(accepts(format, value), JSON.stringify(value));
  t.end();
});

await t.test('knows the days of the calendar', (t) => {
  for (const day of ['2024-02-29', '2000-02-29', '1900-02-28', '9999-12-31', '0001-01-01'])
    t.ok(isCalendarDate(day), day);
  for (const day of [
    '2023-02-29',
    '1900-02-29',
    '2026-04-31',
    '2026-13-01',
    '2026-00-10',
    '2026-1-1',
    '',
    'x',
  ])
    t.notOk(isCalendarDate(day), day);
  for (const day of [
    '2026-11-23 ',
    '2026-11-23\n',
    '2026-11-23T00:00:00Z',
    '20261123',
    '-2026-11-23',
    '２０２６-01-01',
  ])
    t.notOk(isCalendarDate(day), JSON.stringify(day));
  t.end();
});

await t.test('sees an id among other characters, and takes no other number for one', (t) => {
  for (const text of ['11010519491231002X', 'case 11010519491231002x of today', '0000011010519491231002X9'])
    t.ok(mayHoldId(text), text);
  for (const text of [
    '',
    '110105194912310021',
    'HY-2026-000123',
    '110105 19491231 002X',
    '0af7651916cd43dd8448eb211c80319c',
  ])
    t.notOk(mayHoldId(text), text);
  t.end();
});
