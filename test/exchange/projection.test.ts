import fc from 'fast-check';
import t from 'tap';
import { loadCatalogue } from '../../src/catalogue/catalogue.ts';
import { applyMask } from '../../src/catalogue/mask.ts';
import { createProjections } from '../../src/exchange/projection.ts';

const { datasets } = loadCatalogue();

for (const dataset of datasets) {
  const names = [...dataset.fields.keys()];
  const maskable = names.filter((name) => dataset.fields.get(name)!.mask !== null);
  const record = fc.record(
    Object.fromEntries(
      names.map((name) => {
        const { type } = dataset.fields.get(name)!.schema;
        const value: fc.Arbitrary<unknown> =
          type === 'string' ? fc.string({ unit: 'binary' }) : fc.oneof(fc.maxSafeInteger(), fc.boolean());
        return [name, fc.option(value)];
      }),
    ),
    { requiredKeys: [] },
  );
  const asked = fc.shuffledSubarray(names, { minLength: 1 });

  await t.test(`picks of ${dataset.name} exactly the fields picked, in their order`, (t) => {
    const project = createProjections(dataset);
    fc.assert(
      fc.property(record, asked, (stored, fields) => {
        const written = project(fields, [])(values(names, stored));
        t.strictSame(Object.entries(written), Object.entries(pick(stored, fields)));
      }),
      { numRuns: 200 },
    );
    t.end();
  });

  await t.test(`masks of ${dataset.name} what is to be masked, and nothing else`, (t) => {
    const project = createProjections(dataset);
    fc.assert(
      fc.property(record, asked, fc.subarray(maskable), (stored, fields, masked) => {
        const written = project(fields, masked)(values(names, stored));
        const expected = pick(stored, fields);
        for (const name of masked)
          if (typeof expected[name] === 'string')
            expected[name] = applyMask(dataset.fields.get(name)!.mask!, expected[name]);
        t.strictSame(written, expected);
      }),
      { numRuns: 200 },
    );
    t.end();
  });
}

/** A record as the store gives it: its values in the order of the dataset's fields. */
function values(names: string[], record: Record<string, unknown>): unknown[] {
  return names.map((name) => record[name] ?? null);
}

function pick(record: Record<string, unknown>, fields: string[]): Record<string, unknown> {
  return Object.fromEntries(fields.map((name) => [name, record[name] ?? null]));
}

await t.test('keeps projections apart, however many there are', (t) => {
  const dataset = datasets[0]!;
  const names = [...dataset.fields.keys()];
  const project = createProjections(dataset);
  const record = Object.fromEntries(names.map((name, i) => [name, `value ${i}`]));
  const lists = names.flatMap((a) =>
    names.flatMap((b) => names.map((c) => [...new Set([a, b, c])])).concat([[a]]),
  );
  t.ok(lists.length > 1000, 'more than are kept');
  for (const round of [1, 2]) {
    const wrong = lists.filter(
      (fields) =>
        JSON.stringify(project(fields, [])(values(names, record))) !== JSON.stringify(pick(record, fields)),
    );
    t.same(wrong, [], `round ${round}`);
  }
  t.end();
});
