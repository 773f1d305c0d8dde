import type { FastifyInstance, FastifyReply } from 'fastify';
import { isCalendarDate } from '../../catalogue/formats.ts';
import { checkRecordedText } from '../../catalogue/recorded-text.ts';
import { applicationAct, type Application } from '../../grants/applications.ts';
import { getGrant, presentGrant, type GrantRow } from '../../grants/find-grants.ts';
import { scopesFor, steps, takeStep, type Approval, type GrantStep } from '../../grants/grant-steps.ts';
import { renewalAct, type Renewal } from '../../grants/renewals.ts';
import { routeSchema } from '../../http/openapi.ts';
import { invalidBody } from '../../http/validation.ts';
import type { AccessToken } from '../../identity/access-token.ts';
import { registerAct, type ActRoute } from '../act.ts';
import type { RouteContext } from '../context.ts';
import { readTime } from '../read-time.ts';
import { applyOperation, renewOperation, stepOperation } from './grant-act-documents.ts';
import { applicationBodySchema, renewalBodySchema, stepBodySchemas } from './grant-body-documents.ts';

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
export function registerGrantActRoutes(scope: FastifyInstance, context: RouteContext): void {
  registerApplication(scope, context);
  registerRenewal(scope, context);
  for (const step of Object.keys(steps) as GrantStep[]) registerStep(scope, context, step);
}

function registerApplication(scope: FastifyInstance, context: RouteContext): void {
  registerAct<{ Body: ApplicationBody }, GrantRow>(scope, context, {
    url: '/v1/grants',
    schema: routeSchema(applyOperation, { body: applicationBodySchema }),
    ...applying(context),
    read({ body: { valid_until, verify_fields = [], ...application } }, token) {
      const read = { ...application, verify_fields, validUntil: readEnd(context, valid_until) };
      return ({ purposes }, time) => decideApplication(context, token, read, { purposes, time });
    },
  });
}

function registerRenewal(scope: FastifyInstance, context: RouteContext): void {
  const { registry, catalogue } = context;
  registerAct<WithId & { Body: RenewalBody }, GrantRow>(scope, context, {
    url: '/v1/grants/:id/renew',
    schema: routeSchema(renewOperation, { body: renewalBodySchema }),
    ...applying(context),
    read({ params: { id }, body: { valid_until, ...renewal } }, token) {
      const validUntil = readEnd(context, valid_until);
      return async ({ purposes }, time) => {
        const grant = await getGrant(registry, id, token, time);
        const application = { ...renewalAct(catalogue, grant, token, renewal), validUntil };
        return decideApplication(context, token, application, { purposes, time });
      };
    },
  });
}

function registerStep(scope: FastifyInstance, context: RouteContext, step: GrantStep): void {
  const { registry, catalogue, now } = context;
  registerAct<WithId & { Body: StepBody }, GrantRow>(scope, context, {
    url: `/v1/grants/:id/${step}`,
    scopes: scopesFor(step),
    official: 'required',
    schema: routeSchema(stepOperation(step), { body: stepBodySchemas[step] }),
    read({ params: { id }, body }, token) {
      const { reason, valid_until, ...terms } = body ?? {};
      if (reason !== undefined) checkRecordedText('#/reason', reason);
      const end = valid_until === undefined ? {} : { validUntil: readEnd(context, valid_until) };
      const more = { catalogue, reason, ...(step === 'approve' && { approval: { ...terms, ...end } }) };
      return async (_current, time) => {
        const grant = await getGrant(registry, id, token, time);
        return takeStep(step, grant, { token, now: time }, more);
      };
    },
    answer: (grant) => presentGrant(grant, now()),
  });
}

/** What applications and renewals have in common. */
function applying({ now }: RouteContext): Pick<ActRoute<object, GrantRow>, 'scopes' | 'official' | 'answer'> {
  return {
    scopes: ['exchange'],
    official: 'required',
    answer(row, reply: FastifyReply) {
      const grant = presentGrant(row, now());
      reply.code(201).header('location', `/v1/grants/${grant.id}`);
      return grant;
    },
  };
}

function decideApplication(
  { catalogue, calendar }: RouteContext,
  { department }: AccessToken,
  application: Application,
  { purposes, time }: { purposes: ReadonlyMap<string, unknown>; time: Date },
): ReturnType<typeof applicationAct> {
  checkRecordedText('#/legal_basis', application.legal_basis);
  for (const [name, why] of Object.entries(application.justification))
    checkRecordedText(`#/justification/${name}`, why);
  return applicationAct({ catalogue, calendar }, department, application, {
    purposes: purposes.keys(),
    now: time,
  });
}

/** Reads the end of a grant: a time, or a day of the gateway's time zone. @throws ProblemError invalid-request */
function readEnd({ calendar }: RouteContext, value: string): Date {
  const pointer = '#/valid_until';
  if (value.length === 10 && !isCalendarDate(value))
    throw invalidBody(pointer, { en: 'is not a day that exists', zh: '不是有效的日期' });
  const end = value.length === 10 ? calendar.startOf(value) : readTime(pointer, value)!;
  // PostgreSQL does not read what JavaScript writes of later years.
  if (end.getUTCFullYear() <= 9999) return end;
  throw invalidBody(pointer, { en: 'is later than the year 9999', zh: '晚于 9999 年' });
}
