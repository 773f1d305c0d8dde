import { json, problems, ref, type OperationObject } from '../../http/openapi.ts';
import { refusalsOf } from '../refusals.ts';

const bytes = { type: 'string', format: 'binary' };
const immutable = {
  description: 'A year, immutable.',
  schema: { type: 'string' },
  example: 'public, max-age=31536000, immutable',
};

function pathParameter(name: string, description: string, schema: object, example: unknown): object {
  return { name, in: 'path', required: true, description, schema, example };
}

const tileNumber = (what: string): object =>
  pathParameter(
    'path',
    `Number of the ${what} in groups of three digits, all but the last with an x (\`x001/x234/067\`); a partial one ` +
      'ends in `.p/` and its width, 1 to 255.',
    { type: 'string', maxLength: 100 },
    '000.p/5',
  );

export const checkpointOperation: OperationObject = {
  operationId: 'getCheckpoint',
  summary: 'The newest signed checkpoint of the audit log (C2SP tlog-checkpoint)',
  description:
    'Origin, tree size and root hash, signed with the key that `onevisit audit key` prints. While entries arrive, a ' +
    'new one comes every second.',
  tags: ['Log'],
  security: [],
  responses: {
    200: {
      description: 'The checkpoint, a signed note.',
      headers: {
        'Cache-Control': { description: 'Ask anew.', schema: { type: 'string' }, example: 'no-cache' },
      },
      content: {
        'text/plain': {
          schema: { type: 'string' },
          example:
            'onevisit.local/audit\n8\nXcmnnXCnBppZrVVsuHAe2aKrnYI6rU8uyWDONw/0YEM=\n\n— onevisit.local/audit AAAA…\n',
        },
      },
    },
    ...problems(['not-found', 'headers-too-large', 'audit-unavailable', 'store-unavailable']),
  },
};

export const tileOperation: OperationObject = {
  operationId: 'getTile',
  summary: 'Hashes of the audit log, 256 at a time (C2SP tlog-tiles)',
  tags: ['Log'],
  security: [],
  parameters: [
    pathParameter(
      'level',
      'Level of the tile; 0 has the leaf hashes.',
      { type: 'integer', minimum: 0, maximum: 6 },
      0,
    ),
    tileNumber('tile'),
  ],
  responses: {
    200: {
      description: 'The hashes, 32 bytes each.',
      headers: { 'Cache-Control': immutable },
      content: { 'application/octet-stream': { schema: bytes, example: '…' } },
    },
    ...problems(['not-found', 'headers-too-large', 'audit-unavailable', 'store-unavailable']),
  },
};

export const bundleOperation: OperationObject = {
  operationId: 'getEntryBundle',
  summary: 'Entries of the audit log, 256 at a time, for auditors (C2SP tlog-tiles)',
  description: 'What a client reads in a minute is one entry itself, which tells where it began.',
  tags: ['Log'],
  parameters: [tileNumber('bundle')],
  responses: {
    200: {
      description: 'Each entry as a 16-bit big-endian length and its bytes.',
      headers: { 'Cache-Control': { ...immutable, example: 'private, max-age=31536000, immutable' } },
      content: { 'application/octet-stream': { schema: bytes, example: '…' } },
    },
    ...refusalsOf({ scope: true, log: true }, 'invalid-request', 'not-found'),
  },
};

const receiptParameters = [
  pathParameter(
    'exchange',
    'The `Exchange-Id` of the answer.',
    { type: 'string', format: 'uuid' },
    '5f0c3a52-6d1e-4b8e-9a5f-3f6f0a5c2b11',
  ),
  {
    name: 'Exchange-Official',
    in: 'header',
    required: false,
    description:
      "Id of the official who looks, percent-encoded UTF-8; required unless the exchange is one's own.",
    schema: { type: 'string', maxLength: 768 },
    example: 'auditor-7',
  },
  ref('parameters', 'AcceptLanguage'),
  ref('parameters', 'Traceparent'),
];

export const proofExample = `c2sp.org/tlog-proof@v1
index 1
bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=

onevisit.local/audit
2
XcmnnXCnBppZrVVsuHAe2aKrnYI6rU8uyWDONw/0YEM=

— onevisit.local/audit AAAA…
`;

/** What is answered while no checkpoint covers the entry. */
export const pendingResponse = {
  202: {
    description: 'The entry is in the log, and no checkpoint covers it yet.',
    headers: {
      'Retry-After': ref('headers', 'RetryAfter'),
      'Cache-Control': ref('headers', 'NoStore'),
    },
    content: json(
      { type: 'object', required: ['status'], properties: { status: { type: 'string', const: 'pending' } } },
      { status: 'pending' },
    ),
  },
};

const receiptResponses = {
  ...pendingResponse,
  ...refusalsOf({ official: true, log: true }, 'invalid-request', 'not-found'),
};

const receiptText =
  'For the consumer, the provider, and auditors, refusals included; what belongs to others is 404. Waits up to two ' +
  'seconds for the checkpoint that covers the entry. A look at an exchange of others is an entry itself.';

export const receiptOperation: OperationObject = {
  operationId: 'getReceipt',
  summary: "An exchange's entry, with the proof that the log holds it",
  description: receiptText,
  tags: ['Audit'],
  parameters: receiptParameters,
  responses: {
    200: {
      description: 'The receipt.',
      headers: { 'Cache-Control': ref('headers', 'NoStore') },
      content: json(
        {
          type: 'object',
          required: ['entry', 'proof'],
          additionalProperties: false,
          properties: {
            entry: { type: 'string', description: "The leaf's bytes, base64." },
            proof: { type: 'string', description: 'A C2SP tlog-proof: index, hashes, signed checkpoint.' },
            salt: {
              type: 'string',
              description: 'Opens the commitment to the body, base64; for the consumer alone.',
            },
          },
        },
        { entry: 'eyJ9', proof: proofExample, salt: 'bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=' },
      ),
    },
    ...receiptResponses,
  },
};

export const receiptFileOperation: OperationObject = {
  operationId: 'getReceiptProof',
  summary: 'The proof of a receipt alone, as a file',
  description: receiptText,
  tags: ['Audit'],
  parameters: receiptParameters,
  responses: {
    200: {
      description: 'A C2SP tlog-proof.',
      headers: { 'Cache-Control': ref('headers', 'NoStore') },
      content: { 'text/plain': { schema: { type: 'string' }, example: proofExample } },
    },
    ...receiptResponses,
  },
};
