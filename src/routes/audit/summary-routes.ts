import type { FastifyInstance } from 'fastify';
import { answer } from '../answer.ts';
import { type ProblemError, rethrowAsStoreUnavailable } from '../../base/errors.ts';
import type { Gate } from '../../http/gate.ts';
import { requireLiveClient } from '../../identity/access-token.ts';
import { routeSchema } from '../../http/openapi.ts';
import { describeFilter, type FilterBody } from './filter-body.ts';
import { encodeQuery, readOfficial } from '../look.ts';
import { recordUnderAuthority } from '../../audit/record.ts';
import { visibilityOf, type AuditRoutesOptions } from './search-routes.ts';
import {
  maxEntries,
  maxGroups,
  summarize,
  type Dimension,
  type TooMuch,
} from '../../audit/search/summarize.ts';
import { summaryBodySchema, summaryOperation } from './summary-documents.ts';
import { invalidBody } from '../../http/validation.ts';

interface SummaryBody extends FilterBody {
  by: Dimension[];
}

/** The route by which whoever may search the log counts its entries. The summary is an entry before it is answered. */
export function registerSummaryRoutes(
  scope: FastifyInstance,
  options: AuditRoutesOptions & { timeZone: string; longLooks: Gate },
): void {
  const { database, readFilter, authority, log, secrets, tokens, admit, now } = options;
  const { timeZone, longLooks } = options;

  scope.post<{ Body: SummaryBody }>(
    '/v1/audit/summary',
    {
      onRequest: (request, reply, done) => {
        visibilityOf(admit(request, reply));
        longLooks.check();
        done();
      },
      schema: routeSchema(summaryOperation, { body: summaryBodySchema }),
    },
    async (request, reply) => {
      const token = tokens.verify(request.headers.authorization);
      const visibility = visibilityOf(token);
      const official = readOfficial(request);
      requireLiveClient(authority.current(), token);
      const { by, ...asked } = request.body;
      const filter = readFilter(asked, token);
      const counted = await longLooks
        .run(reply.raw, (gone) => summarize(database, { filter, visibility, by, timeZone }, gone))
        .catch(rethrowAsStoreUnavailable);
      if (!Array.isArray(counted)) throw tooMuch(counted);

      await recordUnderAuthority(log, authority, (current) => {
        requireLiveClient(current, token);
        const query = {
          operation: 'summary',
          records: counted.length,
          subject_key: filter.subjectRefs === undefined ? undefined : secrets.subjectKeyId,
          details: { ...describeFilter(filter, secrets), by },
        };
        const leaf = encodeQuery(request, { token, official, time: now() }, query);
        return Promise.resolve({ leaf, result: undefined });
      });
      return answer(reply, { items: counted, next: null });
    },
  );
}

function tooMuch(what: TooMuch): ProblemError {
  if (what === 'groups')
    return invalidBody('#/by', {
      en: `gives more than ${maxGroups} counts: name fewer, or a shorter time`,
      zh: `计数超过 ${maxGroups} 项：请减少分组或缩短时间`,
    });
  return invalidBody('#/from', {
    en: `leaves more than ${maxEntries} entries to look at: name a shorter time, or another filter`,
    zh: `需查看的条目超过 ${maxEntries} 条：请缩短时间或增加条件`,
  });
}
