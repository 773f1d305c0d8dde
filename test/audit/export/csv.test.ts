import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import t from 'tap';
import { csvRecord } from '../../../src/audit/export/csv.ts';

/** The cells of one record as a CSV reader gives them. */
function read(record: string): string[] {
  const rows: string[][] = parse(record, { relax_column_count: false });
  if (rows.length !== 1) throw new Error(`${rows.length} records`);
  return rows[0]!;
}

const restore = (cell: string): string => cell.replace(/^'/, '');

/** What a spreadsheet may look past before it looks for the sign of a formula. */
const skipped = fc.constantFrom(
  '',
  ' ',
  '\u00A0',
  '\u3000',
  '\uFEFF',
  '\u200B',
  '\t',
  '\r',
  '\n',
  '"',
  "'",
  '`',
);
const sign = fc.constantFrom('=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '\r');
const formula = fc
  .tuple(fc.array(skipped, { maxLength: 4 }), sign, fc.string({ unit: 'binary' }))
  .map(([before, first, rest]) => before.join('') + first + rest);
const cell = fc.oneof(fc.string({ unit: 'binary' }), formula, fc.string());

await t.test('a reader of CSV gives every cell back, less one apostrophe before it', async () => {
  fc.assert(
    fc.property(fc.array(cell, { minLength: 2, maxLength: 8 }), (cells) => {
      const got = read(csvRecord(cells)).map(restore);
      return JSON.stringify(got) === JSON.stringify(cells);
    }),
    { numRuns: 2000 },
  );
});

await t.test('no cell begins what a spreadsheet takes for a formula', async () => {
  fc.assert(
    fc.property(fc.array(cell, { minLength: 2, maxLength: 8 }), (cells) =>
      read(csvRecord(cells)).every((got) => !/^[\p{Z}\p{C}"`]*[=+\-@＝＋－＠\t\r]/u.test(got)),
    ),
    { numRuns: 2000 },
  );
});

await t.test('what is harmless stays as it is', async (t) => {
  t.equal(
    csvRecord(['exchange', '41', '', '王小明', 'HY-2026-000123']),
    'exchange,41,,王小明,HY-2026-000123\r\n',
  );
  t.equal(csvRecord(['a,b', 'say "hi"', 'two\nlines']), '"a,b","say ""hi""","two\nlines"\r\n');
  t.equal(csvRecord(['=1+1', '-5', ' @x', "'", '＝A1']), `"'=1+1","'-5","' @x","''","'＝A1"\r\n`);
});
