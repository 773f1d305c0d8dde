/**
 * What a field's values are, whatever versions of the dataset call it: grants name concepts. Its name is that of the
 * field in which it first appeared.
 */
export interface Concept {
  readonly name: string;
  /** The concept of which this one is a part, since a version split that. */
  readonly whole: Concept | null;
  /** What later versions split it into; nothing while it is whole. */
  readonly parts: readonly Concept[];
}

/** The fields of one version: their names, and what the version before called them where it says so. */
export type DeclaredFields = ReadonlyMap<string, { readonly formerly: string | null }>;

/** A `formerly` that can't be, or a name that would mean two things: in which of the versions, at which field, why. */
export interface ConceptFault {
  at: number;
  field: string;
  pointer: 'formerly' | null;
  reason: string;
}

/**
 * Finds the concept of every name that a dataset's versions use. A name stands for one concept in all of them: a field
 * that alone was `formerly` another is renamed, several that were are its parts, any other keeps or begins its own.
 *
 * @param versions in their order
 */
export function findConcepts(versions: readonly DeclaredFields[]): {
  concepts: ReadonlyMap<string, Concept>;
  faults: ConceptFault[];
} {
  const concepts = new Map<string, Concept & { parts: Concept[] }>();
  const faults: ConceptFault[] = [];
  for (const [at, fields] of versions.entries()) {
    const heirs = Map.groupBy(fields.values(), ({ formerly }) => formerly);
    for (const [field, { formerly }] of fields) {
      const known = concepts.get(field);
      if (formerly === null) {
        if (known === undefined) concepts.set(field, { name: field, whole: null, parts: [] });
        continue;
      }
      const former = versions[at - 1]?.has(formerly) === true ? concepts.get(formerly) : undefined;
      const say = (reason: string): number => faults.push({ at, field, pointer: 'formerly', reason });
      if (at === 0) say('the first version of a dataset has no field that was another');
      else if (former === undefined) say(`"${formerly}" is no field of the version before`);
      else if (heirs.get(formerly)!.length === 1) {
        if (known !== undefined && known !== former)
          say(`"${field}" was another field in an earlier version`);
        else concepts.set(field, former);
      } else if (known === undefined) {
        const part = { name: field, whole: former, parts: [] };
        former.parts.push(part);
        concepts.set(field, part);
      } else if (known.whole !== former) say(`"${field}" was another field in an earlier version`);
    }
    faults.push(...findTwins(fields, concepts).map((twin) => ({ at, pointer: null, ...twin })));
  }
  return { concepts, faults };
}

/** Fields of one version that are the same concept: a grant for one would release the other. */
function findTwins(
  fields: DeclaredFields,
  concepts: ReadonlyMap<string, Concept>,
): { field: string; reason: string }[] {
  const firstOf = new Map<Concept, string>();
  return [...fields.keys()].flatMap((field) => {
    const concept = concepts.get(field);
    if (concept === undefined) return [];
    const first = firstOf.get(concept);
    if (first === undefined) {
      firstOf.set(concept, field);
      return [];
    }
    return [
      { field, reason: `says the same as "${first}": both are what was first called "${concept.name}"` },
    ];
  });
}

/**
 * The fields that have, in a version, what a name of another version stands for: the field that it is there, its parts,
 * or what it is a part of.
 */
export function findSameFields<F extends { concept: Concept }>(
  fields: Iterable<F>,
  concept: Concept,
): { as: 'same' | 'parts' | 'whole'; fields: F[] } | null {
  const all = [...fields];
  const found = [
    { as: 'same', fields: all.filter((field) => field.concept === concept) },
    { as: 'parts', fields: all.filter((field) => isPartOf(field.concept, concept)) },
    { as: 'whole', fields: all.filter((field) => isPartOf(concept, field.concept)) },
  ] as const;
  return found.find(({ fields }) => fields.length > 0) ?? null;
}

function isPartOf(concept: Concept, whole: Concept): boolean {
  for (let one = concept.whole; one !== null; one = one.whole) if (one === whole) return true;
  return false;
}

/** Whether a list of concepts, as grants have them, covers a field: names it, what it is a part of, or all its parts. */
export function covers({ concept }: { concept: Concept }, names: readonly string[]): boolean {
  return coversConcept(concept, names);
}

/** Whether a list of concepts covers any of the fields. */
export function coversAny(fields: Iterable<{ concept: Concept }>, names: readonly string[]): boolean {
  for (const { concept } of fields) if (coversConcept(concept, names)) return true;
  return false;
}

function coversConcept(concept: Concept, names: readonly string[]): boolean {
  for (let one: Concept | null = concept; one !== null; one = one.whole)
    if (names.includes(one.name)) return true;
  if (concept.parts.length === 0) return false;
  for (const part of concept.parts) if (!coversConcept(part, names)) return false;
  return true;
}
