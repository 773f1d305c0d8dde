import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import { readTime } from '../audit/filter-body.ts';
import { readOfficial } from '../look.ts';
import { isCalendarDate } from '../../catalogue/formats.ts';
import { checkSaid } from '../../catalogue/recorded-text.ts';
import { requireScope, type AccessToken } from '../../identity/access-token.ts';
import { routeSchema } from '../../http/openapi.ts';
import { invalidBody } from '../../http/validation.ts';
import { applicationAct, type Application } from '../../grants/applications.ts';
import { carryOutRequest, sendDone, type GoverningOptions } from './govern.ts';
import { applyOperation, renewOperation, stepOperation } from './grant-act-documents.ts';
import { applicationBodySchema, renewalBodySchema, stepBodySchemas } from './grant-body-documents.ts';
import { scopesFor, steps, takeStep, type Approval, type GrantStep } from '../../grants/grant-steps.ts';
import { getGrant, presentGrant, type GrantRow } from '../../grants/find-grants.ts';
import { renewalAct, type Renewal } from '../../grants/renewals.ts';

interface ApplicationBody extends Omit<Application, 'verify_fields' | 'validUntil' | 'renews'> {
  verify_fields?: string[];
  valid_until: string;
}

type RenewalBody = Renewal & Pick<ApplicationBody, 'valid_until'>;

/** Of all steps: those of an approval, and a reason. */
type StepBody = (Omit<Approval, 'validUntil'> & { valid_until?: string; reason?: string }) | null;

interface WithId {
  Params: { id: string };
}

/** The routes by which departments apply for grants, and take steps with them. Each act is an entry. */
export function registerGrantActRoutes(scope: FastifyInstance, options: GoverningOptions): void {
  const { registry, catalogue, calendar, tokens, admit, now } = options;

  function requiring(...scopes: string[]): onRequestHookHandler {
    return (request, reply, done) => {
      requireScope(admit(request, reply), ...scopes);
      done();
    };
  }

  /** @throws ProblemError invalid-request */
  function readEnd(value: string): Date {
    const pointer = '#/valid_until';
    if (value.length === 10 && !isCalendarDate(value))
      throw invalidBody(pointer, { en: 'is not a day that exists', zh: '不是有效的日期' });
    const end = value.length === 10 ? calendar.startOf(value) : readTime(pointer, value)!;
    // PostgreSQL does not read what JavaScript writes of later years.
    if (end.getUTCFullYear() <= 9999) return end;
    throw invalidBody(pointer, { en: 'is later than the year 9999', zh: '晚于 9999 年' });
  }

  scope.post<{ Body: ApplicationBody }>(
    '/v1/grants',
    {
      onRequest: requiring('exchange'),
      schema: routeSchema(applyOperation, { body: applicationBodySchema }),
    },
    (request, reply) => {
      const { valid_until, verify_fields = [], ...application } = request.body;
      return apply(request, reply, () =>
        Promise.resolve({ ...application, verify_fields, validUntil: readEnd(valid_until) }),
      );
    },
  );

  scope.post<WithId & { Body: RenewalBody }>(
    '/v1/grants/:id/renew',
    { onRequest: requiring('exchange'), schema: routeSchema(renewOperation, { body: renewalBodySchema }) },
    (request, reply) =>
      apply(request, reply, async (token, time) => {
        const grant = await getGrant(registry, request.params.id, token, time);
        const { valid_until, ...renewal } = request.body;
        return { ...renewalAct(catalogue, grant, token, renewal), validUntil: readEnd(valid_until) };
      }),
  );

  async function apply(
    request: FastifyRequest,
    reply: FastifyReply,
    read: (token: AccessToken, time: Date) => Promise<Application>,
  ): Promise<FastifyReply> {
    const token = tokens.verify(request.headers.authorization);
    const by = { token, official: readOfficial(request) };
    const done = await carryOutRequest<GrantRow>(options, request, by, async ({ purposes }, time) => {
      const application = await read(token, time);
      checkSaid('#/legal_basis', application.legal_basis);
      for (const [name, why] of Object.entries(application.justification))
        checkSaid(`#/justification/${name}`, why);
      return applicationAct({ catalogue, calendar }, token.department, application, {
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
        schema: routeSchema(stepOperation(step), { body: stepBodySchemas[step] }),
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
          const grant = await getGrant(registry, request.params.id, token, time);
          const more = { catalogue, reason, ...(step === 'approve' && { approval }) };
          return takeStep(step, grant, { token, now: time }, more);
        });
        return sendDone(reply, done, presentGrant(done.answer, now()));
      },
    );
  }

  for (const step of Object.keys(steps) as GrantStep[]) registerStep(step);
}
