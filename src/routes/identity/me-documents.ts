import { json, ref, type OperationObject } from '../../http/openapi.ts';
import { refusalsOf } from '../refusals.ts';
import { roles } from '../../identity/clients.ts';
import { answerHeaders } from '../answer.ts';

export const meOperation: OperationObject = {
  operationId: 'getMe',
  summary: 'Whom the token stands for, and what it may do',
  tags: ['Authentication'],
  parameters: [ref('parameters', 'AcceptLanguage')],
  responses: {
    200: {
      description: 'The client, its department, and the token.',
      headers: answerHeaders,
      content: json(
        {
          type: 'object',
          required: ['client_id', 'department', 'roles', 'scopes', 'expires_at'],
          additionalProperties: false,
          properties: {
            client_id: { type: 'string' },
            department: {
              type: 'object',
              required: ['code', 'title'],
              additionalProperties: false,
              properties: { code: { type: 'string' }, title: ref('schemas', 'Text') },
            },
            roles: {
              type: 'array',
              items: { type: 'string', enum: roles },
              description: 'What the client may do.',
            },
            scopes: {
              type: 'array',
              items: { type: 'string' },
              description: 'What the token may do.',
            },
            expires_at: { type: 'string', format: 'date-time', description: 'When the token ends.' },
          },
        },
        {
          client_id: 'civil-affairs-2b7f',
          department: { code: 'civil-affairs', title: { zh: '民政厅', en: 'Civil Affairs' } },
          roles: ['exchange'],
          scopes: ['exchange'],
          expires_at: '2026-11-26T08:10:00.000Z',
        },
      ),
    },
    ...refusalsOf({ store: true }),
  },
};
