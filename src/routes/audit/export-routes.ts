import { finished, Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { exportPages } from '../../audit/export/stream.ts';
import { awaitCheckpoint } from '../../audit/prove-entry.ts';
import {
  findLastCheckpoint,
  findLastEntry,
  LogFaultError,
  rethrowAsAuditUnavailable,
  type PublishedCheckpoint,
  type Queryable,
} from '../../audit/stored-log.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import { ProblemError } from '../../base/errors.ts';
import { readIndexCursor, sealCursor } from '../../http/cursor.ts';
import { routeSchema } from '../../http/openapi.ts';
import { requireLiveClient } from '../../identity/access-token.ts';
import type { RouteContext } from '../context.ts';
import { registerLook } from '../look.ts';
import { maxWaitMs } from './covering-checkpoint.ts';
import { exportBodySchema, exportOperation } from './export-documents.ts';
import { createFilterReader, filterDetails, type FilterBody } from './filter-body.ts';

interface ExportBody extends FilterBody {
  after?: string | null;
  format: 'ndjson' | 'csv';
}

/** Exports at a time in this process: each holds a page or two. */
const maxExports = 8;
/** A client that takes longer for a page loses the connection, and can continue by the last cursor. */
const maxStallMs = 60_000;
const mediaTypes = { ndjson: 'application/x-ndjson', csv: 'text/csv; charset=utf-8' } as const;

/** The route by which auditors take entries out of the log, as a stream. The export is an entry before it begins. */
export function registerExportRoutes(scope: FastifyInstance, context: RouteContext): void {
  const { searches, logDb, cosigned, authority, secrets, signer, now } = context;
  const readFilter = createFilterReader(context);
  const places = createExportPlaces();

  registerLook<{ Body: ExportBody }>(scope, context, {
    method: 'POST',
    url: '/v1/audit/export',
    scopes: ['audit'],
    schema: routeSchema(exportOperation, { body: exportBodySchema }),
    async find(request, { token }, reply) {
      const { format, after, ...body } = request.body;
      const filter = readFilter(body, token);
      const { subject_key, details } = filterDetails(filter, secrets);
      const filterText = canonicalJson(details);
      const cursorScope = canonicalJson({ client: token.clientId, export: format, filter: filterText });
      const from = readIndexCursor(secrets.cursorKey, cursorScope, after, now());
      const stillRead = places.take(reply);
      const checkpoint = await getCheckpoint(logDb, from).catch(rethrowAsAuditUnavailable);
      const below = from ?? checkpoint.size;

      const pages = exportPages(
        { database: searches, db: logDb },
        {
          format,
          filter,
          filterText,
          checkpoint: { ...checkpoint, note: cosigned(checkpoint.note) },
          below,
          continues: from !== null,
          cursorAt: (index) => sealCursor(secrets.cursorKey, cursorScope, String(index), now()),
          signer,
          beforePage: () => {
            requireLiveClient(authority.current(), token);
            stillRead();
          },
        },
      );
      return {
        entry: {
          operation: 'export',
          subject_key,
          details: { ...details, format, below, size: checkpoint.size },
        },
        answer: () => sendPages(reply, pages, { format, size: checkpoint.size }),
      };
    },
  });
}

/** Bounds the exports in work. */
function createExportPlaces(): { take(reply: FastifyReply): () => void } {
  let taken = 0;
  return {
    /**
     * Takes a place until the answer is sent or its connection closed.
     *
     * @returns what to call when the client has taken a page
     * @throws ProblemError overloaded
     */
    take(reply) {
      if (taken >= maxExports) throw new ProblemError('overloaded');
      taken++;
      const stalled = setTimeout(() => reply.raw.destroy(), maxStallMs);
      finished(reply.raw, () => {
        clearTimeout(stalled);
        taken--;
      });
      return () => stalled.refresh();
    },
  };
}

/**
 * The checkpoint at which an export begins: it covers what there is now, where one comes soon.
 *
 * @param below where an earlier export was broken off; null for a new one
 * @throws LogFaultError
 */
async function getCheckpoint(db: Queryable, below: number | null): Promise<PublishedCheckpoint> {
  const newest = below === null ? await findLastEntry(db) : below - 1;
  const covering = newest === null ? null : await awaitCheckpoint(db, newest, maxWaitMs);
  const checkpoint = covering ?? (await findLastCheckpoint(db));
  if (checkpoint === null) throw new LogFaultError('the log has no checkpoint yet');
  if (below !== null && checkpoint.size < below)
    throw new LogFaultError(`the last checkpoint has ${checkpoint.size} entries, and an export had ${below}`);
  return checkpoint;
}

/** Sends the pages of an export. What fails before the first byte is a problem; what fails later breaks the answer off. */
async function sendPages(
  reply: FastifyReply,
  pages: AsyncGenerator<string, void, undefined>,
  { format, size }: { format: keyof typeof mediaTypes; size: number },
): Promise<FastifyReply> {
  const first = await pages.next().catch((error: unknown) => {
    if (error instanceof ProblemError) throw error;
    return rethrowAsAuditUnavailable(error);
  });
  return reply
    .header('exchange-id', reply.request.id)
    .header('cache-control', 'no-store')
    .header('content-disposition', `attachment; filename="audit-${size}.${format}"`)
    .type(mediaTypes[format])
    .send(Readable.from(startingWith(first, pages), { highWaterMark: 0 }));
}

async function* startingWith(
  first: IteratorResult<string, void>,
  rest: AsyncGenerator<string, void, undefined>,
): AsyncGenerator<string, void, undefined> {
  try {
    if (first.done !== true) yield first.value;
    yield* rest;
  } finally {
    await rest.return();
  }
}
