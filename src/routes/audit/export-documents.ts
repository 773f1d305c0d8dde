import { ref, type OperationObject } from '../../http/openapi.ts';
import { refusalsOf } from '../refusals.ts';
import { filterProperties, searchBodySchema, searchOperation } from './documents.ts';

/** The body of an export: the filters of a search. */
export const exportBodySchema = {
  ...searchBodySchema,
  required: ['format'],
  properties: {
    ...filterProperties,
    format: { type: 'string', enum: ['ndjson', 'csv'] },
    after: {
      type: ['string', 'null'],
      maxLength: 200,
      description: 'The `next` of the last manifest that was received: the export goes on below it.',
    },
  },
} as const;

const manifest = {
  from: 0,
  below: 42,
  archived: 0,
  count: 1,
  filter_digest: 'XcmnnXCnBppZrVVsuHAe2aKrnYI6rU8uyWDONw/0YEM=',
  digest: 'bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=',
  size: 42,
  root: 'XcmnnXCnBppZrVVsuHAe2aKrnYI6rU8uyWDONw/0YEM=',
  note: 'onevisit-export/2\nfrom 0\n…\n\n— onevisit.local/audit AAAA…\n',
};

const ndjsonExample = [
  {
    export: {
      format: 'onevisit-export/2',
      filter: { consumer: 'civil-affairs' },
      below: 42,
      checkpoint: 'onevisit.local/audit\n42\nXcmnnXCnBppZrVVsuHAe2aKrnYI6rU8uyWDONw/0YEM=\n\n— …\n',
    },
  },
  {
    index: 41,
    leaf_hash: 'bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=',
    proof: ['XcmnnXCnBppZrVVsuHAe2aKrnYI6rU8uyWDONw/0YEM='],
    entry: { consumer: 'civil-affairs', format: 'onevisit-entry/1', kind: 'exchange' },
  },
  { manifest, next: null },
];

export const exportOperation: OperationObject = {
  operationId: 'exportEntries',
  summary: 'Entries of the audit log as a file, newest first, with what proves them',
  description:
    'Streamed, up to the checkpoint that is newest when it begins. Each page ends with a manifest of all before it, ' +
    'signed with the key of the log, and `next`, the cursor by which an export that was broken off is continued; at the ' +
    'end `next` is null, and a file without that is not complete. Entries that were archived are in no export: the manifest ' +
    'says below which index. `onevisit audit verify --ndjson` checks an NDJSON ' +
    'export offline. In CSV a cell that a spreadsheet could take for a formula has an apostrophe before it; the last ' +
    'record has the manifest. The export is an entry itself.',
  tags: ['Audit'],
  parameters: searchOperation.parameters!,
  requestBody: {
    required: true,
    content: {
      'application/json': {
        schema: exportBodySchema,
        example: { consumer: 'civil-affairs', from: '2026-11-01T00:00:00.000Z', format: 'ndjson' },
      },
    },
  },
  responses: {
    200: {
      description: 'The entries, line by line.',
      headers: {
        'Exchange-Id': ref('headers', 'ExchangeId'),
        'Cache-Control': ref('headers', 'NoStore'),
        'Content-Disposition': {
          description: 'A name for the file.',
          schema: { type: 'string' },
          example: 'attachment; filename="audit-42.ndjson"',
        },
      },
      content: {
        'application/x-ndjson': {
          schema: { type: 'string' },
          example: ndjsonExample.map((line) => `${JSON.stringify(line)}\n`).join(''),
        },
        'text/csv': {
          schema: { type: 'string' },
          example:
            'record,index,leaf_hash,time,kind,…\r\nentry,41,bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=,…\r\n',
        },
      },
    },
    ...refusalsOf({ scope: true, body: true, official: true, log: true }, 'invalid-request', 'invalid-id'),
  },
};
