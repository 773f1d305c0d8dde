import { json, ref, type OperationObject } from '../../http/openapi.ts';
import { filterProperties, officialParameter, searchRefusals } from './documents.ts';
import { dimensions, maxEntries, maxGroups } from '../../audit/search/summarize.ts';
import { answerHeaders } from '../answer.ts';
import { wholeListSchema } from '../list-page.ts';

/** The body of a summary of the audit log. */
export const summaryBodySchema = {
  type: 'object',
  additionalProperties: false,
  required: ['by'],
  properties: {
    ...filterProperties,
    by: {
      type: 'array',
      minItems: 1,
      maxItems: dimensions.length,
      uniqueItems: true,
      items: { enum: dimensions },
      description:
        'By what entries are counted. `day` is one of the time zone of the gateway, `hour` of UTC.',
    },
  },
} as const;

const value = { type: ['string', 'null'], description: 'Null where the entries say nothing of it.' };

export const summaryOperation: OperationObject = {
  operationId: 'summarizeEntries',
  summary: 'Count entries of the audit log',
  description:
    'The same filters as a search, and the same entries are seen: auditors count all, providers the exchanges on their ' +
    `datasets, consumers their own. At most ${maxEntries} entries are looked at and ${maxGroups} counts are given; ` +
    'what is more is refused, and wants a shorter time or another filter. The summary is an entry itself.',
  tags: ['Audit'],
  parameters: [officialParameter, ref('parameters', 'AcceptLanguage'), ref('parameters', 'Traceparent')],
  requestBody: {
    required: true,
    content: json(summaryBodySchema, {
      by: ['consumer', 'day'],
      purpose: 'marriage-registration',
      from: '2026-11-01T00:00:00.000Z',
    }),
  },
  responses: {
    200: {
      description: 'The counts, in the order of their values.',
      headers: answerHeaders,
      content: json(
        wholeListSchema(
          {
            type: 'object',
            required: ['entries'],
            additionalProperties: false,
            properties: {
              ...Object.fromEntries(dimensions.map((dimension) => [dimension, value])),
              entries: {
                type: 'integer',
                minimum: 1,
                description: 'How many entries have these values.',
              },
            },
          },
          { maxItems: maxGroups },
        ),
        { items: [{ consumer: 'civil-affairs', day: '2026-11-25', entries: 1204 }], next: null },
      ),
    },
    ...searchRefusals,
  },
};
