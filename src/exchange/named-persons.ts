import type { Dataset } from '../catalogue/catalogue.ts';
import { isCleanText } from '../http/headers.ts';
import type { StoredRecord } from '../records/stored-record.ts';
import type { Subject } from './operation.ts';

/**
 * The persons whom a record names in fields that are used, by their ids or otherwise: the answer tells of them too.
 *
 * @param shown whether the whole value of a field is released; whose id is not released so, stays hidden
 */
export function listPersons(
  dataset: Dataset,
  record: StoredRecord,
  used: readonly string[],
  shown: (name: string) => boolean,
): Subject[] {
  return listPersonFields(dataset, used).flatMap(({ name, at, subject }) => {
    const id = record[at];
    if (typeof id !== 'string' || !isCleanText(id)) return [];
    return [{ dataset: subject, id, hidden: !used.includes(name) || !shown(name) }];
  });
}

/** The fields whose values are the ids of persons of whom these fields tell. */
export function listPersonFields({ persons }: Dataset, fields: readonly string[]): Dataset['persons'] {
  return persons.filter(({ toldBy }) => toldBy.some((name) => fields.includes(name)));
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
