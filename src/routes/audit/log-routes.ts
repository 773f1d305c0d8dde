import type { FastifyInstance, FastifyReply } from 'fastify';
import { countArchived, entryNotFound } from '../../audit/archive/archived.ts';
import {
  findLastCheckpoint,
  readEntries,
  rethrowAsAuditUnavailable,
  tileReader,
} from '../../audit/stored-log.ts';
import { ProblemError } from '../../base/errors.ts';
import { routeSchema } from '../../http/openapi.ts';
import { openCheckpoint } from '../../transparency/checkpoint.ts';
import { encodeBundle } from '../../transparency/tiles-source.ts';
import { levelWidth, parseTilePath, tileWidth } from '../../transparency/tiles.ts';
import type { RouteContext } from '../context.ts';
import { registerLook } from '../look.ts';
import { bundleOperation, checkpointOperation, tileOperation } from './log-documents.ts';

/** The log as C2SP tlog-tiles has it: what anybody may check, and the entries themselves for auditors. */
export function registerLogRoutes(scope: FastifyInstance, context: RouteContext): void {
  const { logDb, cosigned } = context;
  const checkpoints = createCheckpointReader(context);

  scope.get('/log/checkpoint', { schema: routeSchema(checkpointOperation) }, async (_request, reply) => {
    const { note } = await checkpoints.get();
    return reply.type('text/plain; charset=utf-8').header('cache-control', 'no-cache').send(cosigned(note));
  });

  scope.get<{ Params: { level: string; '*': string } }>(
    '/log/tile/:level/*',
    { schema: routeSchema(tileOperation) },
    async ({ params }, reply) => {
      const tile = parseTilePath(`${params.level}/${params['*']}`);
      if (tile === null || tile.kind === 'entries') throw new ProblemError('not-found');
      const { kind: level, n, width } = tile;
      const size = await checkpoints.sizeWith(level, n * tileWidth + width);
      const hashes = await tileReader(logDb, size)({ level, n, width }).catch(rethrowAsAuditUnavailable);
      return sendImmutable(reply, 'public', Buffer.from(hashes));
    },
  );

  registerLook<{ Params: { '*': string } }>(scope, context, {
    method: 'GET',
    url: '/log/tile/entries/*',
    scopes: ['audit'],
    official: 'optional',
    schema: routeSchema(bundleOperation),
    async find({ params }, _looker, reply) {
      const bundle = parseTilePath(`entries/${params['*']}`);
      if (bundle === null) throw new ProblemError('not-found');
      const first = bundle.n * tileWidth;
      await checkpoints.sizeWith(0, first + bundle.width);
      if (first < (await countArchived(logDb).catch(rethrowAsAuditUnavailable)))
        throw await entryNotFound(logDb, first);
      const entries = await readEntries(logDb, first, first + bundle.width).catch(rethrowAsAuditUnavailable);
      return {
        // A verifier reads all of the log: one entry stands for what a client reads in a minute, and tells where it began.
        entry: { operation: 'entry-bundles', details: { from: first } },
        repeats: 'entry-bundles',
        answer: () => sendImmutable(reply, 'private', Buffer.from(encodeBundle(entries).buffer)),
      };
    },
  });
}

/** Reads the newest checkpoint: a row in the database counts when this log's key has signed it. */
function createCheckpointReader({ logDb, logKeys }: Pick<RouteContext, 'logDb' | 'logKeys'>): {
  /** @throws ProblemError not-found before the first, audit-unavailable */
  get(): Promise<{ note: string; size: number }>;
  /**
   * The size of the checkpoint that covers so many hashes of a level: nobody sees a tile that may still change.
   *
   * @throws ProblemError not-found where it covers fewer
   */
  sizeWith(level: number, hashes: number): Promise<number>;
} {
  let opened: { note: string; size: number } | null = null;

  async function get(): Promise<{ note: string; size: number }> {
    const last = await findLastCheckpoint(logDb).catch(rethrowAsAuditUnavailable);
    if (last === null) throw new ProblemError('not-found');
    if (opened?.note === last.note) return opened;
    try {
      opened = { note: last.note, size: openCheckpoint(last.note, logKeys.all()).size };
    } catch {
      opened = await openWithNewKeys(last.note);
    }
    return opened;
  }

  /** Another key may have succeeded since the successions were read. */
  async function openWithNewKeys(note: string): Promise<{ note: string; size: number }> {
    try {
      await logKeys.refresh(logDb);
      return { note, size: openCheckpoint(note, logKeys.all()).size };
    } catch (error) {
      throw new ProblemError('audit-unavailable', {}, { cause: error });
    }
  }

  return {
    get,
    async sizeWith(level, hashes) {
      const { size } = await get();
      if (hashes > levelWidth(size, level)) throw new ProblemError('not-found');
      return size;
    },
  };
}

function sendImmutable(reply: FastifyReply, visibility: 'public' | 'private', bytes: Buffer): FastifyReply {
  return reply
    .type('application/octet-stream')
    .header('cache-control', `${visibility}, max-age=31536000, immutable`)
    .send(bytes);
}
