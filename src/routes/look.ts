import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchema,
  RouteGenericInterface,
} from 'fastify';
import { encodeEntry, type Entry, type Leaf } from '../audit/entry.ts';
import { recordUnderAuthority } from '../audit/record.ts';
import { ProblemError, rethrowAsStoreUnavailable } from '../base/errors.ts';
import type { Authority } from '../grants/authority.ts';
import type { Gate } from '../http/gate.ts';
import { requireLiveClient, type AccessToken } from '../identity/access-token.ts';
import { actorOf, findOfficial, readOfficial } from './actor.ts';
import { admitting, liveToken, type RouteContext } from './context.ts';
import { createRepeatedLooks, type RepeatedLooks } from './repeated-looks.ts';

/** Who looks, and since when. */
export interface Looker {
  token: AccessToken;
  official: string | null;
  /** The time of the look, as its entry says it. */
  time: Date;
  /** What the departments may do, as it was when this was looked for. */
  authority: Authority;
  /** Aborted when the connection closes: nobody waits for the answer then. */
  gone: AbortSignal;
}

/** What the entry of a look says besides who looked, without plain ids. */
export type LookEntry = Partial<Omit<Entry, 'id' | 'time' | 'client' | 'official'>> & { operation: string };

/** What a look found. */
export interface Found {
  /** The look's own entry; null where nothing is shown that is not the client's own affair. */
  entry: LookEntry | null;
  /** One entry stands for all looks of this key by this client within a minute; null enters each. */
  repeats?: string | null;
  /** Finds it again, where it depends on what the departments may do and that has changed meanwhile. */
  again?(authority: Authority): Promise<Found>;
  /** Answers, once the entry is durable. @param index the entry's, null where none was made for this look */
  answer(index: number | null): FastifyReply | Promise<FastifyReply>;
}

/** A route by which somebody looks into the log. */
export interface LookRoute<Route extends RouteGenericInterface> {
  method: 'GET' | 'POST';
  url: string;
  /** Of these scopes, the token must have one; none where every client may look. */
  scopes: readonly string[];
  /** Whether the request must name an official: always, or only where an entry is made; it may in any case. */
  official?: 'always' | 'when entered' | 'optional';
  /** How many of these looks are in work at a time. */
  gate?: Gate;
  schema: FastifySchema;
  /** Reads the request, and finds what it asks for. */
  find(request: FastifyRequest<Route>, looker: Looker, reply: FastifyReply): Promise<Found>;
}

/**
 * Registers a route by which somebody looks into the log. The look is admitted by token and scope, needs a client that
 * still is one, is found, entered in the log, and only then answered.
 */
export function registerLook<Route extends RouteGenericInterface>(
  scope: FastifyInstance,
  context: RouteContext,
  route: LookRoute<Route>,
): void {
  const repeated = createRepeatedLooks();
  const { method, url, schema, gate } = route;

  scope.route({
    method,
    url,
    schema,
    onRequest: admitting(context, route.scopes, gate),
    handler: (request, reply) => {
      const work = (gone: AbortSignal): Promise<FastifyReply> =>
        look({ context, route, repeated }, request as FastifyRequest<Route>, reply, gone);
      return gate === undefined ? work(neverGone) : gate.run(reply.raw, work);
    },
  });
}

const neverGone = new AbortController().signal;

async function look<Route extends RouteGenericInterface>(
  parts: { context: RouteContext; route: LookRoute<Route>; repeated: RepeatedLooks },
  request: FastifyRequest<Route>,
  reply: FastifyReply,
  gone: AbortSignal,
): Promise<FastifyReply> {
  const { context, route, repeated } = parts;
  const { official: needed = 'always' } = route;
  const token = liveToken(context, request);
  const official = needed === 'always' ? readOfficial(request) : findOfficial(request);
  const by = { token, official, time: context.now() };
  let authority = context.authority.current();
  let found = await route.find(request, { ...by, authority, gone }, reply);
  const { repeats = null } = found;
  if (found.entry === null) return found.answer(null);
  if (needed === 'when entered' && official === null) throw new ProblemError('official-required');
  if (repeats === null) {
    const { index } = await enter();
    return found.answer(index);
  }
  const entered = await repeated.enterOnce(JSON.stringify([token.clientId, repeats]), by.time, enter);
  if (!entered) await requireClientNow(context, token);
  return found.answer(null);

  function enter(): Promise<{ index: number }> {
    return recordUnderAuthority(context.log, context.authority, async (current) => {
      requireLiveClient(current, token);
      if (found.again !== undefined && current !== authority) found = await found.again(current);
      authority = current;
      return { leaf: encodeLook(request, by, found.entry!), result: undefined };
    });
  }
}

/** Where no append tells it, the database tells whether the client was revoked meanwhile. @throws ProblemError token-invalid, store-unavailable */
async function requireClientNow({ authority }: RouteContext, token: AccessToken): Promise<void> {
  await authority.refreshIfChanged().catch(rethrowAsStoreUnavailable);
  requireLiveClient(authority.current(), token);
}

function encodeLook(request: FastifyRequest, by: Parameters<typeof actorOf>[1], entry: LookEntry): Leaf {
  return encodeEntry({ kind: 'query', ...actorOf(request, by), outcome: 'done', ...entry });
}
