import type { Dataset } from '../catalogue/catalogue.ts';
import { isCleanText } from '../http/headers.ts';
import { checkFields, checkId } from './rights.ts';
import type { ExchangeOperation } from './operation.ts';
import { listPersons } from './named-persons.ts';
import {
  createBodyReader,
  fieldsSchema,
  metaSchema,
  idSchema,
  invalidRequest,
  type BodyReader,
} from './request.ts';

/** What a read asks: one record. */
export interface ReadBody {
  id: string;
  /** The fields asked for, as sent; all that are granted when absent. */
  fields?: string[];
  /** Whether each record tells where its values come from. */
  meta?: boolean;
}

/** The body of a read. Other members are refused. */
export const readBodySchema = {
  type: 'object',
  additionalProperties: false,
  required: ['id'],
  properties: { id: idSchema, fields: fieldsSchema, meta: metaSchema },
} as const;

/** Makes the reader of bodies that ask for one id: it will be a parameter of a statement, and in the entry. */
export function readIdBody<Body extends { id: string }>(hasForm: BodyReader<Body>): BodyReader<Body> {
  return (parsed) => {
    const body = hasForm(parsed);
    if (!isCleanText(body.id))
      throw invalidRequest({ en: 'the id has control characters', zh: '标识号含有控制字符' });
    return body;
  };
}

/** One subject's record. */
export const read: ExchangeOperation<ReadBody> = {
  name: 'read',
  bulk: false,
  allows: 'read',
  readBody: readIdBody(createBodyReader<ReadBody>(readBodySchema)),
  listSubjects: (dataset: Dataset, { id }) => (dataset.isValidId(id) ? [{ dataset: dataset.name, id }] : []),
  listFields: ({ fields }) => fields,
  checkBody(rights, { id, fields }) {
    checkId(rights.dataset, id);
    return { fields: checkFields(rights, fields) };
  },
  async release({ dataset, records, project }, { body: { id, meta }, fields, masked }, occasion) {
    await occasion.charge(1);
    const record = await records.find(id);
    const subject = { dataset: dataset.name, id };
    if (record === null) return { body: null, records: 0, subjects: [subject] };
    const persons =
      dataset.persons.length === 0
        ? []
        : listPersons(dataset, record, fields, (name) => !masked.includes(name));
    const body = JSON.stringify(project(fields, masked, meta)(record));
    return { body, records: 1, subjects: [subject, ...persons] };
  },
};
