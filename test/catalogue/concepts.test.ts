import fc from 'fast-check';
import t from 'tap';
import {
  covers,
  coversAny,
  findConcepts,
  type Concept,
  type DeclaredFields,
} from '../../src/catalogue/concepts.ts';

/** Versions written short: `name` keeps or begins a field, `name<former` was another. */
function declare(...versions: string[]): DeclaredFields[] {
  return versions.map(
    (fields) =>
      new Map(
        fields.split(' ').map((field) => {
          const [name, formerly = null] = field.split('<') as [string, string?];
          return [name, { formerly }] as const;
        }),
      ),
  );
}

function conceptsOf(...versions: string[]): ReadonlyMap<string, Concept> {
  const { concepts, faults } = findConcepts(declare(...versions));
  if (faults.length > 0) throw new Error(JSON.stringify(faults));
  return concepts;
}

/** Which fields of which version a list of names covers. */
function covered(concepts: ReadonlyMap<string, Concept>, fields: string, names: string): string {
  const listed = names.split(' ').map((name) => concepts.get(name)!.name);
  return fields
    .split(' ')
    .filter((name) => covers({ concept: concepts.get(name)! }, listed))
    .join(' ');
}

await t.test('knows a field by the name that it first had, however often it was renamed', (t) => {
  const concepts = conceptsOf('id phone', 'id mobile<phone', 'id cell<mobile', 'id phone<cell');
  for (const name of ['phone', 'mobile', 'cell']) {
    t.equal(concepts.get(name)!.name, 'phone');
    t.equal(covered(concepts, 'id phone mobile cell', name), 'phone mobile cell');
  }
  t.end();
});

await t.test('serves all parts of what was granted whole, and the whole where all parts were', (t) => {
  const concepts = conceptsOf('id address', 'id province<address city<address detail<address');
  const fields = 'id address province city detail';
  t.equal(covered(concepts, fields, 'address'), 'address province city detail');
  t.equal(covered(concepts, fields, 'province'), 'province');
  t.equal(covered(concepts, fields, 'province city'), 'province city');
  t.equal(covered(concepts, fields, 'city detail province'), 'address province city detail');
  t.equal(covered(concepts, fields, 'id'), 'id');
  t.end();
});

await t.test('serves parts of parts by any of their wholes, and wholes by parts of all depths', (t) => {
  const concepts = conceptsOf('a', 'b<a c<a', 'd<b e<b f<c');
  t.equal(covered(concepts, 'a b c d e f', 'a'), 'a b c d e f');
  t.equal(covered(concepts, 'a b c d e f', 'b'), 'b d e');
  t.equal(covered(concepts, 'a b c d e f', 'd e'), 'b d e');
  t.equal(covered(concepts, 'a b c d e f', 'd e f'), 'a b c d e f');
  t.equal(covered(concepts, 'a b c d e f', 'd f'), 'c d f');
  t.end();
});

await t.test('never serves what is new by what was granted before', (t) => {
  const concepts = conceptsOf('id address', 'id province<address city<address occupation');
  t.equal(covered(concepts, 'occupation', 'id address province city'), '');
  t.equal(covered(concepts, 'id province city occupation', 'occupation'), 'occupation');
  t.end();
});

await t.test('lets a name that is not one of the dataset cover nothing', (t) => {
  const concepts = conceptsOf('id', 'id number');
  const fields = [...concepts.values()].map((concept) => ({ concept }));
  t.equal(coversAny(fields, ['salary']), false);
  t.equal(coversAny(fields, []), false);
  t.equal(coversAny(fields, ['salary', 'number']), true);
  t.end();
});

const refused: [what: string, versions: string[], at: number, field: string, reason: RegExp][] = [
  ['a former name in the first version', ['id b<id'], 0, 'b', /first version/],
  [
    'a former name that the version before has not',
    ['id', 'id b<a'],
    1,
    'b',
    /"a" is no field of the version/,
  ],
  [
    'a former name of an older version',
    ['id a', 'id b<a', 'id c<a'],
    2,
    'c',
    /"a" is no field of the version/,
  ],
  ['a renamed field beside itself', ['id a', 'id a b<a'], 1, 'b', /same as "a"/],
  [
    'a new field by the name that an old one had',
    ['a', 'b<a', 'b a'],
    2,
    'a',
    /same as "b".*first called "a"/,
  ],
  ['names that change places', ['a b', 'a<b b<a'], 1, 'a', /"a" was another field/],
  ['a part by the name of its whole', ['a', 'a<a b<a'], 1, 'a', /"a" was another field/],
  ['a part by the name of another field', ['a b', 'b<a c<a'], 1, 'b', /"b" was another field/],
  ['a new name that another field had', ['a b', 'b<a'], 1, 'b', /"b" was another field/],
];

for (const [what, versions, at, field, reason] of refused)
  await t.test(`refuses ${what}`, (t) => {
    const { faults } = findConcepts(declare(...versions));
    t.ok(
      faults.some((fault) => fault.at === at && fault.field === field && reason.test(fault.reason)),
      JSON.stringify(faults),
    );
    t.end();
  });

/** What a version does with its fields: each is kept, renamed, split or dropped, and new ones come. */
const step = fc.record({
  fates: fc.array(fc.constantFrom('keep', 'keep', 'rename', 'split', 'drop'), {
    minLength: 12,
    maxLength: 12,
  }),
  added: fc.integer({ min: 0, max: 2 }),
});

/** A history of versions with no fault, and the leaves of every field: what can't be told apart in any version. */
const history = fc
  .record({ first: fc.integer({ min: 1, max: 4 }), steps: fc.array(step, { maxLength: 4 }) })
  .map(({ first, steps }) => {
    let made = 0;
    const fresh = (): string => `f${made++}`;
    const versions = [new Map(Array.from({ length: first }, () => [fresh(), { formerly: null }]))] as Map<
      string,
      { formerly: string | null }
    >[];
    for (const { fates, added } of steps) {
      const next = new Map<string, { formerly: string | null }>();
      for (const [i, name] of [...versions.at(-1)!.keys()].entries()) {
        const fate = fates[i % fates.length]!;
        if (fate === 'keep') next.set(name, { formerly: null });
        if (fate === 'rename') next.set(fresh(), { formerly: name });
        if (fate === 'split') for (let part = 0; part < 2; part++) next.set(fresh(), { formerly: name });
      }
      for (let i = 0; i < added; i++) next.set(fresh(), { formerly: null });
      versions.push(next);
    }
    return versions;
  });

function leavesOf(concept: Concept): string[] {
  return concept.parts.length === 0 ? [concept.name] : concept.parts.flatMap(leavesOf);
}

/** A history and a list of names out of it. */
const listed = history.chain((versions) => {
  const { concepts } = findConcepts(versions);
  return fc.record({
    versions: fc.constant(versions),
    concepts: fc.constant(concepts),
    names: fc.subarray([...concepts.keys()]).map((names) => names.map((name) => concepts.get(name)!.name)),
  });
});

await t.test('covers exactly what is made up of what the list names', (t) => {
  fc.assert(
    fc.property(listed, ({ concepts, names }) => {
      const granted = new Set(names.flatMap((name) => leavesOf(concepts.get(name)!)));
      for (const concept of concepts.values()) {
        const expected = leavesOf(concept).every((leaf) => granted.has(leaf));
        if (covers({ concept }, names) !== expected) return false;
      }
      return true;
    }),
    { numRuns: 500 },
  );
  t.end();
});

await t.test('covers more by longer lists, and the same in whatever order they are', (t) => {
  fc.assert(
    fc.property(listed, fc.nat(), ({ concepts, names }, at) => {
      const one = [...concepts.values()][at % concepts.size]!;
      return [...concepts.values()].every(
        (concept) =>
          (!covers({ concept }, names) || covers({ concept }, [...names, one.name])) &&
          covers({ concept }, names) === covers({ concept }, names.toReversed()),
      );
    }),
  );
  t.end();
});

await t.test('covers by no list of what there was before a field that a later version adds', (t) => {
  fc.assert(
    fc.property(history, (versions) => {
      const { concepts, faults } = findConcepts(versions);
      const before = new Set<string>();
      return (
        faults.length === 0 &&
        versions.every((fields, at) => {
          const old = [...before].map((name) => concepts.get(name)!.name);
          const added = [...fields].filter(([name, { formerly }]) => formerly === null && !before.has(name));
          for (const name of fields.keys()) before.add(name);
          return at === 0 || added.every(([name]) => !covers({ concept: concepts.get(name)! }, old));
        })
      );
    }),
  );
  t.end();
});
