import type { FastifyInstance } from 'fastify';
import fastifySwaggerUi from '@fastify/swagger-ui';
import type { Dataset } from '../catalogue/catalogue.ts';
import { registerOpenApi } from '../http/openapi.ts';

type VersionedDataset = Pick<Dataset, 'name' | 'version'>;

/**
 * Registers the OpenAPI documents, `/openapi/v<generation>.json`, and the page that shows them, `/docs`. Each document is
 * the whole API for clients of its generation: every dataset in one version, and the gateway's own routes.
 *
 * Register it before every route: routes that come before it are in no document.
 */
export async function registerDocuments(
  app: FastifyInstance,
  datasets: readonly VersionedDataset[],
): Promise<void> {
  const generations = listGenerations(datasets);
  for (const number of generations) {
    // The page shows what the function of the plugin's own name gives.
    const decorator = number === generations[0] ? 'swagger' : `swagger-v${number}`;
    await registerOpenApi(app, { number, decorator, includes: (url) => includes(datasets, number, url) });
    app.get(`/openapi/v${number}.json`, (_request, reply) =>
      reply.send((app as unknown as Record<string, () => object>)[decorator]!()),
    );
  }
  await app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    staticCSP: docsPolicy,
    theme: { title: 'OneVisit', css: [{ filename: 'onevisit.css', content: docsStyle }] },
    uiConfig: {
      docExpansion: 'list',
      defaultModelsExpandDepth: 0,
      supportedSubmitMethods: [],
      // The first is the one that the page opens.
      urls: generations.map((number) => ({ url: `/openapi/v${number}.json`, name: `v${number}` })),
    },
  });
}

/** The generations of the API, the newest first: there is one for each version that any dataset has. */
export function listGenerations(datasets: readonly VersionedDataset[]): number[] {
  return [...new Set(datasets.map(({ version }) => version))].sort((a, b) => b - a);
}

/** Routes of a dataset belong where its version is the newest up to the generation; the gateway's own belong everywhere. */
function includes(datasets: readonly VersionedDataset[], generation: number, url: string): boolean {
  const dataset = datasets.find(({ name, version }) => url.startsWith(`/v${version}/${name}/`));
  if (dataset === undefined) return true;
  const known = datasets.filter(({ name, version }) => name === dataset.name && version <= generation);
  return dataset.version === Math.max(...known.map(({ version }) => version));
}

/** Of the bar at its top, the page shows the choice of a document alone. */
const docsStyle = '.swagger-ui .topbar .link { display: none }';

/** What the page may load: its own files, and nothing from elsewhere. */
const docsPolicy = {
  'default-src': ["'self'"],
  'script-src': ["'self'"],
  'object-src': ["'none'"],
  'img-src': ["'self'", 'data:'],
  'style-src': ["'self'", "'unsafe-inline'"],
  'frame-ancestors': ["'none'"],
};
