import type { FastifyInstance } from 'fastify';
import { answer } from '../answer.ts';
import type { Catalogue, Dataset } from '../../catalogue/catalogue.ts';
import { ProblemError } from '../../base/errors.ts';
import type { AuthorityView } from '../../grants/authority.ts';
import type { Admit } from '../../identity/admission.ts';
import { requireLiveClient, type Tokens } from '../../identity/access-token.ts';
import { routeSchema } from '../../http/openapi.ts';
import { invalidBody } from '../../http/validation.ts';
import { explainDecision } from '../../exchange/explain.ts';
import { explainBodySchema, explainOperation } from './explain-documents.ts';

export interface ExplainRoutesOptions {
  catalogue: Catalogue;
  authority: AuthorityView;
  tokens: Tokens;
  admit: Admit;
  now: () => Date;
}

interface ExplainBody {
  consumer?: string;
  dataset: string;
  version?: number;
  purpose: string;
  operation?: 'read' | 'batch' | 'verify' | 'search';
  fields?: string[];
}

/** The route by which a department learns what its grants allow. */
export function registerExplainRoutes(scope: FastifyInstance, options: ExplainRoutesOptions): void {
  const { catalogue, authority, tokens, admit, now } = options;

  /** @throws ProblemError invalid-request */
  function getDataset({ dataset: name, version }: ExplainBody): Dataset {
    const newest = catalogue.findNewest(name);
    if (newest === null) throw invalidBody('#/dataset', { en: 'is not a dataset', zh: '没有该数据集' });
    const found = catalogue.datasets.find(
      (one) => one.name === name && one.version === (version ?? newest.version),
    );
    if (found !== undefined) return found;
    throw invalidBody('#/version', { en: 'is not a version of the dataset', zh: '该数据集没有该版本' });
  }

  scope.post<{ Body: ExplainBody }>(
    '/v1/grants/explain',
    {
      onRequest: (request, reply, done) => {
        admit(request, reply);
        done();
      },
      schema: routeSchema(explainOperation, { body: explainBodySchema }),
    },
    (request, reply) => {
      const token = tokens.verify(request.headers.authorization);
      const current = authority.current();
      requireLiveClient(current, token);
      const { consumer = token.department, purpose, operation = 'read', fields = null } = request.body;
      if (consumer !== token.department && !token.scopes.includes('admin'))
        throw new ProblemError('not-found');
      const dataset = getDataset(request.body);
      const use = operation === 'verify' ? 'verify' : 'read';
      const explained = explainDecision(current, { consumer, dataset, purpose, use, fields }, now());
      return answer(reply, {
        consumer,
        dataset: dataset.name,
        version: dataset.version,
        purpose,
        operation,
        granted_by: dataset.provider,
        ...explained,
      });
    },
  );
}
