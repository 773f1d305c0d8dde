import { transcode } from 'node:buffer';
import { maxEntryBytes } from '../audit/entry.ts';
import type { Dataset } from '../catalogue/catalogue.ts';
import { isCleanText } from '../http/headers.ts';
import { checkFields, type Rights } from './rights.ts';
import type { ExchangeOperation, Subject } from './operation.ts';
import { distinct, listPersons, listPersonFields } from './named-persons.ts';
import { createBodyReader, fieldsSchema, metaSchema, idSchema, invalidRequest } from './request.ts';
import { inSlices } from './in-slices.ts';

/** What a batch asks: the records of many subjects. */
export interface BatchBody {
  ids: string[];
  /** The fields asked for, as sent; all that are granted when absent. */
  fields?: string[];
  /** Whether each record tells where its values come from. */
  meta?: boolean;
}

const maxIds = 1000;
const maxBodyBytes = 4 * 1024 * 1024;

/** The body of a batch. Other members are refused. */
export const batchBodySchema = {
  type: 'object',
  additionalProperties: false,
  required: ['ids'],
  properties: {
    ids: { type: 'array', minItems: 1, maxItems: maxIds, items: idSchema },
    fields: fieldsSchema,
    meta: metaSchema,
  },
} as const;

/** What else than subjects an entry may say, at its longest. */
const entryRoomBytes = 14_000;

/** How many subjects one entry has room for, when a batch of these fields is released: each with all whom it names. */
export function batchLimit(dataset: Dataset, fields: readonly string[]): number {
  const lengths = [dataset.key, ...listPersonFields(dataset, fields).map(({ name }) => name)].map((name) =>
    lengthOf(dataset, name),
  );
  const bytesEach = lengths.reduce((sum, length) => sum + subjectBytes(length), 0);
  return Math.min(maxIds, Math.floor((maxEntryBytes - entryRoomBytes) / bytesEach));
}

function lengthOf(dataset: Dataset, name: string): number {
  const { maxLength, format } = dataset.fields.get(name)!.schema;
  const bytesPerCharacter = format === undefined ? 4 : 1;
  return (maxLength as number) * bytesPerCharacter;
}

/** A keyed hash in quotes with its comma, and the id with a newline, sealed, in base64. */
function subjectBytes(idBytes: number): number {
  return 25 + Math.ceil(((idBytes + 1) * 4) / 3);
}

/** Those of the ids that there could be, each once. */
async function findAskable(dataset: Dataset, ids: readonly string[]): Promise<string[]> {
  const askable = new Set<string>();
  await inSlices(ids, (slice) => {
    for (const id of slice) if (isAskable(dataset, id)) askable.add(id);
  });
  return [...askable];
}

function isAskable(dataset: Dataset, id: string): boolean {
  return isCleanText(id) && dataset.isValidId(id);
}

/** Many subjects' records, in one exchange. */
export const batch: ExchangeOperation<BatchBody> = {
  name: 'batch',
  bulk: true,
  allows: 'read',
  readBody: createBodyReader<BatchBody>(batchBodySchema),
  async listSubjects(dataset, { ids }) {
    const known = await findAskable(dataset, ids);
    return known.slice(0, batchLimit(dataset, [])).map((id) => ({ dataset: dataset.name, id }));
  },
  listFields: ({ fields }) => fields,
  checkBody(rights, { ids, fields: asked }) {
    const fields = checkFields(rights, asked);
    checkLimit(rights, ids.length, fields);
    return { fields };
  },
  async release({ dataset, records, project }, { body: { ids, meta }, fields, masked }, occasion) {
    const askable = await findAskable(dataset, ids);
    await occasion.charge(askable.length);
    const pick = project(fields, masked, meta);
    const persons: Subject[] = [];
    const isShown = (name: string): boolean => !masked.includes(name);
    const chunks: Buffer[] = [];
    let found = 0;
    let sizeBytes = 0;
    const take = (text: string): void => {
      // Text with characters beyond Latin-1 is turned into UTF-8 nearly three times as fast by way of UTF-16.
      const chunk = transcode(Buffer.from(text, 'utf16le'), 'utf16le', 'utf8');
      sizeBytes += chunk.length;
      if (sizeBytes > maxBodyBytes) throw answerTooLarge();
      chunks.push(chunk);
    };
    const named = listPersonFields(dataset, fields).map(({ name }) => name);
    const attested = meta === true && dataset.asOf !== null ? [dataset.asOf] : [];
    const bySubject = await records.findMany(askable, [...fields, ...named, ...attested]);
    await inSlices(ids, (slice) => {
      const results = slice.map((id) => {
        const record = bySubject.get(id);
        if (record === undefined) return { id, status: isAskable(dataset, id) ? 'absent' : 'invalid' };
        found++;
        if (dataset.persons.length > 0) persons.push(...listPersons(dataset, record, fields, isShown));
        return { id, status: 'found', record: pick(record) };
      });
      take(`${chunks.length === 0 ? '{"results":[' : ','}${JSON.stringify(results).slice(1, -1)}`);
    });
    take(']}');
    const asked = askable.map((id): Subject => ({ dataset: dataset.name, id }));
    const subjects = persons.length === 0 ? asked : distinct([...asked, ...persons]);
    const absent = askable.length - bySubject.size;
    return {
      body: Buffer.concat(chunks),
      records: found,
      subjects,
      ...(absent > 0 && { details: { absent } }),
    };
  },
};

/** @throws ProblemError invalid-request when an entry has no room for so many */
function checkLimit({ dataset }: Rights, asked: number, fields: readonly string[]): void {
  const limit = batchLimit(dataset, fields);
  if (asked <= limit) return;
  throw invalidRequest(
    {
      en: `a batch of ${dataset.name} with these fields takes at most ${limit} ids`,
      zh: `对数据集 ${dataset.name} 按这些字段批量查询，每次最多 ${limit} 个标识号`,
    },
    [
      {
        pointer: '#/ids',
        detail: { en: `must NOT have more than ${limit} items`, zh: `不应多于 ${limit} 项` },
      },
    ],
  );
}

function answerTooLarge(): ReturnType<typeof invalidRequest> {
  const limit = `${maxBodyBytes / 1024 / 1024} MiB`;
  return invalidRequest({
    en: `the answer would be larger than ${limit}: ask for fewer ids or fields`,
    zh: `应答将超过 ${limit}：请减少标识号或字段`,
  });
}
