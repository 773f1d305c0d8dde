import t from 'tap';
import { judgeQueries, queriesTable, type QueryMeasurement } from './queries.ts';

function took(query: string, round: number, [small, large]: [number, number]): QueryMeasurement[] {
  return [
    { query, entries: 1000, round, ms: small, maxMs: small },
    { query, entries: 10_000_000, round, ms: large, maxMs: large },
  ];
}

const found = [
  ...took('official', 0, [1, 100]),
  ...took('official', 1, [2, 3]),
  ...took('official', 2, [2, 5]),
  ...took('official', 3, [2, 4]),
  ...took('subject', 0, [1, 1]),
  ...took('subject', 1, [4, 4]),
  ...took('subject', 2, [4, 2]),
  ...took('subject', 3, [4, 9]),
];

await t.test('holds the search that suffers most against what it may, the first time left out', (t) => {
  const outcome = judgeQueries(found);
  t.match(outcome, { median: 2, min: 1.5, max: 2.5, reached: true });
  t.match(outcome.target, /10,000,000 entries against 1,000, the worst of 2: official/);
  t.match(judgeQueries(took('dataset', 1, [1, 2.1])), { reached: false });
  t.match(judgeQueries([]), { reached: null });
  t.end();
});

await t.test('shows what each took in either log', (t) => {
  const rows = queriesTable(found).split('\n');
  t.match(rows[0], /1,000: ms \| +10,000,000: ms/);
  t.match(rows[2], /official +\| +2\.00 \| +4\.00 \| +2\.00 \| +100\.00/);
  t.match(rows[3], /subject +\| +4\.00 \| +4\.00 \| +1\.00 \| +1\.00/);
  t.end();
});
