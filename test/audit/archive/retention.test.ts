import fc from 'fast-check';
import t from 'tap';
import { createRetention, latestArchiveDay } from '../../../src/audit/archive/retention.ts';
import { loadCatalogue } from '../../../src/catalogue/catalogue.ts';

const catalogue = loadCatalogue();
const { keepUntil } = createRetention(catalogue);
const time = new Date('2024-05-06T07:08:09.000Z');

await t.test('keeps citizens for ten years, others for three, and what is about all for the longest', (t) => {
  t.equal(keepUntil(new Map([['enterprises', time]])), '2027-05-07');
  t.equal(keepUntil(new Map([['citizens', time]])), '2034-05-07');
  t.equal(keepUntil(new Map([[null, time]])), '2034-05-07', 'acts, and keys of seals');
  t.equal(keepUntil(new Map([['unheard-of', time]])), '2034-05-07', 'a dataset that is gone');
  const ordinary = catalogue.datasets.filter(({ name }) => name === 'enterprises');
  t.equal(createRetention({ datasets: ordinary }).keepUntil(new Map([[null, time]])), '2027-05-07');
  t.end();
});

await t.test('takes the longest that any version of a dataset says', (t) => {
  const [one, two] = catalogue.datasets.filter(({ name }) => name === 'citizens');
  const versions = [
    { ...one!, retentionYears: 12 },
    { ...two!, retentionYears: 5 },
  ];
  t.equal(createRetention({ datasets: versions }).keepUntil(new Map([['citizens', time]])), '2036-05-07');
  t.end();
});

await t.test('no entry is kept for less than its dataset says, whatever stands beside it', (t) => {
  const years = { enterprises: 3, citizens: 10 } as const;
  const newest = fc.uniqueArray(
    fc.tuple(
      fc.constantFrom('enterprises' as const, 'citizens' as const),
      fc.date({ min: new Date('2000-01-01'), max: new Date('2100-01-01'), noInvalidDate: true }),
    ),
    { minLength: 1, selector: ([name]) => name },
  );
  fc.assert(
    fc.property(newest, (entries) => {
      const until = Date.parse(`${keepUntil(new Map(entries))}T00:00:00Z`);
      return entries.every(([name, time]) => {
        const due = new Date(time);
        due.setUTCFullYear(due.getUTCFullYear() + years[name]);
        return until > due.getTime();
      });
    }),
  );
  t.end();
});

await t.test('entries stay in the database for six months at least', (t) => {
  t.equal(latestArchiveDay('2026-11-25'), '2026-05-25');
  t.equal(latestArchiveDay('2026-03-01'), '2025-09-01');
  t.equal(latestArchiveDay('2026-08-31'), '2026-02-28', 'a month without that day');
  t.equal(latestArchiveDay('2024-08-31'), '2024-02-29');
  t.end();
});
