import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { answer } from '../answer.ts';
import { maxEntryBytes } from '../../audit/entry.ts';
import { type LogSecrets } from '../../audit/subjects.ts';
import type { CarriedOutAct } from '../../audit/act.ts';
import { actorOf } from '../look.ts';
import type { Calendar } from '../../base/calendar.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Database } from '../../db/database.ts';
import { isDataError } from '../../db/connection.ts';
import { ProblemError, rethrowAsStoreUnavailable } from '../../base/errors.ts';
import { requireLiveClient, type AccessToken, type Tokens } from '../../identity/access-token.ts';
import type { Admit } from '../../identity/admission.ts';
import type { Authority, AuthorityView } from '../../grants/authority.ts';
import { carryOut, type Done, type Once } from '../../grants/carry-out.ts';
import { invalidBody } from '../../http/validation.ts';

/** Who asks for an act, and for whom. */
export interface By {
  token: AccessToken;
  official: string | null;
}

/** What the routes by which departments govern need. */
export interface GoverningOptions {
  /** Where registers are read, and acts carried out. */
  registry: Database;
  catalogue: Catalogue;
  authority: AuthorityView;
  calendar: Calendar;
  /** Has one thing done after the other. */
  inTurn: InTurn;
  secrets: LogSecrets;
  tokens: Tokens;
  admit: Admit;
  now: () => Date;
}

export type InTurn = <T>(work: () => Promise<T>) => Promise<T>;

/** Acts change what others were decided under: those of one gateway take turns, instead of undoing each other. */
export function createTurns(): InTurn {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work);
    last = mine.catch(() => undefined);
    return mine;
  };
}

/** How often an act is decided again because something changed under it. */
const maxAttempts = 10;

/**
 * Carries out what a request asks for, under the authority by which it was decided; once, where it has an
 * Idempotency-Key.
 *
 * @param decide makes the act of an authority at a time, or throws the ProblemError that refuses it; has no effect, and may be called several times
 * @throws ProblemError invalid-request, idempotency-key-reused, audit-unavailable, store-unavailable, and what `decide` throws
 */
export function carryOutRequest<T>(
  options: Pick<GoverningOptions, 'registry' | 'authority' | 'inTurn' | 'now'>,
  request: FastifyRequest,
  by: By,
  decide: (current: Authority, time: Date) => CarriedOutAct | Promise<CarriedOutAct>,
): Promise<Done<T>> {
  return options.inTurn(() => carryOutNow(options, request, by, decide));
}

async function carryOutNow<T>(
  { registry, authority, now }: Pick<GoverningOptions, 'registry' | 'authority' | 'now'>,
  request: FastifyRequest,
  by: By,
  decide: (current: Authority, time: Date) => CarriedOutAct | Promise<CarriedOutAct>,
): Promise<Done<T>> {
  const once = readOnce(request);
  const time = now();
  const actor = actorOf(request, { ...by, time });
  requireLiveClient(authority.current(), by.token);
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const answered = once && (await findAnswer<T>(registry, by.token.clientId, once, time));
    if (answered !== null) {
      // No act tells that the client was revoked meanwhile.
      await authority.refresh().catch(rethrowAsStoreUnavailable);
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

/** Answers an act. */
export function sendDone(reply: FastifyReply, { entry }: { entry: number }, body: object): FastifyReply {
  return answer(reply.header('exchange-entry', entry), body);
}

function notCarriedOut(error: unknown): never {
  if (error instanceof RangeError)
    throw invalidBody('#', {
      en: `would take more than the ${maxEntryBytes} bytes that an entry of the audit log may have`,
      zh: `将超过审计日志条目的 ${maxEntryBytes} 字节上限`,
    });
  throw isDataError(error) ? error : new ProblemError('audit-unavailable', {}, { cause: error });
}

const maxKeyLength = 255;

/** Reads Idempotency-Key. Takes attacker-controlled input. @throws ProblemError invalid-request */
function readOnce(request: FastifyRequest): Once | null {
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
    key: digest(key),
    request: digest(
      JSON.stringify([
        request.method,
        request.url,
        request.headers['exchange-official'] ?? null,
        request.body ?? null,
      ]),
    ),
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

const keyLifetimeMs = 24 * 60 * 60 * 1000;

/** What was answered under a key, or null. @throws ProblemError idempotency-key-reused, store-unavailable */
async function findAnswer<T>(
  registry: Database,
  client: string,
  { key, request }: Once,
  now: Date,
): Promise<Done<T> | null> {
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
