import { json, ref, type OperationObject } from '../../http/openapi.ts';
import { refusalsOf } from '../refusals.ts';
import { code, officialParameter, time } from './documents.ts';
import { maxHintEntries } from '../../audit/hints/find-hints.ts';
import { rules } from '../../audit/hints/rules.ts';
import { maxEntriesNamed } from '../../audit/hints/tallies.ts';
import { answerHeaders } from '../answer.ts';
import { wholeListSchema } from '../list-page.ts';

export const maxSpanDays = 31;

const hintProperties = {
  rule: { enum: Object.keys(rules) },
  title: { type: 'string', description: 'What was noticed, in the language asked for.' },
  text: { type: 'string', description: 'The rule: when it speaks.' },
  consumer: { type: 'string', description: 'The department that asked.' },
  official: { type: ['string', 'null'], description: 'The official, where it is about one.' },
  purpose: { type: ['string', 'null'], description: 'The purpose, where it is about one.' },
  from: { type: 'string', format: 'date-time', description: 'Time of the first exchange that shows it.' },
  to: { type: 'string', format: 'date-time', description: 'Time of the last one.' },
  count: { type: 'integer', minimum: 1, description: 'What the rule counted.' },
  limit: { type: 'integer', minimum: 1, description: 'The count from which, or above which, it speaks.' },
  entries: {
    type: 'array',
    maxItems: maxEntriesNamed,
    items: { type: 'integer', minimum: 0 },
    description: 'The first entries that show it.',
  },
};

export const hintsQuerySchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    from: { ...time, description: 'Exchanges of this time and later; a week ago when absent.' },
    to: { ...time, description: 'Exchanges before this time; now when absent.' },
    consumer: { ...code, description: 'Exchanges of this department alone; of every one when absent.' },
  },
} as const;

const examples: Record<keyof typeof hintsQuerySchema.properties, string> = {
  from: '2026-11-18T00:00:00.000Z',
  to: '2026-11-25T00:00:00.000Z',
  consumer: 'civil-affairs',
};

export const hintsOperation: OperationObject = {
  operationId: 'listHints',
  summary: 'What in the audit log an auditor should look at',
  description:
    'Rules look at the exchanges of a time, and at nothing but the log: ids asked in sequence, one official asking far ' +
    'more than the others, nights and holidays, a purpose without any case, bursts of refusals, many absent ids. ' +
    'A hint is a reason to ask, and proves nothing. ' +
    `The time has at most ${maxSpanDays} days and ${maxHintEntries} entries, of all departments or of the one asked for. ` +
    'The look is an entry itself.',
  tags: ['Audit'],
  parameters: [
    ...Object.entries(hintsQuerySchema.properties).map(([name, { description, ...schema }]) => ({
      name,
      in: 'query',
      description,
      schema,
      example: examples[name as keyof typeof examples],
    })),
    officialParameter,
    ref('parameters', 'AcceptLanguage'),
    ref('parameters', 'Traceparent'),
  ],
  responses: {
    200: {
      description: 'The hints, the newest last.',
      headers: answerHeaders,
      content: json(
        wholeListSchema({
          type: 'object',
          required: Object.keys(hintProperties),
          additionalProperties: false,
          properties: hintProperties,
        }),
        {
          items: [
            {
              rule: 'absent',
              title: rules.absent.title.en,
              text: rules.absent.text.en,
              consumer: 'civil-affairs',
              official: 'official-17',
              purpose: null,
              from: '2026-11-24T09:00:00.000Z',
              to: '2026-11-24T09:12:00.000Z',
              count: 41,
              limit: 30,
              entries: [1207, 1208, 1210],
            },
          ],
          next: null,
        },
      ),
    },
    ...refusalsOf({ scope: true, official: true, log: true }, 'invalid-request'),
  },
};
