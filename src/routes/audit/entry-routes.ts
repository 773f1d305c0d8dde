import type { FastifyInstance } from 'fastify';
import { ProblemError } from '../../base/errors.ts';
import { routeSchema } from '../../http/openapi.ts';
import { answer } from '../answer.ts';
import type { RouteContext } from '../context.ts';
import { registerLook } from '../look.ts';
import { answerLater, findProver } from './covering-checkpoint.ts';
import { entryOperation } from './documents.ts';
import { getEntry, lookScopes, maySee, visibilityOf } from './visibility.ts';

/** The route that gives one entry of the log with its proof to those who may search for it. */
export function registerEntryRoutes(scope: FastifyInstance, context: RouteContext): void {
  registerLook<{ Params: { index: string } }>(scope, context, {
    method: 'GET',
    url: '/v1/audit/entries/:index',
    scopes: lookScopes,
    schema: routeSchema(entryOperation),
    async find({ params }, { token }, reply) {
      const { stored, entry } = await getEntry(context.logDb, params.index);
      if (!maySee(visibilityOf(token), entry)) throw new ProblemError('not-found');
      const prove = await findProver(context, stored);
      if (prove === null) return { entry: null, answer: () => answerLater(reply) };
      return {
        entry: { operation: 'entry', records: 1, details: { index: stored.index } },
        answer: async () =>
          answer(reply, {
            index: stored.index,
            leaf_hash: stored.leafHash.toString('base64'),
            entry,
            proof: await prove(),
          }),
      };
    },
  });
}
