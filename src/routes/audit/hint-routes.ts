import type { FastifyInstance } from 'fastify';
import { answer } from '../answer.ts';
import { type ProblemError, rethrowAsStoreUnavailable } from '../../base/errors.ts';
import type { Gate } from '../../http/gate.ts';
import { requireLiveClient, requireScope } from '../../identity/access-token.ts';
import { routeSchema } from '../../http/openapi.ts';
import { languageOf } from '../../http/problem.ts';
import { readTime } from './filter-body.ts';
import { hintsOperation, hintsQuerySchema, maxSpanDays } from './hint-documents.ts';
import { rules } from '../../audit/hints/rules.ts';
import { type Hint } from '../../audit/hints/watches.ts';
import { findHints, maxHintEntries } from '../../audit/hints/find-hints.ts';
import { createOfficeHours } from '../../base/office-hours.ts';
import { encodeQuery, readOfficial } from '../look.ts';
import { recordUnderAuthority } from '../../audit/record.ts';
import type { AuditRoutesOptions } from './search-routes.ts';
import { invalidBody } from '../../http/validation.ts';

const dayMs = 24 * 60 * 60 * 1000;
const defaultSpanDays = 7;

/** The route by which auditors learn what to look at. The look is an entry before it is answered. */
export function registerHintRoutes(
  scope: FastifyInstance,
  options: AuditRoutesOptions & { timeZone: string; longLooks: Gate },
): void {
  const { database, authority, log, tokens, admit, now, timeZone, longLooks } = options;
  const office = createOfficeHours(timeZone);

  scope.get<{ Querystring: { from?: string; to?: string; consumer?: string } }>(
    '/v1/audit/hints',
    {
      onRequest: (request, reply, done) => {
        requireScope(admit(request, reply), 'audit');
        longLooks.check();
        done();
      },
      schema: routeSchema(hintsOperation, { querystring: hintsQuerySchema }),
    },
    async (request, reply) => {
      const token = tokens.verify(request.headers.authorization);
      requireScope(token, 'audit');
      const official = readOfficial(request);
      requireLiveClient(authority.current(), token);
      const to = readTime('#/to', request.query.to) ?? now();
      const from = readTime('#/from', request.query.from) ?? new Date(to.getTime() - defaultSpanDays * dayMs);
      if (from >= to || to.getTime() - from.getTime() > maxSpanDays * dayMs) throw badSpan();
      const { consumer } = request.query;
      const hints = await longLooks
        .run(reply.raw, (gone) => findHints(database, { from, to, consumer }, office, { signal: gone }))
        .catch(rethrowAsStoreUnavailable);
      if (hints === null) throw tooManyEntries(consumer);

      await recordUnderAuthority(log, authority, (current) => {
        requireLiveClient(current, token);
        const details = { consumer, from: from.toISOString(), to: to.toISOString() };
        const query = { operation: 'hints', records: hints.length, details };
        const leaf = encodeQuery(request, { token, official, time: now() }, query);
        return Promise.resolve({ leaf, result: undefined });
      });
      const language = languageOf(request);
      reply.headers({ 'content-language': language, vary: 'Accept-Language' });
      return answer(reply, { items: hints.map((hint) => presentHint(hint, language)), next: null });
    },
  );
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

function badSpan(): ProblemError {
  return invalidBody('#/from', {
    en: `must be before the end, and at most ${maxSpanDays} days before it`,
    zh: `必须早于结束时间，且不超过 ${maxSpanDays} 天`,
  });
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
