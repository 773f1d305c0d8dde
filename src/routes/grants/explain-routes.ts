import type { FastifyInstance } from 'fastify';
import { ProblemError } from '../../base/errors.ts';
import type { Catalogue, Dataset } from '../../catalogue/catalogue.ts';
import { explainDecision } from '../../exchange/explain.ts';
import { routeSchema } from '../../http/openapi.ts';
import { invalidBody } from '../../http/validation.ts';
import { answer } from '../answer.ts';
import { admitting, liveToken, type RouteContext } from '../context.ts';
import { explainBodySchema, explainOperation } from './explain-documents.ts';

interface ExplainBody {
  consumer?: string;
  dataset: string;
  version?: number;
  purpose: string;
  operation?: 'read' | 'batch' | 'verify' | 'search';
  fields?: string[];
}

/** The route by which a department learns what its grants allow. */
export function registerExplainRoutes(scope: FastifyInstance, context: RouteContext): void {
  const { authority, catalogue, now } = context;

  scope.post<{ Body: ExplainBody }>(
    '/v1/grants/explain',
    { onRequest: admitting(context), schema: routeSchema(explainOperation, { body: explainBodySchema }) },
    (request, reply) => {
      const token = liveToken(context, request);
      const { consumer = token.department, purpose, operation = 'read', fields = null } = request.body;
      if (consumer !== token.department && !token.scopes.includes('admin'))
        throw new ProblemError('not-found');
      const dataset = getDataset(catalogue, request.body);
      const use = operation === 'verify' ? 'verify' : 'read';
      const question = { consumer, dataset, purpose, use, fields } as const;
      return answer(reply, {
        consumer,
        dataset: dataset.name,
        version: dataset.version,
        purpose,
        operation,
        granted_by: dataset.provider,
        ...explainDecision(authority.current(), question, now()),
      });
    },
  );
}

/** @throws ProblemError invalid-request */
function getDataset(catalogue: Catalogue, { dataset: name, version }: ExplainBody): Dataset {
  const newest = catalogue.findNewest(name);
  if (newest === null) throw invalidBody('#/dataset', { en: 'is not a dataset', zh: '没有该数据集' });
  const found = catalogue.datasets.find(
    (one) => one.name === name && one.version === (version ?? newest.version),
  );
  if (found !== undefined) return found;
  throw invalidBody('#/version', { en: 'is not a version of the dataset', zh: '该数据集没有该版本' });
}
