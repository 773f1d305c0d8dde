import type { FastifyInstance } from 'fastify';
import { answer } from '../answer.ts';
import { openIndex, sealIndex } from '../../http/cursor.ts';
import type { Database } from '../../db/database.ts';
import { createGate } from '../../http/gate.ts';
import type { AuthorityView } from '../../grants/authority.ts';
import type { Admit } from '../../identity/admission.ts';
import {
  requireLiveClient,
  scopeMissing,
  type AccessToken,
  type Tokens,
} from '../../identity/access-token.ts';
import { routeSchema } from '../../http/openapi.ts';
import type { Appender } from '../../audit/append.ts';
import { searchBodySchema, searchOperation } from './documents.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import { type LogSecrets } from '../../audit/subjects.ts';
import { describeFilter, type FilterBody, type FilterReader } from './filter-body.ts';
import type { Visibility } from '../../audit/search/filter.ts';
import { createPolls, repeatsWithinSeconds } from './repeated-searches.ts';
import { findEntries, type EntryPage, type FoundEntry } from '../../audit/search/find-entries.ts';
import { encodeQuery, readOfficial } from '../look.ts';
import { recordUnderAuthority } from '../../audit/record.ts';
import { invalidBody } from '../../http/validation.ts';
import { rethrowAsStoreUnavailable } from '../../base/errors.ts';

interface EntrySearchBody extends FilterBody {
  after?: string | null;
  limit?: number;
}

export interface AuditRoutesOptions {
  database: Database;
  readFilter: FilterReader;
  authority: AuthorityView;
  log: Appender;
  secrets: LogSecrets;
  tokens: Tokens;
  admit: Admit;
  now: () => Date;
}

const defaultLimit = 50;
/** Searches at a time: each page, of some megabytes at most, is held until it is sent. */
const maxSearches = 16;
const staleCursor = {
  en: 'is not a cursor of this query, or older than a day',
  zh: '不是本查询的游标，或已超过一天',
};

/** The routes by which auditors query the log. Each query is an entry itself, before it is answered. */
export function registerAuditRoutes(scope: FastifyInstance, options: AuditRoutesOptions): void {
  const { database, readFilter, authority, log, secrets, tokens, admit, now } = options;
  const polls = createPolls(now);
  const gate = createGate(maxSearches);

  scope.post<{ Body: EntrySearchBody }>(
    '/v1/audit/entries/search',
    {
      onRequest: (request, reply, done) => {
        visibilityOf(admit(request, reply));
        gate.check();
        done();
      },
      schema: routeSchema(searchOperation, { body: searchBodySchema }),
    },
    async (request, reply) => {
      const token = tokens.verify(request.headers.authorization);
      const visibility = visibilityOf(token);
      const official = readOfficial(request);
      const { limit = defaultLimit, after = null, ...asked } = request.body;
      const filter = readFilter(asked, token);
      const cursorScope = canonicalJson({ client: token.clientId, search: describeFilter(filter, secrets) });
      const before = after === null ? null : openIndex(secrets.cursorKey, cursorScope, after, now());
      if (after !== null && before === null) throw invalidBody('#/after', staleCursor);

      const find = (): Promise<EntryPage> =>
        findEntries(database, filter, visibility, { before, limit }).catch(rethrowAsStoreUnavailable);
      const isPoll = visibility === 'all' && before === null && filter.subjectRefs === undefined;
      const poll = canonicalJson({ query: cursorScope, official, limit });
      const enter = async (): Promise<EntryPage> => {
        const time = now();
        const { result } = await recordUnderAuthority(log, authority, async (current) => {
          requireLiveClient(current, token);
          const found = await find();
          const leaf = encodeQuery(
            request,
            { token, official, time },
            {
              operation: 'entries-search',
              records: found.entries.length,
              subject_key: filter.subjectRefs === undefined ? undefined : secrets.subjectKeyId,
              details: {
                ...describeFilter(filter, secrets),
                ...(isPoll && { repeats_within_s: repeatsWithinSeconds }),
              },
            },
          );
          return { leaf, result: found };
        });
        if (isPoll) polls.cover(poll, time);
        return result;
      };
      const findAgain = async (): Promise<EntryPage> => {
        const found = await find();
        // No append tells that the client was revoked meanwhile.
        await authority.refresh().catch(rethrowAsStoreUnavailable);
        requireLiveClient(authority.current(), token);
        return found;
      };
      requireLiveClient(authority.current(), token);
      const { entries, next } = await gate.run(
        reply.raw,
        isPoll && polls.isCovered(poll) ? findAgain : enter,
      );
      return answer(reply, {
        items: entries.map(presentEntry),
        next: next === null ? null : sealIndex(secrets.cursorKey, cursorScope, next, now()),
      });
    },
  );
}

/** Auditors see all; a provider the exchanges on its datasets, a consumer its own. */
export function visibilityOf(token: AccessToken): Visibility {
  if (token.scopes.includes('audit')) return 'all';
  const visibility = {
    ...(token.scopes.includes('exchange') && { consumer: token.department }),
    ...(token.scopes.includes('provide') && { provider: token.department }),
  };
  if (Object.keys(visibility).length > 0) return visibility;
  throw scopeMissing('audit', 'provide', 'exchange');
}

function presentEntry({ index, bytes, leafHash }: FoundEntry): object {
  return { index, leaf_hash: leafHash.toString('base64'), entry: JSON.parse(bytes.toString()) as object };
}
