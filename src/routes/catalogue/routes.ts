import type { FastifyInstance } from 'fastify';
import { ProblemError } from '../../base/errors.ts';
import type { Catalogue, Dataset, Field } from '../../catalogue/catalogue.ts';
import { routeSchema } from '../../http/openapi.ts';
import { answer } from '../answer.ts';
import { admitting, liveToken, type RouteContext } from '../context.ts';
import { listQuerySchema, readPage, type ListQuery } from '../list-page.ts';
import { datasetOperation, listOperation, schemaOperation } from './documents.ts';

const schemaQuerySchema = {
  type: 'object',
  additionalProperties: false,
  properties: { version: { type: 'string', pattern: '^[1-9][0-9]{0,2}$' } },
};

/** The routes by which departments see what there is to ask for. They are open to every client. */
export function registerCatalogueRoutes(scope: FastifyInstance, context: RouteContext): void {
  const { catalogue } = context;
  const onRequest = admitting(context);
  const names = [...new Set(catalogue.datasets.map(({ name }) => name))].sort();

  scope.get<{ Querystring: ListQuery }>(
    '/v1/catalogue',
    { onRequest, schema: routeSchema(listOperation, { querystring: listQuerySchema() }) },
    (request, reply) => {
      const token = liveToken(context, request);
      const page = readPage(request.query, context, { client: token.clientId, list: 'datasets' });
      const left = names.filter((name) => page.after === null || name > page.after);
      const shown = left.slice(0, page.limit);
      return answer(reply, {
        items: shown.map((name) => presentDataset(getVersions(catalogue, name))),
        next: page.next(left.length > shown.length ? shown.at(-1)! : null),
      });
    },
  );

  scope.get<{ Params: { dataset: string } }>(
    '/v1/catalogue/:dataset',
    { onRequest, schema: routeSchema(datasetOperation) },
    (request, reply) => {
      liveToken(context, request);
      const versions = getVersions(catalogue, request.params.dataset);
      const fields = [...versions[0].fields.values()].map(presentField);
      return answer(reply, { ...presentDataset(versions), fields });
    },
  );

  scope.get<{ Params: { dataset: string }; Querystring: { version?: string } }>(
    '/v1/catalogue/:dataset/schema',
    { onRequest, schema: routeSchema(schemaOperation, { querystring: schemaQuerySchema }) },
    (request, reply) => {
      liveToken(context, request);
      const versions = getVersions(catalogue, request.params.dataset);
      const version = Number(request.query.version ?? versions[0].version);
      const dataset = versions.find((one) => one.version === version);
      if (dataset === undefined) throw new ProblemError('not-found');
      return answer(reply.type('application/schema+json; charset=utf-8'), dataset.schema);
    },
  );
}

/** The versions of a dataset, the newest first. @throws ProblemError not-found */
function getVersions({ datasets }: Catalogue, name: string): [newest: Dataset, ...Dataset[]] {
  const [newest, ...others] = datasets
    .filter((dataset) => dataset.name === name)
    .sort((a, b) => b.version - a.version);
  if (newest === undefined) throw new ProblemError('not-found');
  return [newest, ...others];
}

function presentDataset(versions: [newest: Dataset, ...Dataset[]]): object {
  const { name, title, description, provider, sharing, personal, key } = versions[0];
  return {
    dataset: name,
    title,
    description,
    provider,
    sharing,
    personal,
    key,
    versions: versions.map(({ version, retirement }) => ({
      version,
      path: `/v${version}/${name}`,
      schema: `/v1/catalogue/${name}/schema?version=${version}`,
      deprecated: retirement?.deprecated ?? null,
      sunset: retirement?.sunset ?? null,
    })),
  };
}

function presentField({ name, schema, level, mask, searchable, concept }: Field): object {
  return {
    name,
    title: { en: schema.title, zh: schema['x-zh'].title },
    description: { en: schema.description, zh: schema['x-zh'].description },
    type: schema.type,
    format: schema.format ?? null,
    level,
    masked: mask !== null,
    searchable,
    granted_as: concept.name,
  };
}
