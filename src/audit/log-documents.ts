import { problems, type Operation } from '../openapi.ts';

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

export const checkpointOperation: Operation = {
  operationId: 'getCheckpoint',
  summary: 'The newest signed checkpoint of the audit log (C2SP tlog-checkpoint)',
  description:
    'Origin, tree size and root hash, signed with the key that `onevisit audit key` prints. While entries arrive, a ' +
    'new one comes about every half second.',
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
    ...problems(['not-found', 'headers-too-large', 'store-unavailable']),
  },
};

export const tileOperation: Operation = {
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
    ...problems(['not-found', 'headers-too-large', 'store-unavailable']),
  },
};

export const bundleOperation: Operation = {
  operationId: 'getEntryBundle',
  summary: 'Entries of the audit log, 256 at a time, for auditors (C2SP tlog-tiles)',
  tags: ['Log'],
  parameters: [tileNumber('bundle')],
  responses: {
    200: {
      description: 'Each entry as a 16-bit big-endian length and its bytes.',
      headers: { 'Cache-Control': { ...immutable, example: 'private, max-age=31536000, immutable' } },
      content: { 'application/octet-stream': { schema: bytes, example: '…' } },
    },
    ...problems([
      'token-missing',
      'token-invalid',
      'token-expired',
      'scope-missing',
      'not-found',
      'headers-too-large',
      'store-unavailable',
    ]),
  },
};
