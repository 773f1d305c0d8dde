import type { Dataset } from '../catalogue/catalogue.ts';
import { isCleanText } from '../headers.ts';
import type { StoredRecord } from '../records/read.ts';
import type { Subject } from './operation.ts';

/**
 * The persons whom a record names in fields that are used: the answer tells of them too.
 *
 * @param shown those of the fields whose whole value is released; who is named in another one stays hidden
 */
export function listPersons(
  dataset: Dataset,
  record: StoredRecord,
  used: readonly string[],
  shown: (name: string) => boolean,
): Subject[] {
  return dataset.persons.flatMap(({ name, at, subject }) => {
    const id = record[at];
    const named = typeof id === 'string' && used.includes(name) && isCleanText(id);
    return named ? [{ dataset: subject, id, hidden: !shown(name) }] : [];
  });
}

/** Each subject once, in the order of first mention. */
export function distinct(subjects: readonly Subject[]): Subject[] {
  const known = new Map<string, Subject>();
  for (const one of subjects) {
    const key = `${one.dataset} ${one.id} ${one.hidden === true}`;
    if (!known.has(key)) known.set(key, one);
  }
  return [...known.values()];
}
