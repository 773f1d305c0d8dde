import type { FastifyInstance } from 'fastify';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { isCalendarDate } from '../catalogue/formats.ts';
import type { Database } from '../db/database.ts';
import { Problem, type Fault } from '../errors.ts';
import type { AuthorityView } from '../grants/authority.ts';
import type { Admit } from '../identity/admission.ts';
import { challenge, requireLiveClient, type AccessToken, type Tokens } from '../identity/access-token.ts';
import { documented } from '../openapi.ts';
import { malformedBody } from '../validation.ts';
import type { Appender } from './append.ts';
import { makeCursor, readCursor } from './cursor.ts';
import { searchBodySchema, searchOperation } from './documents.ts';
import { canonicalJson, subjectRef, type LogSecrets } from './entry.ts';
import { findEntries, type EntryFilter, type FoundEntry, type Visibility } from './query.ts';
import { encodeQuery, readOfficial } from './query-entry.ts';
import { recordUnderAuthority } from './record.ts';

export interface AuditRoutesOptions {
  database: Database;
  catalogue: Catalogue;
  authority: AuthorityView;
  log: Appender;
  secrets: LogSecrets;
  tokens: Tokens;
  admit: Admit;
  now: () => Date;
}

export interface SearchBody {
  consumer?: string;
  provider?: string;
  dataset?: string;
  purpose?: string;
  outcome?: string;
  official?: string;
  case?: string;
  kind?: string;
  trace_id?: string;
  subject?: string;
  from?: string;
  to?: string;
  after?: string | null;
  limit?: number;
}

/** How the body of a search is read: exports take the same filters. */
export interface SearchReader {
  /** @throws Problem invalid-request, invalid-id */
  readSearch: (body: SearchBody, token: AccessToken) => { filter: EntryFilter };
  describeFilter: (filter: EntryFilter) => Record<string, unknown>;
}

const defaultLimit = 50;

/** The routes by which auditors query the log. Each query is an entry itself, before it is answered. */
export function registerAuditRoutes(scope: FastifyInstance, options: AuditRoutesOptions): SearchReader {
  const { database, catalogue, authority, log, secrets, tokens, admit, now } = options;

  scope.post<{ Body: SearchBody }>(
    '/v1/audit/entries/search',
    {
      onRequest: (request, reply, done) => {
        visibilityOf(admit(request, reply));
        done();
      },
      schema: documented(searchOperation, { body: searchBodySchema }),
    },
    async (request, reply) => {
      const token = tokens.verify(request.headers.authorization);
      const visibility = visibilityOf(token);
      const official = readOfficial(request);
      const { filter, limit, before, cursorScope } = readSearch(request.body, token);

      const recorded = await recordUnderAuthority(log, authority, async (current) => {
        requireLiveClient(current, token);
        const found = await findEntries(database, filter, visibility, { before, limit }).catch(
          (error: unknown) => {
            throw new Problem('store-unavailable', {}, { cause: error });
          },
        );
        const leaf = encodeQuery(
          request,
          { token, official, time: now() },
          {
            operation: 'entries-search',
            records: found.entries.length,
            subject_key: filter.subjectRefs === undefined ? undefined : secrets.subjectKeyId,
            details: describeFilter(filter),
          },
        );
        return { leaf, result: found };
      });

      const { entries, next } = recorded.result;
      return reply
        .header('exchange-id', request.id)
        .header('cache-control', 'no-store')
        .send({
          items: entries.map(presentEntry),
          next: next === null ? null : makeCursor(secrets, cursorScope, next, now()),
        });
    },
  );

  return { readSearch, describeFilter };

  /** Auditors find whoever is hidden from the consumer as well. */
  function refsOf(dataset: string, subject: string, token: AccessToken): string[] {
    const kinds = token.scopes.includes('audit') ? [false, true] : [false];
    return kinds.map((hidden) => subjectRef(secrets, dataset, subject, hidden));
  }

  /** Checks what a schema can't say, and hashes the subject, whose plain id goes no further. */
  function readSearch(
    body: SearchBody,
    token: AccessToken,
  ): { filter: EntryFilter; limit: number; before: number | null; cursorScope: string } {
    const { limit = defaultLimit, after, subject, from, to, dataset } = body;
    const known = dataset === undefined ? null : catalogue.findNewest(dataset);
    if (subject !== undefined && known === null)
      throw invalidBody('#/dataset', {
        en: 'must name the dataset of the subject',
        zh: '按 subject 查询时必须给出其数据集',
      });
    if (subject !== undefined && !known!.isValidId(subject))
      throw new Problem('invalid-id', { format: known!.fields.get(known!.key)!.schema.format ?? 'id' });
    const filter: EntryFilter = {
      consumer: body.consumer,
      provider: body.provider,
      purpose: body.purpose,
      outcome: body.outcome,
      official: body.official,
      caseNo: body.case,
      kind: body.kind,
      traceId: body.trace_id,
      ...(subject === undefined ? { dataset } : { subjectDataset: dataset }),
      subjectRefs: subject === undefined ? undefined : refsOf(known!.name, subject, token),
      from: readTime('#/from', from),
      to: readTime('#/to', to),
    };
    const cursorScope = canonicalJson({ client: token.clientId, filter: describeFilter(filter) });
    const before = after == null ? null : readCursor(secrets, cursorScope, after, now());
    if (after != null && before === null)
      throw invalidBody('#/after', {
        en: 'is not a cursor of this query, or older than a day',
        zh: '不是本查询的游标，或已超过一天',
      });
    return { filter, limit, before, cursorScope };
  }
}

/** Auditors see all; a provider the exchanges on its datasets, a consumer its own. */
export function visibilityOf(token: AccessToken): Visibility {
  if (token.scopes.includes('audit')) return 'all';
  const visibility = {
    ...(token.scopes.includes('exchange') && { consumer: token.department }),
    ...(token.scopes.includes('provide') && { provider: token.department }),
  };
  if (Object.keys(visibility).length > 0) return visibility;
  const scope = 'audit, provide or exchange';
  throw new Problem(
    'scope-missing',
    { scope: { en: scope, zh: 'audit、provide 或 exchange' } },
    {
      headers: challenge('scope-missing', 'audit'),
      explain: {
        rule: {
          en: `the token must have the scope ${scope}`,
          zh: '令牌必须具有 audit、provide 或 exchange 权限范围',
        },
      },
    },
  );
}

function readTime(pointer: string, value: string | undefined): Date | undefined {
  if (value === undefined) return undefined;
  const time = new Date(value);
  if (!Number.isNaN(time.getTime()) && isCalendarDate(value.slice(0, 10))) return time;
  throw invalidBody(pointer, { en: 'is not a time that exists', zh: '不是有效的时间' });
}

function invalidBody(pointer: string, detail: Fault['detail']): Problem {
  return new Problem('invalid-request', { reason: malformedBody }, { errors: [{ pointer, detail }] });
}

/** The filter as the query's own entry has it: without a plain id. */
function describeFilter(filter: EntryFilter): Record<string, unknown> {
  return {
    consumer: filter.consumer,
    provider: filter.provider,
    dataset: filter.dataset ?? filter.subjectDataset,
    purpose: filter.purpose,
    outcome: filter.outcome,
    official: filter.official,
    case: filter.caseNo,
    kind: filter.kind,
    trace_id: filter.traceId,
    subject: filter.subjectRefs?.[0],
    from: filter.from?.toISOString(),
    to: filter.to?.toISOString(),
  };
}

function presentEntry({ index, bytes, leafHash }: FoundEntry): object {
  return { index, leaf_hash: leafHash.toString('base64'), entry: JSON.parse(bytes.toString()) as object };
}
