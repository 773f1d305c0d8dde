import t from 'tap';
import { measured } from './measured.ts';
import { competitorTable, judge, median, outcomeTable, type Measurement } from './report.ts';

await t.test('gives the middle of values', (t) => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 2, 3]), 2.5);
  t.equal(median([7]), 7);
  t.end();
});

await t.test('holds the median of the ratios of each round against a target', (t) => {
  const rounds = [
    [8000, 1000],
    [9000, 1000],
    [1000, 1000],
  ].flatMap(([mine, theirs], i) => [
    measured({ round: i + 1, answersPerSecond: mine! }),
    measured({ round: i + 1, competitor: 'hand-written', answersPerSecond: theirs! }),
  ]);
  const [first] = judge(rounds);
  t.match(first, { median: 8, min: 1, max: 9, reached: true });
  const slower = rounds.map((one) =>
    one.competitor === 'gateway' ? { ...one, answersPerSecond: one.answersPerSecond * 0.9 } : one,
  );
  t.equal(judge(slower)[0]!.reached, false);
  t.end();
});

await t.test('compares measurements of the same round, mode and connections alone', (t) => {
  const apart = [
    measured({}),
    measured({ competitor: 'hand-written', connections: 256 }),
    measured({ competitor: 'hand-written', mode: 'open' }),
    measured({ competitor: 'hand-written', round: 2 }),
  ];
  t.match(judge(apart)[0], { median: null, reached: null });
  t.end();
});

await t.test('judges memory by its largest value', (t) => {
  const memory = (max: number): Measurement => measured({ memoryMb: { first: 1, last: 1, max } });
  t.match(judge([memory(150), memory(200)]).at(-1), { max: 200, reached: true });
  t.match(judge([memory(150), memory(201)]).at(-1), { max: 201, reached: false });
  t.end();
});

await t.test('says of what was not measured that it was not', (t) => {
  t.match(outcomeTable(judge([])), /not measured/);
  t.match(competitorTable([{ name: 'gateway', title: 'OneVisit' }], []), /\| OneVisit +\| +- /);
  t.end();
});
