import { hash } from 'node:crypto';
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchema,
  RouteGenericInterface,
} from 'fastify';
import type { CarriedOutAct } from '../audit/act.ts';
import { maxEntryBytes } from '../audit/entry.ts';
import { isDatabaseError } from '../base/database-error.ts';
import { ProblemError, rethrowAsStoreUnavailable } from '../base/errors.ts';
import { isDataError } from '../db/connection.ts';
import type { Database } from '../db/database.ts';
import type { Authority } from '../grants/authority.ts';
import { carryOut, type CarriedOut, type OnceKey } from '../grants/carry-out.ts';
import { invalidBody } from '../http/validation.ts';
import { requireLiveClient, tokenOf, type AccessToken } from '../identity/access-token.ts';
import { actorOf, findOfficial, readOfficial } from './actor.ts';
import { answer } from './answer.ts';
import { admitting, type RouteContext } from './context.ts';

/** A route by which a department governs. */
export interface ActRoute<Route extends RouteGenericInterface, Result> {
  url: string;
  /** Of these scopes, the token must have one. */
  scopes: readonly string[];
  /** Whether the request must name an official. */
  official: 'required' | 'optional';
  schema: FastifySchema;
  /**
   * Reads the request, and gives what decides on it: what makes the act under an authority at a time, or throws the
   * ProblemError that refuses it. Deciding has no effect, and may be done several times.
   */
  read(request: FastifyRequest<Route>, token: AccessToken): Decide;
  /** Makes the body of the answer; sets status and headers where they are special. */
  answer(result: Result, reply: FastifyReply): object;
}

/** Decides on an act. */
type Decide = (current: Authority, time: Date) => CarriedOutAct | Promise<CarriedOutAct>;

/**
 * Registers a route by which a department governs. The act is admitted by token and scope, decided, carried out by the
 * database together with its entry under the authority by which it was decided, and only then answered; once, where the
 * request has an Idempotency-Key.
 */
export function registerAct<Route extends RouteGenericInterface, Result>(
  scope: FastifyInstance,
  context: RouteContext,
  route: ActRoute<Route, Result>,
): void {
  scope.route({
    method: 'POST',
    url: route.url,
    schema: route.schema,
    onRequest: admitting(context, route.scopes),
    handler: async (request, reply) => {
      const token = tokenOf(request);
      const official = route.official === 'required' ? readOfficial(request) : findOfficial(request);
      const decide = route.read(request as FastifyRequest<Route>, token);
      const done = await context.inTurn(() =>
        carryOutNow<Result>(context, request, { token, official }, decide),
      );
      const body = route.answer(done.answer, reply);
      return answer(reply.header('exchange-entry', done.entry), body);
    },
  });
}

/** How often an act is decided again because something changed under it. */
const maxAttempts = 10;

/** @throws ProblemError invalid-request, idempotency-key-reused, audit-unavailable, store-unavailable, and what `decide` throws */
async function carryOutNow<T>(
  { registry, authority, now }: RouteContext,
  request: FastifyRequest,
  by: { token: AccessToken; official: string | null },
  decide: Decide,
): Promise<CarriedOut<T>> {
  const once = readOnce(request);
  const time = now();
  const actor = actorOf(request, { ...by, time });
  requireLiveClient(authority.current(), by.token);
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const answered = once && (await findAnswer<T>(registry, by.token.clientId, once, time));
    if (answered !== null) {
      // No act tells that the client was revoked meanwhile.
      await authority.refreshIfChanged().catch(rethrowAsStoreUnavailable);
      requireLiveClient(authority.current(), by.token);
      return answered;
    }
    const current = authority.current();
    requireLiveClient(current, by.token);
    const act = await decide(current, time);
    const under = { authority: current.version, once };
    const done = await carryOut<T>(registry, actor, act, under).catch(notCarriedOut);
    if (done !== null) return done;
    await authority.refresh().catch(rethrowAsStoreUnavailable);
  }
  throw new ProblemError('audit-unavailable');
}

function notCarriedOut(error: unknown): never {
  if (error instanceof RangeError)
    throw invalidBody('#', {
      en: `would take more than the ${maxEntryBytes} bytes that an entry of the audit log may have`,
      zh: `将超过审计日志条目的 ${maxEntryBytes} 字节上限`,
    });
  throw isDatabaseError(error) && !isDataError(error)
    ? new ProblemError('audit-unavailable', {}, { cause: error })
    : error;
}

const maxKeyLength = 255;

/** Reads Idempotency-Key. Takes attacker-controlled input. @throws ProblemError invalid-request */
function readOnce(request: FastifyRequest): OnceKey | null {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return null;
  if (typeof key !== 'string' || !/^[\x21-\x7e]+$/.test(key) || key.length > maxKeyLength)
    throw new ProblemError('invalid-request', {
      reason: {
        en: `the header Idempotency-Key must be 1 to ${maxKeyLength} visible ASCII characters`,
        zh: `请求头 Idempotency-Key 必须是 1 至 ${maxKeyLength} 个可见 ASCII 字符`,
      },
    });
  return {
    key: hash('sha256', key, 'buffer'),
    request: hash(
      'sha256',
      JSON.stringify([
        request.method,
        request.url,
        request.headers['exchange-official'] ?? null,
        request.body ?? null,
      ]),
      'buffer',
    ),
  };
}

const keyLifetimeMs = 24 * 60 * 60 * 1000;

/** What was answered under a key, or null. @throws ProblemError idempotency-key-reused, store-unavailable */
async function findAnswer<T>(
  registry: Database,
  client: string,
  { key, request }: OnceKey,
  now: Date,
): Promise<CarriedOut<T> | null> {
  const found = await registry
    .selectFrom('registry.answer')
    .select(['entry', 'answer', 'request'])
    .where('client', '=', client)
    .where('key_hash', '=', key)
    .where('at', '>', new Date(now.getTime() - keyLifetimeMs))
    .executeTakeFirst()
    .catch(rethrowAsStoreUnavailable);
  if (found === undefined) return null;
  if (!found.request.equals(request)) throw new ProblemError('idempotency-key-reused');
  return { entry: found.entry, answer: found.answer as T };
}
