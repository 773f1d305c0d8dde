import type { IncomingHttpHeaders } from 'node:http';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { parse as parseSecurely } from 'secure-json-parse';
import { isCalendarDate } from '../catalogue/formats.ts';
import { readRecordedHeader } from '../catalogue/recorded-text.ts';
import { ProblemError, type Fault } from '../base/errors.ts';
import { type Text } from '../base/error-table.ts';
import { maxCaseLength, maxOfficialLength, readTraceId } from '../http/headers.ts';
import { faultsOf, malformedBody } from '../http/validation.ts';

/** What the headers of a data request say: what could be read of them, and what was wrong with the rest. */
interface RequestHeaders {
  purpose: string | null;
  caseNumber: string | null;
  official: string | null;
  traceId: string | null;
  headerFault: ProblemError | null;
}

/** A data request as the consumer sent it: its headers, and its body or what is wrong with that. */
export type DataRequest<Body> = RequestHeaders &
  ({ body: Body; bodyFault: null } | { body: null; bodyFault: ProblemError });

/** Takes a parsed body for what it should be. @throws ProblemError invalid-request */
export type BodyReader<Body> = (parsed: unknown) => Body;

const maxPurposeLength = 63;
const maxFields = 200;

/** An id, as bodies have it; whether it is one of the dataset is another matter. */
export const idSchema = { type: 'string', minLength: 1, maxLength: 64 } as const;

export const fieldNamePattern = '^[a-z][a-z0-9_]{0,62}$';

/** A list of fields, as bodies have it. */
export const fieldsSchema = {
  type: 'array',
  minItems: 1,
  maxItems: maxFields,
  items: { type: 'string', pattern: fieldNamePattern },
} as const;

/** Whether each record tells where its values come from, as bodies have it. */
export const metaSchema = {
  type: 'boolean',
  description: 'Adds to each record, as `meta`, the source, as-of date, level and masking of each field.',
} as const;

const ajv = new Ajv2020({ removeAdditional: false, coerceTypes: false });
ajv.addFormat('date', isCalendarDate);

/** Makes the reader of bodies that a schema describes. */
export function createBodyReader<Body>(schema: object): BodyReader<Body> {
  const validate: ValidateFunction<Body> = ajv.compile<Body>(schema);
  return (parsed) => {
    if (validate(parsed)) return parsed;
    throw invalidRequest(malformedBody, faultsOf(validate.errors));
  };
}

/** Reads a request by POST. Takes attacker-controlled input; never throws. */
export function readPostRequest<Body>(
  headers: IncomingHttpHeaders,
  text: string | undefined,
  readBody: BodyReader<Body>,
): DataRequest<Body> {
  return readRequest(headers, () => readBody(parseJson(text)));
}

/** Reads a request by GET: the id from the path, the fields from the query. Takes attacker-controlled input. */
export function readGetRequest<Body>(
  headers: IncomingHttpHeaders,
  id: string,
  query: unknown,
  readBody: BodyReader<Body>,
): DataRequest<Body> {
  return readRequest(headers, () => readBody({ id, ...readQuery(query as Record<string, unknown>) }));
}

function readRequest<Body>(headers: IncomingHttpHeaders, read: () => Body): DataRequest<Body> {
  try {
    return { ...readHeaders(headers), body: read(), bodyFault: null };
  } catch (error) {
    if (error instanceof ProblemError) return { ...readHeaders(headers), body: null, bodyFault: error };
    throw error;
  }
}

function parseJson(body: string | undefined): unknown {
  if (body === undefined || body === '')
    throw invalidRequest({ en: 'the body is empty; send a JSON object', zh: '请求体为空，请发送 JSON 对象' });
  try {
    return parseSecurely(body, null, { protoAction: 'error', constructorAction: 'error' });
  } catch {
    throw invalidRequest({ en: 'the body is not JSON', zh: '请求体不是 JSON' });
  }
}

function readQuery(query: Record<string, unknown>): { fields?: string[] } {
  if (Object.keys(query).some((name) => name !== 'fields'))
    throw invalidRequest({ en: 'the query takes the parameter "fields" alone', zh: '查询参数只能是 fields' });
  if (query.fields === undefined) return {};
  if (typeof query.fields !== 'string')
    throw invalidRequest({ en: 'the parameter "fields" may come once', zh: '查询参数 fields 只能出现一次' });
  return { fields: query.fields.split(',') };
}

function readHeaders(headers: IncomingHttpHeaders): RequestHeaders {
  const purpose = headers['exchange-purpose'];
  const caseNumber = readRecordedHeader(headers, 'exchange-case', maxCaseLength);
  const official = readRecordedHeader(headers, 'exchange-official', maxOfficialLength);
  const fault = caseNumber.fault ?? official.fault;
  return {
    purpose:
      typeof purpose === 'string' && purpose !== '' ? purpose.trim().slice(0, maxPurposeLength + 1) : null,
    caseNumber: caseNumber.text,
    official: official.text,
    traceId: readTraceId(headers.traceparent),
    headerFault: fault === null ? null : invalidRequest(fault),
  };
}

/** The refusal of a body or header that can't be understood. */
export function invalidRequest(reason: Text, errors?: Fault[]): ProblemError {
  return new ProblemError('invalid-request', { reason }, errors ? { errors } : {});
}
