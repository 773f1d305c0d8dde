import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import { answer } from '../answer.ts';
import { readTime } from '../audit/filter-body.ts';
import { readOfficial } from '../audit/query-entry.ts';
import type { Dataset } from '../catalogue/catalogue.ts';
import { isCalendarDate } from '../catalogue/formats.ts';
import { checkSaid } from '../catalogue/said.ts';
import { Problem, storeUnavailable } from '../errors.ts';
import { requireLiveClient, requireScope, type AccessToken } from '../identity/access-token.ts';
import { listQueryProperties, readPage, type ListQuery } from '../list-page.ts';
import { documented } from '../openapi.ts';
import { invalidBody } from '../validation.ts';
import { applying, type Application } from './applications.ts';
import { carryOutRequest, sendDone, type GoverningOptions } from './by-request.ts';
import {
  applicationBodySchema,
  applyOperation,
  grantOperation,
  grantStatuses,
  historyOperation,
  listOperation,
  renewalBodySchema,
  renewOperation,
  stepBodySchemas,
  stepOperation,
} from './grant-documents.ts';
import { requireConsumer, scopesFor, steps, takeStep, type Approval, type GrantStep } from './lifecycle.ts';
import {
  findGrant,
  findGrants,
  listActs,
  presentGrant,
  type GrantRow,
  type GrantsSeen,
  type GrantStatus,
  type GrantSummary,
} from './register.ts';

interface ApplicationBody extends Omit<Application, 'verify_fields' | 'validUntil' | 'renews'> {
  verify_fields?: string[];
  valid_until: string;
}

type RenewalBody = Pick<ApplicationBody, 'valid_until'> &
  Partial<Pick<ApplicationBody, 'legal_basis' | 'justification' | 'expected_volume'>>;

/** Of all steps: those of an approval, and a reason. */
type StepBody = (Omit<Approval, 'validUntil'> & { valid_until?: string; reason?: string }) | null;

type GrantQuery = ListQuery & { consumer?: string; dataset?: string; status?: GrantStatus };

interface WithId {
  Params: { id: string };
}

const codeSchema = { type: 'string', pattern: '^[a-z][a-z0-9_-]{1,62}$' };
const readingScopes = ['exchange', 'provide', 'admin', 'audit'];
/** In which states there is something to continue. */
const renewable: readonly GrantStatus[] = ['active', 'suspended', 'expired'];

/** The routes by which departments apply for grants, decide, and see what was decided. What is others' is not there. */
export function registerGrantRoutes(scope: FastifyInstance, options: GoverningOptions): void {
  const { registry, catalogue, authority, calendar, secrets, tokens, admit, now } = options;

  function requiring(...scopes: string[]): onRequestHookHandler {
    return (request, reply, done) => {
      requireScope(admit(request, reply), ...scopes);
      done();
    };
  }

  function readToken(request: FastifyRequest): AccessToken {
    const token = tokens.verify(request.headers.authorization);
    requireLiveClient(authority.current(), token);
    return token;
  }

  /** @throws Problem not-found, where it is others' as well */
  async function getGrant(id: string, token: AccessToken): Promise<GrantSummary> {
    const grant = await findGrant(registry, id, seenBy(token), now()).catch(storeUnavailable);
    if (grant === null) throw new Problem('not-found');
    return grant;
  }

  /** @throws Problem invalid-request */
  function readEnd(value: string): Date {
    const pointer = '#/valid_until';
    if (value.length === 10 && !isCalendarDate(value))
      throw invalidBody(pointer, { en: 'is not a day that exists', zh: '不是有效的日期' });
    const end = value.length === 10 ? calendar.startOf(value) : readTime(pointer, value)!;
    // PostgreSQL does not read what JavaScript writes of later years.
    if (end.getUTCFullYear() <= 9999) return end;
    throw invalidBody(pointer, { en: 'is later than the year 9999', zh: '晚于 9999 年' });
  }

  scope.get<{ Querystring: GrantQuery }>(
    '/v1/grants',
    {
      onRequest: requiring(...readingScopes),
      schema: documented(listOperation, {
        querystring: {
          type: 'object',
          additionalProperties: false,
          properties: {
            ...listQueryProperties,
            consumer: codeSchema,
            dataset: codeSchema,
            status: { type: 'string', enum: grantStatuses },
          },
        },
      }),
    },
    async (request, reply) => {
      const token = readToken(request);
      const { limit: _limit, after: _after, ...filter } = request.query;
      const page = readPage(
        request.query,
        { secrets, now },
        { client: token.clientId, list: 'grants', filter },
      );
      const { grants, next } = await findGrants(registry, filter, seenBy(token), now(), {
        before: page.after,
        limit: page.limit,
      }).catch(storeUnavailable);
      return answer(reply, { items: grants, next: page.next(next) });
    },
  );

  scope.get<WithId>(
    '/v1/grants/:id',
    { onRequest: requiring(...readingScopes), schema: documented(grantOperation) },
    async (request, reply) => answer(reply, await getGrant(request.params.id, readToken(request))),
  );

  scope.get<WithId & { Querystring: ListQuery }>(
    '/v1/grants/:id/history',
    {
      onRequest: requiring(...readingScopes),
      schema: documented(historyOperation, {
        querystring: { type: 'object', additionalProperties: false, properties: listQueryProperties },
      }),
    },
    async (request, reply) => {
      const token = readToken(request);
      const { id } = await getGrant(request.params.id, token);
      const page = readPage(request.query, { secrets, now }, { client: token.clientId, history: id });
      const { acts, next } = await listActs(registry, id, page).catch(storeUnavailable);
      return answer(reply, { items: acts, next: page.next(next) });
    },
  );

  scope.post<{ Body: ApplicationBody }>(
    '/v1/grants',
    { onRequest: requiring('exchange'), schema: documented(applyOperation, { body: applicationBodySchema }) },
    (request, reply) => {
      const { valid_until, verify_fields = [], ...application } = request.body;
      return apply(request, reply, () =>
        Promise.resolve({ ...application, verify_fields, validUntil: readEnd(valid_until) }),
      );
    },
  );

  scope.post<WithId & { Body: RenewalBody }>(
    '/v1/grants/:id/renew',
    { onRequest: requiring('exchange'), schema: documented(renewOperation, { body: renewalBodySchema }) },
    (request, reply) =>
      apply(request, reply, async (token) => {
        const grant = await getGrant(request.params.id, token);
        requireConsumer(grant, token);
        if (!renewable.includes(grant.status))
          throw new Problem('grant-state-conflict', { status: grant.status });
        const renewal = renewed(grant, request.body, catalogue.findNewest(grant.dataset));
        return { ...renewal, validUntil: readEnd(request.body.valid_until) };
      }),
  );

  async function apply(
    request: FastifyRequest,
    reply: FastifyReply,
    read: (token: AccessToken) => Promise<Application>,
  ): Promise<FastifyReply> {
    const token = tokens.verify(request.headers.authorization);
    const by = { token, official: readOfficial(request) };
    const done = await carryOutRequest<GrantRow>(options, request, by, async ({ purposes }, time) => {
      const application = await read(token);
      checkSaid('#/legal_basis', application.legal_basis);
      for (const [name, why] of Object.entries(application.justification))
        checkSaid(`#/justification/${name}`, why);
      return applying({ catalogue, calendar }, token.department, application, {
        purposes: purposes.keys(),
        now: time,
      });
    });
    const grant = presentGrant(done.answer, now());
    return sendDone(reply.code(201).header('location', `/v1/grants/${grant.id}`), done, grant);
  }

  function registerStep(step: GrantStep): void {
    scope.post<WithId & { Body: StepBody }>(
      `/v1/grants/:id/${step}`,
      {
        onRequest: requiring(...scopesFor(step)),
        schema: documented(stepOperation(step), { body: stepBodySchemas[step] }),
      },
      async (request, reply) => {
        const token = tokens.verify(request.headers.authorization);
        const by = { token, official: readOfficial(request) };
        const { reason, valid_until, ...terms } = request.body ?? {};
        if (reason !== undefined) checkSaid('#/reason', reason);
        const approval = {
          ...terms,
          ...(valid_until !== undefined && { validUntil: readEnd(valid_until) }),
        };
        const done = await carryOutRequest<GrantRow>(options, request, by, async (_current, time) => {
          const grant = await getGrant(request.params.id, token);
          const more = { catalogue, reason, ...(step === 'approve' && { approval }) };
          return takeStep(step, grant, { token, now: time }, more);
        });
        return sendDone(reply, done, presentGrant(done.answer, now()));
      },
    );
  }

  for (const step of Object.keys(steps) as GrantStep[]) registerStep(step);
}

/** Auditors and administrators see all; a provider what is on its datasets, a consumer its own. */
function seenBy({ scopes, department }: AccessToken): GrantsSeen {
  if (scopes.includes('audit') || scopes.includes('admin')) return 'all';
  return {
    ...(scopes.includes('exchange') && { consumer: department }),
    ...(scopes.includes('provide') && { provider: department }),
  };
}

/** What a renewal asks for. @throws Problem invalid-request where neither it nor the old grant says it */
function renewed(
  grant: GrantSummary,
  body: RenewalBody,
  dataset: Dataset | null,
): Omit<Application, 'validUntil'> {
  const {
    legal_basis = grant.legal_basis,
    justification = stillJustified(grant, dataset),
    expected_volume = grant.expected_volume,
  } = body;
  const missing = Object.entries({ legal_basis, justification, expected_volume }).find(
    ([, value]) => value === null,
  );
  if (missing !== undefined)
    throw invalidBody(`#/${missing[0]}`, {
      en: 'must be said: the old grant does not say it',
      zh: '必须给出：原授权没有该内容',
    });
  const { fields, verify_fields, purposes, id } = grant;
  return {
    dataset: grant.dataset,
    fields,
    verify_fields,
    purposes,
    legal_basis: legal_basis!,
    justification: justification!,
    expected_volume: expected_volume!,
    renews: id,
  };
}

/** Of the reasons of an application, those for what was granted of it. */
function stillJustified(grant: GrantSummary, dataset: Dataset | null): Record<string, string> | null {
  if (grant.justification === null) return null;
  const granted = [...grant.fields, ...grant.verify_fields];
  const reasons = Object.entries(grant.justification).filter(([name]) =>
    granted.includes(dataset?.concepts.get(name)?.name ?? name),
  );
  return Object.fromEntries(reasons);
}
