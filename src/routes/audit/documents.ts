import { json, ref, type OperationObject } from '../../http/openapi.ts';
import { refusalsOf } from '../refusals.ts';
import { entryKinds } from '../../audit/entry.ts';
import { pendingResponse, proofExample } from './log-documents.ts';
import { answerHeaders } from '../answer.ts';
import { pageSchema } from '../list-page.ts';

export const code = { type: 'string', pattern: '^[a-z][a-z0-9_-]{1,62}$' };
export const time = {
  type: 'string',
  maxLength: 40,
  pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,9})?(Z|[+-]\\d{2}:\\d{2})$',
};

/** What a header of the exchange said, without control characters. */
const said = { type: 'string', minLength: 1, pattern: '^[^\\u0000-\\u001f\\u007f]*$' };

/** The filters, all of which an entry must meet. */
export const filterProperties = {
  consumer: { ...code, description: 'The department that asked.' },
  dataset: {
    ...code,
    description: 'The dataset asked for; with `subject`, whose subject that is: others may name it as well.',
  },
  provider: { ...code, description: 'The department that answers for the data.' },
  purpose: { ...code, description: 'The purpose that was given.' },
  outcome: { enum: ['released', 'absent', 'refused', 'done'], description: '`done`: an act, no exchange.' },
  official: { ...said, maxLength: 64, description: 'Id of the official for whom it was asked.' },
  case: { ...said, maxLength: 128, description: 'The case that was given.' },
  kind: { enum: entryKinds, description: 'What the entry is of.' },
  trace_id: { type: 'string', pattern: '^[0-9a-f]{32}$', description: 'Trace id of its `traceparent`.' },
  subject: {
    type: 'string',
    minLength: 1,
    maxLength: 64,
    description: "The subject's plain id, with its `dataset`; hashed on arrival.",
  },
  from: { ...time, description: 'Entries of this time and later (RFC 3339).' },
  to: { ...time, description: 'Entries before this time (RFC 3339).' },
} as const;

/** The body of a search in the audit log. */
export const searchBodySchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    ...filterProperties,
    after: { type: ['string', 'null'], maxLength: 200, description: 'The `next` of the page before.' },
    limit: { type: 'integer', minimum: 1, maximum: 500, default: 50 },
  },
} as const;

const entryExample = {
  index: 41,
  leaf_hash: 'bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=',
  entry: {
    case: 'HY-2026-000123',
    client: 'civil-affairs-2b7f',
    consumer: 'civil-affairs',
    dataset: 'example',
    fields: ['name'],
    format: 'onevisit-entry/1',
    id: '5f0c3a52-6d1e-4b8e-9a5f-3f6f0a5c2b11',
    kind: 'exchange',
    operation: 'read',
    outcome: 'released',
    provider: 'public-security',
    purpose: 'marriage-registration',
    records: 1,
    subjects: ['kKc2mQx0Jq0m1l0pXo2t8A'],
    time: '2026-11-23T09:00:00.000Z',
    version: 1,
  },
};

const entryProperties = {
  index: { type: 'integer', minimum: 0 },
  leaf_hash: { type: 'string', description: 'RFC 6962 leaf hash of the entry, base64.' },
  entry: {
    type: 'object',
    additionalProperties: true,
    description: 'The entry as the log holds it (`onevisit-entry/1`).',
  },
};

export const officialParameter = {
  name: 'Exchange-Official',
  in: 'header',
  required: true,
  description: 'Id of the official who queries, percent-encoded UTF-8.',
  schema: { type: 'string', maxLength: 768 },
  example: 'auditor-7',
};

/** The index of an entry in a path. */
export const indexParameter = {
  name: 'index',
  in: 'path',
  required: true,
  description: 'Where the entry stands: `Exchange-Entry` of an answer.',
  schema: { type: 'integer', minimum: 0 },
  example: 41,
};

export const entryOperation: OperationObject = {
  operationId: 'getEntry',
  summary: 'One entry of the audit log, with the proof that the log holds it',
  description:
    'Auditors see every entry, providers the exchanges on their datasets, consumers their own; what belongs to others ' +
    'is 404. Waits up to two seconds for the checkpoint that covers the entry. The look is an entry itself.',
  tags: ['Audit'],
  parameters: [
    indexParameter,
    officialParameter,
    ref('parameters', 'AcceptLanguage'),
    ref('parameters', 'Traceparent'),
  ],
  responses: {
    200: {
      description: 'The entry.',
      headers: answerHeaders,
      content: json(
        {
          type: 'object',
          required: ['index', 'leaf_hash', 'entry', 'proof'],
          additionalProperties: false,
          properties: {
            ...entryProperties,
            proof: { type: 'string', description: 'A C2SP tlog-proof: index, hashes, signed checkpoint.' },
          },
        },
        { ...entryExample, proof: proofExample },
      ),
    },
    ...pendingResponse,
    ...refusalsOf({ scope: true, official: true, log: true }, 'invalid-request', 'not-found'),
  },
};

/** How a search or a summary is refused. */
export const searchRefusals = refusalsOf(
  { scope: true, body: true, official: true, log: true },
  'invalid-request',
  'invalid-id',
);

export const searchOperation: OperationObject = {
  operationId: 'searchEntries',
  summary: 'Search the audit log, newest entries first',
  description:
    'Auditors see every entry, providers the exchanges on their datasets, consumers their own. The query is an ' +
    'entry itself; for the same first page again and again, auditors leave one a minute, but for subjects. A page may be ' +
    'short and still have `next`.',
  tags: ['Audit'],
  parameters: [officialParameter, ref('parameters', 'AcceptLanguage'), ref('parameters', 'Traceparent')],
  requestBody: {
    required: true,
    content: json(searchBodySchema, {
      consumer: 'civil-affairs',
      from: '2026-11-01T00:00:00.000Z',
      limit: 20,
    }),
  },
  responses: {
    200: {
      description: 'The entries found.',
      headers: answerHeaders,
      content: json(
        pageSchema({
          type: 'object',
          required: ['index', 'leaf_hash', 'entry'],
          additionalProperties: false,
          properties: entryProperties,
        }),
        { items: [entryExample], next: null },
      ),
    },
    ...searchRefusals,
  },
};
