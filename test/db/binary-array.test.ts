import fc from 'fast-check';
import t from 'tap';
import { byteaArray } from '../../src/db/binary-array.ts';
import { createDatabase } from '../helpers/database.ts';

const { pool } = await createDatabase(t);

await t.test('gives the server the elements that it was given', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 300 })), async (elements) => {
      const { rows } = await pool.query<{ read: Buffer[] }>('select $1::bytea[] as read', [
        byteaArray(elements),
      ]);
      t.same(
        rows[0]!.read,
        elements.map((element) => Buffer.from(element)),
      );
    }),
    { numRuns: 50 },
  );
});

await t.test('has subscripts from one, as arrays have that were parsed', async (t) => {
  const { rows } = await pool.query<{ same: boolean }>(
    `select $1::bytea[] = array['\\x01'::bytea, '\\x02'] and array_lower($1::bytea[], 1) = 1 as same`,
    [byteaArray([Buffer.of(1), Buffer.of(2)])],
  );
  t.ok(rows[0]!.same);
});
