import type { FastifyInstance } from 'fastify';
import { findHints, maxHintEntries } from '../../audit/hints/find-hints.ts';
import { rules } from '../../audit/hints/rules.ts';
import type { Hint } from '../../audit/hints/watches.ts';
import { rethrowAsStoreUnavailable, type ProblemError } from '../../base/errors.ts';
import { createOfficeHours } from '../../base/office-hours.ts';
import type { Gate } from '../../http/gate.ts';
import { routeSchema } from '../../http/openapi.ts';
import { languageOf } from '../../http/problem.ts';
import { invalidBody } from '../../http/validation.ts';
import { answer } from '../answer.ts';
import type { RouteContext } from '../context.ts';
import { registerLook } from '../look.ts';
import { readTime } from '../read-time.ts';
import { hintsOperation, hintsQuerySchema, maxSpanDays } from './hint-documents.ts';

interface HintsQuery {
  from?: string;
  to?: string;
  consumer?: string;
}

const dayMs = 24 * 60 * 60 * 1000;
const defaultSpanDays = 7;

/** The route by which auditors learn what to look at. @param gate of looks that take long */
export function registerHintRoutes(scope: FastifyInstance, context: RouteContext, gate: Gate): void {
  const { searches, timeZone } = context;
  const office = createOfficeHours(timeZone);

  registerLook<{ Querystring: HintsQuery }>(scope, context, {
    method: 'GET',
    url: '/v1/audit/hints',
    scopes: ['audit'],
    gate,
    schema: routeSchema(hintsOperation, { querystring: hintsQuerySchema }),
    async find(request, { time, gone }, reply) {
      const { consumer } = request.query;
      const { from, to } = readSpan(request.query, time);
      const hints = await findHints(searches, { from, to, consumer }, office, { signal: gone }).catch(
        rethrowAsStoreUnavailable,
      );
      if (hints === null) throw tooManyEntries(consumer);
      const language = languageOf(request);
      return {
        entry: {
          operation: 'hints',
          records: hints.length,
          details: { consumer, from: from.toISOString(), to: to.toISOString() },
        },
        answer: () =>
          answer(reply.headers({ 'content-language': language, vary: 'Accept-Language' }), {
            items: hints.map((hint) => presentHint(hint, language)),
            next: null,
          }),
      };
    },
  });
}

/** @throws ProblemError invalid-request */
function readSpan(query: HintsQuery, now: Date): { from: Date; to: Date } {
  const to = readTime('#/to', query.to) ?? now;
  const from = readTime('#/from', query.from) ?? new Date(to.getTime() - defaultSpanDays * dayMs);
  if (from < to && to.getTime() - from.getTime() <= maxSpanDays * dayMs) return { from, to };
  throw invalidBody('#/from', {
    en: `must be before the end, and at most ${maxSpanDays} days before it`,
    zh: `必须早于结束时间，且不超过 ${maxSpanDays} 天`,
  });
}

function presentHint({ rule, from, to, ...hint }: Hint, language: 'en' | 'zh'): object {
  const { title, text } = rules[rule];
  return {
    rule,
    title: title[language],
    text: text[language],
    from: from.toISOString(),
    to: to.toISOString(),
    ...hint,
  };
}

function tooManyEntries(consumer: string | undefined): ProblemError {
  const [en, zh] =
    consumer === undefined
      ? ['name a shorter time, or one department', '请缩短时间，或只查看一个部门']
      : ['name a shorter time, or wait until the newest are indexed', '请缩短时间，或等待最新条目完成索引'];
  return invalidBody('#/from', {
    en: `leaves more than ${maxHintEntries} entries to look at: ${en}`,
    zh: `需查看的条目超过 ${maxHintEntries} 条：${zh}`,
  });
}
