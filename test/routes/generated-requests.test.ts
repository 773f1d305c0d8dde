import { Validator } from '@cfworker/json-schema';
import fc from 'fast-check';
import type { LightMyRequestResponse } from 'fastify';
import t from 'tap';
import { idFormats } from '../../src/catalogue/formats.ts';
import { addGrant } from '../../src/grants/administer-grants.ts';
import { personas } from '../../src/sandbox/personas.ts';
import { citizens, enterprises } from '../../src/sandbox/province.ts';
import type { Document, Operation, Parameter } from '../helpers/openapi-document.ts';
import { arbitraryOf, type Values } from '../helpers/schema-arbitrary.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway } from '../helpers/gateway.ts';
import { actor } from '../helpers/keys.ts';

/**
 * Requests made from the OpenAPI documents alone, most of them good and some not, and every answer held against its
 * documented schema by another validator than the gateway's own.
 */
const requests = 10_000;
const seed = 20261125;
/** Below the number of batches and searches that the gateway takes at a time. */
const atOnce = 6;

const test = await startGateway(t, { config: { logLevel: 'warn' } });
const documents = await Promise.all(
  [...new Set(test.gateway.catalogue.datasets.map(({ version }) => version))].map(async (version) => {
    const response = await test.app.inject({ url: `/openapi/v${version}.json` });
    return response.json<Document>();
  }),
);

const province = { seed: 7, citizens: 300, enterprises: 60 };
const people = [...citizens(province)];
const shops = [...enterprises(province)];
const idsOf = (dataset: string): string[] =>
  personas.filter((one) => one.dataset === dataset).map(({ id }) => id);
const values: Values = {
  'resident-id': [...idsOf('citizens'), ...people.slice(0, 40).map(({ id }) => id), '990101199003150075'],
  uscc: [...idsOf('enterprises'), ...shops.slice(0, 20).map(({ id }) => id), '91990101MA0000001X'],
  date: ['1988-04-12', '2000-02-29', '2026-11-25', '2100-12-31', '2001-02-29'],
  text: [
    '公司',
    '科技',
    '欧阳清荷',
    '司徒',
    '王',
    '999901',
    'F5211',
    'active',
    '示例甲',
    "'",
    '%',
    'marriage-registration',
  ],
  uuid: ['5f0c3a52-6d1e-4b8e-9a5f-3f6f0a5c2b11'],
};

interface Asked {
  document: Document;
  operation: Operation;
  method: string;
  path: string;
  client: string;
  body: unknown;
  parameters: Record<string, unknown>;
}

/** A department that may see everything, so that many requests are answered. */
for (const dataset of test.gateway.catalogue.datasets.filter(({ version }) => version === 1))
  await addGrant(test.database, test.gateway.catalogue, actor, {
    consumer: 'data-bureau',
    dataset: dataset.name,
    fields: [...dataset.fields.keys()],
    plainFields: [],
    purposes: ['marriage-registration', 'tax-assessment'],
    validFrom: new Date(0),
    validUntil: new Date('2100-01-01'),
  });

const clients: Record<string, string> = {
  none: '',
  nonsense: 'x.y.z',
  granted: await test.token('data-bureau'),
  consumer: await test.token('civil-affairs'),
  taxation: await test.token('taxation'),
  ungranted: await test.token('market-regulation'),
  provider: await test.token('public-security', ['provide']),
  auditor: await test.token('audit-office', ['audit']),
};
const grantedPurposes = ['marriage-registration', 'tax-assessment'];
const otherPurposes = ['social-assistance', 'social-insurance', 'gossip'];

function resolve<T extends object>(document: Document, object: T): T {
  const { $ref } = object as { $ref?: string };
  if ($ref === undefined) return object;
  const [, , kind, name] = $ref.split('/') as [string, string, 'parameters', string];
  return document.components[kind][name] as T;
}

/** One request of an operation. */
function requestOf(
  document: Document,
  method: string,
  path: string,
  operation: Operation,
): fc.Arbitrary<Asked> {
  const parameters = (operation.parameters ?? []).map((one) => resolve(document, one) as Parameter);
  const [media] = Object.values(operation.requestBody?.content ?? {});
  const given = parameters
    .filter(({ name }) => name !== 'Prefer' && name !== 'Exchange-Purpose')
    .map(({ name, required, schema }) => {
      const value = arbitraryOf(schema, values);
      return [name, required === true ? value : fc.option(value, { nil: undefined, freq: 2 })] as const;
    });
  const isExchange = parameters.some(({ name }) => name === 'Exchange-Purpose');
  const purpose = fc.oneof(
    { arbitrary: fc.constantFrom(...grantedPurposes), weight: 12 },
    { arbitrary: fc.constantFrom(...otherPurposes), weight: 2 },
    { arbitrary: fc.string(), weight: 1 },
  );
  return fc.record({
    document: fc.constant(document),
    operation: fc.constant(operation),
    method: fc.constant(method),
    path: fc.constant(path),
    client: isExchange
      ? fc.oneof(
          { arbitrary: fc.constant('granted'), weight: 12 },
          { arbitrary: fc.constantFrom('consumer', 'taxation'), weight: 4 },
          { arbitrary: fc.constantFrom(...Object.keys(clients)), weight: 1 },
        )
      : fc.constantFrom(...Object.keys(clients)),
    body: media === undefined ? fc.constant(undefined) : arbitraryOf(media.schema, values),
    parameters: fc.record({
      ...Object.fromEntries(given),
      ...(isExchange && { 'Exchange-Purpose': purpose }),
    }),
  });
}

/** All operations; those that are exchanges come most often, and what waits for a checkpoint seldom. */
const anyRequest = fc.oneof(
  ...documents.flatMap((document) =>
    Object.entries(document.paths).flatMap(([path, item]) =>
      (['get', 'post'] as const).flatMap((method) => {
        const operation = item[method];
        if (operation === undefined || path === '/metrics') return [];
        const isExchange = /\/v\d+\/(citizens|enterprises)\//.test(path);
        return [{ arbitrary: requestOf(document, method, path, operation), weight: isExchange ? 60 : 3 }];
      }),
    ),
  ),
);

function textOf(value: unknown): string {
  return (typeof value === 'string' ? value : JSON.stringify(value)).toWellFormed();
}

function formOf(body: unknown): string {
  const members = Object.entries(body ?? {}).map(([name, value]): [string, string] => [name, textOf(value)]);
  return new URLSearchParams(members).toString();
}

async function send({
  document,
  operation,
  method,
  path,
  client,
  body,
  parameters,
}: Asked): Promise<LightMyRequestResponse> {
  const headers: Record<string, string> = {};
  const query = new URLSearchParams();
  let url = path;
  for (const one of operation.parameters ?? []) {
    const { name, in: where } = resolve(document, one) as Parameter;
    const value = parameters[name];
    if (where === 'path') url = url.replace(`{${name}}`, encodeURIComponent(textOf(value) || 'x'));
    else if (value === undefined) continue;
    else if (where === 'query') query.set(name, textOf(value));
    else headers[name.toLowerCase()] = encodeURIComponent(textOf(value));
  }
  if (clients[client] !== '') headers.authorization = `Bearer ${clients[client]}`;
  const [type] = Object.keys(operation.requestBody?.content ?? {});
  if (type !== undefined) headers['content-type'] = type;
  const form = type === 'application/x-www-form-urlencoded';
  return test.app.inject({
    method: method.toUpperCase() as 'GET' | 'POST',
    url: query.size === 0 ? url : `${url}?${query.toString()}`,
    headers,
    ...(body !== undefined && {
      payload: form ? formOf(body) : JSON.stringify(body),
    }),
  });
}

const validators = new WeakMap<object, Validator>();

/** What is wrong with an answer by its document; nothing when it is as documented. */
function faultsOf({ document, operation }: Asked, answer: LightMyRequestResponse): string[] {
  // That a gateway is not ready yet is an answer, not a fault.
  const isHealth = operation.operationId === 'getReadiness';
  if (answer.statusCode >= 500 && !isHealth) return [`answered ${answer.statusCode} ${answer.body}`];
  const response = operation.responses[answer.statusCode];
  if (response === undefined)
    return [`answered ${answer.statusCode}, which is not documented: ${answer.body}`];
  const type = (answer.headers['content-type'] ?? '').split(';')[0]!;
  const media = response.content?.[type];
  if (media === undefined) {
    const { content } = response;
    return content === undefined && answer.body === ''
      ? []
      : [`${answer.statusCode} is not documented as ${type}`];
  }
  if (!/[/+]json$/.test(type)) return [];
  let validator = validators.get(media);
  if (validator === undefined) {
    const { components } = document;
    validator = new Validator({ ...media.schema, components }, '2020-12', false);
    validators.set(media, validator);
  }
  const { valid, errors } = validator.validate(answer.json());
  return valid ? [] : errors.map(({ instanceLocation, error }) => `${instanceLocation}: ${error}`);
}

await t.test(`answers ${requests} generated requests as documented, and enters every exchange`, async (t) => {
  t.ok(Object.keys(idFormats).every((format) => Object.hasOwn(values, format)));
  const asked = fc.sample(anyRequest, { numRuns: requests, seed });
  const faults = new Map<string, string>();
  const entered = new Map<string, number>();
  const statuses = new Map<string, number>();
  let next = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (next < asked.length) {
        const request = asked[next++]!;
        const answer = await send(request);
        const { operationId } = request.operation;
        for (const fault of faultsOf(request, answer))
          faults.set(`${operationId} ${answer.statusCode} ${fault.slice(0, 60)}`, fault);
        const status = `${operationId} ${answer.statusCode}`;
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        const entry = answer.headers['exchange-entry'];
        if (entry !== undefined) entered.set(answer.headers['exchange-id'] as string, Number(entry));
      }
    }),
  );
  t.same([...faults], []);
  const entries = await checkAuditLog(t, test);
  const exchanges = new Map(
    entries.flatMap((entry, index) =>
      entry.kind === 'exchange' ? [[entry.id as string, index] as const] : [],
    ),
  );
  t.same(
    [...exchanges].filter(([id, index]) => entered.get(id) !== index),
    [],
    'every exchange in the log was answered with its entry',
  );
  t.same(
    [...entered].filter(([id]) => !exchanges.has(id)),
    [],
    'and every entry that was answered is in the log',
  );
  for (const operation of documents.flatMap(({ paths }) =>
    Object.values(paths).flatMap((item) => Object.values(item)),
  )) {
    const { operationId } = operation;
    const tried = [...statuses].filter(([status]) => status.startsWith(`${operationId} `));
    t.ok(
      tried.length > 0 || operationId === 'getMetrics',
      `${operationId}: ${tried.map(([s, n]) => `${s.split(' ')[1]} ${n} times`).join(', ')}`,
    );
    if (/^(read|batch|verify|search)(Citizens|Enterprises)$/.test(operationId))
      t.ok((statuses.get(`${operationId} 200`) ?? 0) > 20, `${operationId} was answered often`);
  }
});
