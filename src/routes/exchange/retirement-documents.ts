import type { Dataset } from '../../catalogue/catalogue.ts';
import { problems, ref, type OperationObject } from '../../http/openapi.ts';
import { entryHeaders } from './dataset-documents.ts';

/** An operation as its document tells it where its version is on its way out; the same where it is not. */
export function withRetirement({ retirement }: Dataset, operation: OperationObject): OperationObject {
  if (retirement === null) return operation;
  const headers = {
    Deprecation: ref('headers', 'Deprecation'),
    ...(retirement.sunset !== null && { Sunset: ref('headers', 'Sunset') }),
    Link: ref('headers', 'Successor'),
  };
  const responses = {
    ...operation.responses,
    ...(retirement.sunset !== null && problems(['version-retired'], () => entryHeaders)),
  } as Record<string, { headers?: object }>;
  return {
    ...operation,
    deprecated: true,
    responses: Object.fromEntries(
      Object.entries(responses).map(([status, response]) => [
        status,
        { ...response, headers: { ...response.headers, ...headers } },
      ]),
    ),
  };
}
