import { stringify } from 'csv-stringify/sync';
import fc from 'fast-check';
import t from 'tap';
import { residentIdCheck } from '../../src/catalogue/formats.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { createDatabase } from '../helpers/database.ts';
import { citizens, find, load } from '../helpers/files.ts';

const test = await createDatabase(t);
const columns = [...citizens.fields.keys()];

/** Text as the register may have it: well formed, without control characters, counted in characters. */
const text = (maxLength: number): fc.Arbitrary<string> =>
  fc
    .array(
      fc.oneof(
        fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
        fc.constantFrom('"', ',', '\\', '\\N', "'", ' ', ';', '\u2028', '\ufeff', '=', '王', '𬸚'),
      ),
      { minLength: 1, maxLength: maxLength / 2 },
    )
    .map((parts) => parts.join(''))
    .filter((value) => !/\p{Cc}/u.test(value));

const day = fc
  .date({ min: new Date('1900-01-01'), max: new Date('2026-11-23'), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 10));

const record = fc
  .record({
    born: day,
    number: fc.integer({ min: 0, max: 999 }),
    name: text(64),
    sex: fc.constantFrom('male', 'female'),
    birth_date: day,
    region_code: fc.integer({ min: 990_000, max: 999_999 }).map(String),
    ethnicity: fc.option(text(32)),
    province: fc.option(text(32)),
    city: fc.option(text(32)),
    district: fc.option(text(32)),
    address_detail: fc.option(text(256)),
    mobile_phone: fc.option(
      fc.integer({ min: 0, max: 9_999_999_999 }).map((n) => `1${String(n).padStart(10, '0')}`),
    ),
    marital_status: fc.option(fc.constantFrom('single', 'married', 'widowed', 'divorced')),
    deceased_on: fc.option(day),
    occupation: fc.option(text(64)),
  })
  .map(({ born, number, ...rest }): Record<string, string | null> => {
    const first17 = `999801${born.replaceAll('-', '')}${String(number).padStart(3, '0')}`;
    return { id: first17 + residentIdCheck(first17), ...rest };
  });

await t.test('gives back every record that it loaded, however the file is written', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(record, { minLength: 1, maxLength: 40, selector: ({ id }) => id }),
      fc.shuffledSubarray(columns, { minLength: columns.length }),
      fc.record({
        bom: fc.boolean(),
        quoted: fc.boolean(),
        record_delimiter: fc.constantFrom('unix', 'windows'),
      }),
      async (records, header, style) => {
        const { result } = await load(
          t,
          test,
          stringify(records, { header: true, columns: header, ...style }),
        );
        if (result.loaded !== records.length || result.rejected !== 0)
          throw new Error(`${result.loaded} of ${records.length} loaded, ${result.rejected} rejected`);
        for (const expected of records) {
          const found = await find(test, expected.id!);
          for (const column of columns)
            if (found?.[column] !== expected[column])
              throw new Error(
                `${column}: ${JSON.stringify(found?.[column])} for ${JSON.stringify(expected[column])}`,
              );
        }
      },
    ),
    { numRuns: 40 },
  );
  t.pass();
});

await t.test('leaves a whole log behind all of that', async (t) => {
  await checkAuditLog(t, test);
});
