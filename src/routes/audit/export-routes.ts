import { finished, Readable } from 'node:stream';
import type { KeyObject } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { openIndex, sealIndex } from '../../http/cursor.ts';
import type { Database } from '../../db/database.ts';
import { ProblemError } from '../../base/errors.ts';
import { requireLiveClient, requireScope } from '../../identity/access-token.ts';
import { routeSchema } from '../../http/openapi.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import { exportBodySchema, exportOperation } from './export-documents.ts';
import { exportPages } from '../../audit/export/stream.ts';
import { describeFilter, type FilterBody, type FilterReader } from './filter-body.ts';
import { encodeQuery, readOfficial } from '../look.ts';
import { maxWaitMs, type ReceiptRoutesOptions } from './receipt-routes.ts';
import { awaitCheckpoint } from '../../audit/prove-entry.ts';
import { recordUnderAuthority } from '../../audit/record.ts';
import {
  findLastCheckpoint,
  findLastEntry,
  LogFaultError,
  rethrowAsAuditUnavailable,
  type PublishedCheckpoint,
} from '../../audit/stored-log.ts';
import { invalidBody } from '../../http/validation.ts';

export interface ExportRoutesOptions extends ReceiptRoutesOptions {
  readFilter: FilterReader;
  database: Database;
  /** Signs the manifests, as it does the log's checkpoints. */
  signer: { name: string; key: KeyObject };
}

interface ExportBody extends FilterBody {
  after?: string | null;
  format: 'ndjson' | 'csv';
}

/** Exports at a time in this process: each holds a page or two. */
const maxExports = 8;
/** Whoever takes longer for a page loses the connection, and can continue by the last cursor. */
const maxStallMs = 60_000;
const mediaTypes = { ndjson: 'application/x-ndjson', csv: 'text/csv; charset=utf-8' } as const;

/** The route by which auditors take entries out of the log, as a stream. The export is an entry before it begins. */
export function registerExportRoutes(scope: FastifyInstance, options: ExportRoutesOptions): void {
  const { database, db, cosigned, authority, log, secrets, tokens, admit, now } = options;
  const { readFilter, signer } = options;
  let running = 0;

  scope.post<{ Body: ExportBody }>(
    '/v1/audit/export',
    {
      onRequest: (request, reply, done) => {
        requireScope(admit(request, reply), 'audit');
        done();
      },
      schema: routeSchema(exportOperation, { body: exportBodySchema }),
    },
    async (request, reply) => {
      const token = tokens.verify(request.headers.authorization);
      requireScope(token, 'audit');
      const official = readOfficial(request);
      requireLiveClient(authority.current(), token);
      const { format, after = null, ...body } = request.body;
      const filter = readFilter(body, token);
      const told = canonicalJson(describeFilter(filter, secrets));
      const cursorScope = canonicalJson({ client: token.clientId, export: format, filter: told });
      const from = after === null ? null : getIndex(cursorScope, after);
      if (running >= maxExports) throw new ProblemError('overloaded');
      running++;
      const stalled = setTimeout(() => reply.raw.destroy(), maxStallMs);
      finished(reply.raw, () => {
        clearTimeout(stalled);
        running--;
      });

      const checkpoint = await getCheckpoint(from).catch(rethrowAsAuditUnavailable);
      const below = from ?? checkpoint.size;
      await recordUnderAuthority(log, authority, (current) => {
        requireLiveClient(current, token);
        const asked = {
          operation: 'export',
          subject_key: filter.subjectRefs === undefined ? undefined : secrets.subjectKeyId,
          details: { ...describeFilter(filter, secrets), format, below, size: checkpoint.size },
        };
        const leaf = encodeQuery(request, { token, official, time: now() }, asked);
        return Promise.resolve({ leaf, result: undefined });
      });

      const pages = exportPages(
        { database, db },
        {
          format,
          filter,
          filterText: told,
          checkpoint: { ...checkpoint, note: cosigned(checkpoint.note) },
          below,
          continues: from !== null,
          cursorAt: (index) => sealIndex(secrets.cursorKey, cursorScope, index, now()),
          signer,
          beforePage: () => {
            requireLiveClient(authority.current(), token);
            stalled.refresh();
          },
        },
      );
      // What fails before the first byte is still a problem.
      const first = await pages.next().catch(refused);
      return reply
        .header('exchange-id', request.id)
        .header('cache-control', 'no-store')
        .header('content-disposition', `attachment; filename="audit-${checkpoint.size}.${format}"`)
        .type(mediaTypes[format])
        .send(Readable.from(startingWith(first, pages), { highWaterMark: 0 }));
    },
  );

  /** @throws ProblemError invalid-request */
  function getIndex(cursorScope: string, cursor: string): number {
    const index = openIndex(secrets.cursorKey, cursorScope, cursor, now());
    if (index !== null) return index;
    const detail = {
      en: 'is not a cursor of this export, or older than a day',
      zh: '不是本次导出的游标，或已超过一天',
    };
    throw invalidBody('#/after', detail);
  }

  /** The checkpoint at which an export begins: it covers what there is now, where one comes soon. @throws LogFaultError */
  async function getCheckpoint(below: number | null): Promise<PublishedCheckpoint> {
    const newest = below === null ? await findLastEntry(db) : below - 1;
    const covering = newest === null ? null : await awaitCheckpoint(db, newest, maxWaitMs);
    const checkpoint = covering ?? (await findLastCheckpoint(db));
    if (checkpoint === null) throw new LogFaultError('the log has no checkpoint yet');
    if (below !== null && checkpoint.size < below)
      throw new LogFaultError(
        `the last checkpoint has ${checkpoint.size} entries, and an export had ${below}`,
      );
    return checkpoint;
  }
}

function refused(error: unknown): never {
  if (error instanceof ProblemError) throw error;
  return rethrowAsAuditUnavailable(error);
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
