import type { FastifyInstance } from 'fastify';
import { findEntries, type FoundEntry } from '../../audit/search/find-entries.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import { rethrowAsStoreUnavailable } from '../../base/errors.ts';
import { readIndexCursor, sealCursor } from '../../http/cursor.ts';
import { createGate } from '../../http/gate.ts';
import { routeSchema } from '../../http/openapi.ts';
import { answer } from '../answer.ts';
import type { RouteContext } from '../context.ts';
import { registerLook } from '../look.ts';
import { repeatsWithinSeconds } from '../repeated-looks.ts';
import { searchBodySchema, searchOperation } from './documents.ts';
import { createFilterReader, filterDetails, type FilterBody } from './filter-body.ts';
import { lookScopes, visibilityOf } from './visibility.ts';

interface EntrySearchBody extends FilterBody {
  after?: string | null;
  limit?: number;
}

const defaultLimit = 50;
/** Searches at a time: each page, of some megabytes at most, is held until it is sent. */
const maxSearches = 16;

/** The route by which the log is searched. */
export function registerSearchRoutes(scope: FastifyInstance, context: RouteContext): void {
  const { searches, secrets, now } = context;
  const readFilter = createFilterReader(context);

  registerLook<{ Body: EntrySearchBody }>(scope, context, {
    method: 'POST',
    url: '/v1/audit/entries/search',
    scopes: lookScopes,
    gate: createGate(maxSearches),
    schema: routeSchema(searchOperation, { body: searchBodySchema }),
    async find(request, { token, official }, reply) {
      const { limit = defaultLimit, after, ...asked } = request.body;
      const filter = readFilter(asked, token);
      const { subject_key, details } = filterDetails(filter, secrets);
      const cursorScope = canonicalJson({ client: token.clientId, search: details });
      const before = readIndexCursor(secrets.cursorKey, cursorScope, after, now());
      const visibility = visibilityOf(token);
      const { entries, next } = await findEntries(searches, filter, visibility, { before, limit }).catch(
        rethrowAsStoreUnavailable,
      );
      // An auditor may look at the newest entries every few seconds; a look at a person is always an entry.
      const repeats = visibility === 'all' && before === null && filter.subjectRefs === undefined;
      return {
        entry: {
          operation: 'entries-search',
          records: entries.length,
          subject_key,
          details: { ...details, ...(repeats && { repeats_within_s: repeatsWithinSeconds }) },
        },
        repeats: repeats ? canonicalJson({ query: details, official, limit }) : null,
        answer: () =>
          answer(reply, {
            items: entries.map(presentEntry),
            next: next === null ? null : sealCursor(secrets.cursorKey, cursorScope, String(next), now()),
          }),
      };
    },
  });
}

function presentEntry({ index, bytes, leafHash }: FoundEntry): object {
  return { index, leaf_hash: leafHash.toString('base64'), entry: JSON.parse(bytes.toString()) as object };
}
