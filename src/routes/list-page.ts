import { canonicalJson } from '../base/canonical-json.ts';
import { type LogSecrets } from '../audit/subjects.ts';
import { readCursor, sealCursor } from '../http/cursor.ts';

/** What the query of a list may hold, each member once. */
export interface ListQuery {
  limit?: string;
  after?: string;
}

const defaultLimit = 50;
const maxLimit = 500;

/** How Fastify validates the query of a list; queries are text. @param filters what the list can be filtered by */
export function listQuerySchema(filters: Record<string, object> = {}): object {
  return {
    type: 'object',
    additionalProperties: false,
    properties: {
      limit: { type: 'string', pattern: '^([1-9][0-9]?|[1-4][0-9][0-9]|500)$' },
      after: { type: 'string', minLength: 1, maxLength: 200 },
      ...filters,
    },
  };
}

export const listParameters = [
  {
    name: 'limit',
    in: 'query',
    required: false,
    description: 'How many at most.',
    schema: { type: 'integer', minimum: 1, maximum: maxLimit, default: defaultLimit },
    example: 20,
  },
  {
    name: 'after',
    in: 'query',
    required: false,
    description: 'The `next` of the page before.',
    schema: { type: 'string', minLength: 1, maxLength: 200 },
  },
];

/** The document's schema of a page of a list. */
export function pageSchema(items: object): object {
  return {
    type: 'object',
    required: ['items', 'next'],
    additionalProperties: false,
    properties: {
      items: { type: 'array', items },
      next: {
        type: ['string', 'null'],
        description: 'Continues the list as `after`, for a day; null at its end.',
      },
    },
  };
}

/** The document's schema of a list that is answered whole. @param bounds of the list */
export function wholeListSchema(items: object, bounds: object = {}): object {
  return {
    type: 'object',
    required: ['items', 'next'],
    additionalProperties: false,
    properties: {
      items: { type: 'array', ...bounds, items },
      next: { type: 'null', description: 'The list is whole.' },
    },
  };
}

/** Where a page of a list begins, and how long it may be. */
export interface ListPage {
  /** Where the page before ended; null begins at the start. */
  after: string | null;
  limit: number;
  /** The cursor of the page after. @param place where this one ended, null where nothing is left */
  next(place: string | null): string | null;
}

/**
 * Reads what a query says of the page that it asks for. Takes attacker-controlled input.
 *
 * @param scope names client and query: cursors work for these alone
 * @throws ProblemError invalid-request
 */
export function readPage(
  { limit, after }: ListQuery,
  { secrets, now }: { secrets: LogSecrets; now: () => Date },
  scope: Record<string, unknown>,
): ListPage {
  const named = canonicalJson(scope);
  const place = readCursor(secrets.cursorKey, named, after, now());
  return {
    after: place,
    limit: limit === undefined ? defaultLimit : Number(limit),
    next: (place) => (place === null ? null : sealCursor(secrets.cursorKey, named, place, now())),
  };
}
