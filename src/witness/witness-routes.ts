import Fastify, { type FastifyInstance } from 'fastify';
import { originHash, type WitnessState } from './state.ts';
import type { Witness } from './witness.ts';

/** A request is a size, at most 63 hashes and a note of a few signatures. */
const bodyLimitBytes = 64 * 1024;

export interface WitnessServerOptions {
  witness: Witness;
  state: WitnessState;
  /** The origins of the logs that it follows. */
  origins: readonly string[];
  /** Hears of what failed; the answer says no more than that something did. */
  onFailure: (error: unknown) => void;
}

/**
 * The witness's HTTP side: `POST /add-checkpoint` by C2SP tlog-witness, and `GET /<hash>/checkpoint` with the last
 * checkpoint of the log whose origin has this SHA-256 (hex).
 */
export function buildWitnessServer(options: WitnessServerOptions): FastifyInstance {
  const { witness, state, origins, onFailure } = options;
  const app = Fastify({ bodyLimit: bodyLimitBytes, requestTimeout: 10_000 });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) onFailure(error);
    void reply
      .status(status)
      .type('text/plain; charset=utf-8')
      .send(`${status < 500 ? error.message : 'the checkpoint could not be kept; nothing was cosigned'}\n`);
  });
  app.setNotFoundHandler((_request, reply) =>
    reply.status(404).type('text/plain; charset=utf-8').send('there is nothing here\n'),
  );

  app.post('/add-checkpoint', async (request, reply) => {
    const { status, type, body } = await witness.addCheckpoint(
      typeof request.body === 'string' ? request.body : '',
    );
    return reply.status(status).header('content-type', type).send(body);
  });

  const byHash = new Map(origins.map((origin) => [originHash(origin), origin]));
  app.get<{ Params: { hash: string } }>('/:hash/checkpoint', async ({ params }, reply) => {
    const origin = byHash.get(params.hash);
    const kept = origin === undefined ? null : await state.read(origin);
    if (kept === null) return reply.callNotFound();
    return reply.type('text/plain; charset=utf-8').header('cache-control', 'no-cache').send(kept.note);
  });
  return app;
}
