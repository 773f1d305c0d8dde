import { errorTable } from '../../base/error-table.ts';
import { problems, ref, type OperationObject } from '../../http/openapi.ts';

const pageResponse = {
  description: 'The page.',
  headers: {
    'Cache-Control': {
      description: 'An hour, for anybody.',
      schema: { type: 'string' },
      example: 'public, max-age=3600',
    },
    'Content-Language': { description: 'Both.', schema: { type: 'string', const: 'zh, en' } },
  },
  content: {
    'text/html': { schema: { type: 'string' }, example: '<!doctype html>\n<html lang="zh">…</html>\n' },
  },
};

export const indexOperation: OperationObject = {
  operationId: 'listProblems',
  summary: 'All errors that the gateway answers, for people',
  description: 'A page in both languages: every `code` with its title, grouped by status.',
  tags: ['Problems'],
  security: [],
  responses: {
    200: pageResponse,
    ...problems(['headers-too-large']),
  },
};

export const pageOperation: OperationObject = {
  operationId: 'getProblemPage',
  summary: 'What one error means, for people',
  description:
    'The page that the `type` of a problem leads to. It says in both languages the cause, the fix, and whom to ask.',
  tags: ['Problems'],
  security: [],
  parameters: [
    {
      name: 'code',
      in: 'path',
      required: true,
      description: 'The `code` of a problem.',
      schema: { type: 'string', enum: Object.keys(errorTable) },
      example: 'field-not-granted',
    },
    ref('parameters', 'AcceptLanguage'),
  ],
  responses: {
    200: pageResponse,
    ...problems(['not-found', 'headers-too-large']),
  },
};
