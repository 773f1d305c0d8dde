import type { FastifyInstance } from 'fastify';
import {
  maxEntries,
  maxGroups,
  summarize,
  type Dimension,
  type TooMuch,
} from '../../audit/search/summarize.ts';
import { rethrowAsStoreUnavailable, type ProblemError } from '../../base/errors.ts';
import type { Gate } from '../../http/gate.ts';
import { routeSchema } from '../../http/openapi.ts';
import { invalidBody } from '../../http/validation.ts';
import { answer } from '../answer.ts';
import type { RouteContext } from '../context.ts';
import { registerLook } from '../look.ts';
import { createFilterReader, filterDetails, type FilterBody } from './filter-body.ts';
import { summaryBodySchema, summaryOperation } from './summary-documents.ts';
import { lookScopes, visibilityOf } from './visibility.ts';

interface SummaryBody extends FilterBody {
  by: Dimension[];
}

/** The route by which entries of the log are counted. @param gate of looks that take long */
export function registerSummaryRoutes(scope: FastifyInstance, context: RouteContext, gate: Gate): void {
  const { searches, secrets, timeZone } = context;
  const readFilter = createFilterReader(context);

  registerLook<{ Body: SummaryBody }>(scope, context, {
    method: 'POST',
    url: '/v1/audit/summary',
    scopes: lookScopes,
    gate,
    schema: routeSchema(summaryOperation, { body: summaryBodySchema }),
    async find(request, { token, gone }, reply) {
      const { by, ...asked } = request.body;
      const filter = readFilter(asked, token);
      const visibility = visibilityOf(token);
      const counted = await summarize(searches, { filter, visibility, by, timeZone }, gone).catch(
        rethrowAsStoreUnavailable,
      );
      if (!Array.isArray(counted)) throw tooMuch(counted);
      const { subject_key, details } = filterDetails(filter, secrets);
      return {
        entry: { operation: 'summary', records: counted.length, subject_key, details: { ...details, by } },
        answer: () => answer(reply, { items: counted, next: null }),
      };
    },
  });
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
