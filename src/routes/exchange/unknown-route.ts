import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Text } from '../../base/error-table.ts';
import { ProblemError } from '../../base/errors.ts';
import { findNearest } from '../../base/suggest.ts';
import type { Dataset } from '../../catalogue/catalogue.ts';
import { requireScope } from '../../identity/access-token.ts';
import type { Admit } from '../../identity/admission.ts';

type VersionedDataset = Pick<Dataset, 'name' | 'version'>;

const operations = ['read', 'batch', 'verify', 'search'];
const dataRequest = new RegExp(`^/v\\d+/[^/]+/(${operations.join('|')})$`);

/**
 * Refuses a request for an address that is not there; one that looks like a data request only after its token. The
 * detail names the address that was probably meant.
 *
 * @throws ProblemError always
 */
export function refuseUnknownRoute(
  request: FastifyRequest,
  reply: FastifyReply,
  { admit, datasets }: { admit: Admit; datasets: readonly VersionedDataset[] },
): never {
  if (dataRequest.test(request.url)) requireScope(admit(request, reply), 'exchange');
  const suggestion = suggestPath(request.url, datasets);
  throw new ProblemError('route-unknown', suggestion === null ? {} : { suggestion });
}

/** Of what was asked for, the answer repeats only what the catalogue has. Takes attacker-controlled input. */
function suggestPath(url: string, datasets: readonly VersionedDataset[]): Text | null {
  const [, asked, askedName, last] = /^\/v(\d{1,9})\/([^/?]{1,63})\/([^/?]{1,63})/.exec(url) ?? [];
  if (asked === undefined) return null;
  const name = findNearest(askedName!, new Set(datasets.map((dataset) => dataset.name)));
  const operation = findNearest(last!, operations);
  if (name === null || operation === null) return null;
  const versions = datasets.filter((dataset) => dataset.name === name).map(({ version }) => version);
  if (versions.includes(Number(asked))) return askWhetherMeant(`/v${Number(asked)}/${name}/${operation}`);
  const path = `/v${Math.max(...versions)}/${name}/${operation}`;
  if (askedName !== name) return askWhetherMeant(path);
  const version = Number(asked);
  return {
    en: ` Version ${version} of dataset ${name} does not exist; use ${path}.`,
    zh: `数据集 ${name} 没有第 ${version} 版，请使用 ${path}。`,
  };
}

function askWhetherMeant(path: string): Text {
  return { en: ` Did you mean ${path}?`, zh: `是否想用 ${path}？` };
}
