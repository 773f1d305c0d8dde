import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from '../../base/errors.ts';
import type { Admit } from '../../identity/admission.ts';
import {
  requireLiveClient,
  requireScope,
  type AccessToken,
  type Tokens,
} from '../../identity/access-token.ts';
import type { AuthorityView } from '../../grants/authority.ts';
import { routeSchema } from '../../http/openapi.ts';
import { countArchived, entryNotFound } from '../../audit/archive/archived.ts';
import type { Appender } from '../../audit/append.ts';
import { bundleOperation, checkpointOperation, tileOperation } from './log-documents.ts';
import { openCheckpoint } from '../../transparency/checkpoint.ts';
import type { LogKeys } from '../../audit/log-keys.ts';
import { encodeQuery, findOfficial } from '../look.ts';
import { recordUnderAuthority } from '../../audit/record.ts';
import { encodeBundle } from '../../transparency/tiles-source.ts';
import { levelWidth, parseTilePath, tileWidth } from '../../transparency/tiles.ts';
import {
  findLastCheckpoint,
  rethrowAsAuditUnavailable,
  readEntries,
  tileReader,
  type Queryable,
} from '../../audit/stored-log.ts';

export interface LogRoutesOptions {
  db: Queryable;
  /** Whose checkpoints are served. */
  keys: LogKeys;
  /** Adds the signatures of witnesses to a checkpoint's note. */
  cosigned: (note: string) => string;
  admit: Admit;
  authority: AuthorityView;
  log: Appender;
  tokens: Tokens;
  now: () => Date;
}

/** The log as C2SP tlog-tiles has it: what anybody may check, and the entries themselves for auditors. */
export function registerLogRoutes(
  scope: FastifyInstance,
  { db, keys, cosigned, admit, authority, log, tokens, now }: LogRoutesOptions,
): void {
  const enterLook = createBundleLooks({ log, authority, now });
  let opened: { note: string; size: number } | null = null;

  scope.get('/log/checkpoint', { schema: routeSchema(checkpointOperation) }, async (_request, reply) => {
    const { note } = await getCheckpoint();
    return reply.type('text/plain; charset=utf-8').header('cache-control', 'no-cache').send(cosigned(note));
  });

  scope.get<{ Params: { level: string; '*': string } }>(
    '/log/tile/:level/*',
    { schema: routeSchema(tileOperation) },
    async ({ params }, reply) => {
      const tile = parseTilePath(`${params.level}/${params['*']}`);
      if (tile === null || tile.kind === 'entries') throw new ProblemError('not-found');
      const { kind: level, n, width } = tile;
      const size = await getSizeWith(level, n * tileWidth + width);
      const hashes = await tileReader(db, size)({ level, n, width }).catch(rethrowAsAuditUnavailable);
      return sendImmutable(reply, 'public', Buffer.from(hashes));
    },
  );

  scope.get<{ Params: { '*': string } }>(
    '/log/tile/entries/*',
    {
      onRequest: (request, reply, done) => {
        const token = admit(request, reply);
        requireScope(token, 'audit');
        requireLiveClient(authority.current(), token);
        done();
      },
      schema: routeSchema(bundleOperation),
    },
    async (request, reply) => {
      const bundle = parseTilePath(`entries/${request.params['*']}`);
      if (bundle === null) throw new ProblemError('not-found');
      const first = bundle.n * tileWidth;
      await getSizeWith(0, first + bundle.width);
      if (first < (await countArchived(db).catch(rethrowAsAuditUnavailable)))
        throw await entryNotFound(db, first);
      const entries = await readEntries(db, first, first + bundle.width).catch(rethrowAsAuditUnavailable);
      await enterLook(request, tokens.verify(request.headers.authorization), first);
      return sendImmutable(reply, 'private', Buffer.from(encodeBundle(entries).buffer));
    },
  );

  /** The newest checkpoint: a row in the database counts when this log's key has signed it. */
  async function getCheckpoint(): Promise<{ note: string; size: number }> {
    const last = await findLastCheckpoint(db).catch(rethrowAsAuditUnavailable);
    if (last === null) throw new ProblemError('not-found');
    if (opened?.note === last.note) return opened;
    try {
      opened = { note: last.note, size: openCheckpoint(last.note, keys.all()).size };
    } catch {
      opened = await openAnew(last.note);
    }
    return opened;
  }

  /** Another key may have succeeded since the successions were read. */
  async function openAnew(note: string): Promise<{ note: string; size: number }> {
    try {
      await keys.refresh(db);
      return { note, size: openCheckpoint(note, keys.all()).size };
    } catch (error) {
      throw new ProblemError('audit-unavailable', {}, { cause: error });
    }
  }

  /** The size of the checkpoint that covers so many hashes of a level: nobody sees a tile that may still change. */
  async function getSizeWith(level: number, hashes: number): Promise<number> {
    const { size } = await getCheckpoint();
    if (hashes > levelWidth(size, level)) throw new ProblemError('not-found');
    return size;
  }
}

function sendImmutable(reply: FastifyReply, visibility: 'public' | 'private', bytes: Buffer): FastifyReply {
  return reply
    .type('application/octet-stream')
    .header('cache-control', `${visibility}, max-age=31536000, immutable`)
    .send(bytes);
}

const minuteMs = 60_000;

/**
 * Puts on the record who reads the log bundle by bundle: a verifier reads all of it, so one entry stands for what a
 * client reads in a minute, and tells where it began.
 *
 * @returns what resolves once the look is in the log; it throws ProblemError audit-unavailable when it can't be
 */
function createBundleLooks({
  log,
  authority,
  now,
}: Pick<LogRoutesOptions, 'log' | 'authority' | 'now'>): (
  request: FastifyRequest,
  token: AccessToken,
  first: number,
) => Promise<void> {
  const looks = new Map<string, { minute: number; entered: Promise<unknown> }>();

  return async (request, token, first) => {
    const time = now();
    const minute = Math.floor(time.getTime() / minuteMs);
    const last = looks.get(token.clientId);
    if (last?.minute === minute) {
      await last.entered;
      return;
    }
    const official = findOfficial(request);
    const entered = recordUnderAuthority(log, authority, (current) => {
      requireLiveClient(current, token);
      const asked = { operation: 'entry-bundles', details: { from: first } };
      return Promise.resolve({
        leaf: encodeQuery(request, { token, official, time }, asked),
        result: undefined,
      });
    });
    const look = { minute, entered };
    looks.set(token.clientId, look);
    try {
      await entered;
    } catch (error) {
      if (looks.get(token.clientId) === look) looks.delete(token.clientId);
      throw error;
    }
  };
}
