/**
 * For tests of the OpenAPI documents: the TypeScript program of an integrator, and programs with mistakes.
 */
import type { Document } from './openapi-document.ts';

/** Who asks for a dataset, and for whose record. */
export interface Asker {
  department: string;
  purpose: string;
  id: string;
}

/** A data operation of a document, and what to send to it. */
interface DataOperation {
  operationId: string;
  path: string;
  dataset: string;
  kind: string;
  body: Record<string, unknown>;
}

/** The document's data operations: those that take a purpose. Their bodies are the documented examples. */
export function listDataOperations(document: Document): DataOperation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, { parameters }]) => JSON.stringify(parameters ?? []).includes('/ExchangePurpose"'))
      .map(([method, { operationId, requestBody }]) => {
        const [, , dataset, last] = path.split('/') as [string, string, string, string];
        const body = requestBody?.content['application/json']?.example as Record<string, unknown> | undefined;
        return { operationId, path, dataset, kind: method === 'get' ? 'get' : last, body: body ?? {} };
      }),
  );
}

/**
 * The program of an integrator who gets tokens by the Basic credentials in the environment, calls everything that a
 * document has for him, and prints what was answered, and which paths were said to be deprecated.
 */
export function writeProgram(document: Document, askers: Record<string, Asker>): string {
  const asked = listDataOperations(document).map((one) => callOf(one, askers[one.dataset]!));
  return [
    opening,
    ...asked,
    ...otherCalls,
    'console.log(JSON.stringify({ answered, deprecated }));',
    'export type Verdict = "match" | "mismatch" | "unknown";',
    'export type Value = string | number | boolean | null | undefined;',
  ].join('\n');
}

const opening = `
import createClient from 'openapi-fetch';
import type { paths } from './schema.d.ts';

export const client = createClient<paths>({ baseUrl: process.env.GATEWAY! });
const answered: Record<string, number> = {};
const deprecated: string[] = [];
const tokens: Record<string, string> = {};
let exchange = '';

client.use({
  onResponse({ response, schemaPath }) {
    if (response.headers.has('deprecation')) deprecated.push(schemaPath);
  },
});
for (const name of ['citizens', 'enterprises', 'audit']) {
  const { data, error, response } = await client.POST('/oauth/token', {
    headers: { Authorization: process.env[name]!, 'Content-Type': 'application/x-www-form-urlencoded' },
    body: { grant_type: 'client_credentials' },
  });
  if (error !== undefined) throw new Error('error' in error ? error.error : error.code);
  const lives: number = data.expires_in;
  if (data.access_token === '' || lives < 60) throw new Error('no token');
  tokens[name] = data.access_token;
  answered.getToken = response.status;
}
const bearer = (name: string) => ({ Authorization: \`Bearer \${tokens[name]}\` });
`;

/** Calls one data operation, and reads its answer by the types that were generated. */
function callOf({ operationId, path, dataset, kind, body }: DataOperation, asker: Asker): string {
  const header = `header: { 'Exchange-Purpose': '${asker.purpose}', 'Exchange-Official': '%E7%8E%8B' }`;
  const { id, ids, ...rest } = body;
  const sent = {
    ...(id !== undefined && { id: asker.id }),
    ...(ids !== undefined && { ids: [asker.id, 'none'] }),
    ...rest,
    ...(kind !== 'verify' && { meta: true }),
  };
  const request =
    kind === 'get'
      ? `params: { path: { id: '${asker.id}' }, ${header} }`
      : `params: { ${header} }, body: ${JSON.stringify(sent)}`;
  return `{
  const { data, error, response } = await client.${kind === 'get' ? 'GET' : 'POST'}('${path}', {
    headers: bearer('${dataset}'), ${request} });
  if (error !== undefined) {
    const fields: string[] | undefined = error.code === 'field-not-granted' ? error.explain?.missing_fields : [];
    const faults = error.errors?.map(({ pointer, detail }) => pointer + ' ' + detail);
    throw new Error([error.code, error.title, fields, faults].join());
  }
  ${reading(kind, body)}
  exchange = response.headers.get('exchange-id')!;
  answered.${operationId} = response.status;
}`;
}

/** Reads the value of a field asked for, with its type. */
function reading(kind: string, body: Record<string, unknown>): string {
  const { fields = ['name'], claims = {} } = body as { fields?: string[]; claims?: object };
  const [field] = fields;
  if (kind === 'verify')
    return `const verdict: Verdict | undefined = data.results.${Object.keys(claims)[0]};
  if (verdict === undefined) throw new Error('no verdict');`;
  if (kind === 'batch')
    return `const [found, none] = data.results;
  if (found?.status !== 'found' || none?.status !== 'invalid') throw new Error('not as asked');
  const value: Value = found.record.${field};
  const masked: boolean | undefined = found.record.meta?.${field}?.masked;
  if (value === undefined || masked === undefined) throw new Error('no value');`;
  if (kind === 'search')
    return `const values: Value[] = data.items.map((record) => record.${field});
  const next: string | null = data.next;
  if (values.includes(undefined) || next === '') throw new Error('no value');`;
  return `const value: Value = data.${field};
  if (value === undefined) throw new Error('no value');`;
}

/** What a document has beside data operations, for integrators. */
const otherCalls = [
  `{
  const { data, response } = await client.GET('/v1/exchanges/{exchange}/receipt', {
    headers: bearer('enterprises'), params: { path: { exchange } } });
  if (data === undefined || !('proof' in data)) throw new Error(data?.status ?? 'refused');
  const salt: string | undefined = data.salt;
  if (data.proof === '' || salt === undefined) throw new Error('no proof');
  answered.getReceipt = response.status;
}`,
  `{
  const { data, error, response } = await client.POST('/v1/audit/entries/search', {
    headers: bearer('audit'), params: { header: { 'Exchange-Official': 'auditor-7' } },
    body: { dataset: 'citizens', limit: 2 } });
  if (error !== undefined) throw new Error(error.code);
  if (data.items[0]?.entry.dataset !== 'citizens') throw new Error('no entry');
  answered.searchEntries = response.status;
}`,
];

/** Programs with one mistake each, which must not compile. */
export function writeMistakes(document: Document, askers: Record<string, Asker>): Record<string, string> {
  const [read, verify] = ['read', 'verify'].map((kind) =>
    listDataOperations(document).find((one) => one.kind === kind),
  ) as [DataOperation, DataOperation];
  const { purpose, id } = askers[read.dataset]!;
  const params = `params: { header: { 'Exchange-Purpose': '${purpose}' } }`;
  const claim = Object.keys(verify.body.claims as object)[0]!;
  const call = (path: string, options: string): string =>
    `import { client } from './client.ts';\nexport const asked = await client.POST('${path}', { ${options} });\n`;
  return {
    'misspelt-field.ts': call(read.path, `${params}, body: { id: '${id}', fields: ['nmae'] }`),
    'misspelt-answer.ts': `${call(read.path, `${params}, body: { id: '${id}' }`)}console.log(asked.data?.nmae);\n`,
    'wrong-operator.ts': call(
      verify.path,
      `${params}, body: { id: '${id}', claims: { ${claim}: { age_at_least: 18 } } }`,
    ),
    'no-purpose.ts': call(read.path, `body: { id: '${id}' }`),
    'no-such-code.ts': `${call(read.path, `${params}, body: { id: '${id}' }`)}if (asked.error?.code === 'field-not-grnated') throw new Error();\n`,
  };
}
