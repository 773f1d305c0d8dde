import type { Dataset } from '../catalogue/catalogue.ts';
import { isCleanText } from '../headers.ts';
import type { StoredRecord } from '../records/read.ts';
import type { Subject } from './operation.ts';

/** The persons whom a record names in the fields that are released: the answer tells of them too. */
export function listPersons(dataset: Dataset, fields: readonly string[], record: StoredRecord): Subject[] {
  return dataset.persons.flatMap(({ name, at, subject }) => {
    const id = record[at];
    const named = typeof id === 'string' && fields.includes(name) && isCleanText(id);
    return named ? [{ dataset: subject, id }] : [];
  });
}
