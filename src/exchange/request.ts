import type { IncomingHttpHeaders } from 'node:http';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { parse as parseSecurely } from 'secure-json-parse';
import { Problem, type Fault, type Text } from '../errors.ts';
import { isCleanText, maxCaseLength, maxOfficialLength, readTextHeader, readTraceId } from '../headers.ts';
import { faultsOf, malformedBody } from '../validation.ts';

/** A data request as the consumer sent it: what could be read of it, and what was wrong with the rest. */
export interface DataRequest {
  purpose: string | null;
  caseNumber: string | null;
  official: string | null;
  traceId: string | null;
  headerFault: Problem | null;
  id: string | null;
  /** The fields asked for, as sent; null when the consumer named none. */
  fields: string[] | null;
  bodyFault: Problem | null;
}

const maxPurposeLength = 63;
const maxIdLength = 64;
const maxFields = 200;

/** The body of a read, as the contract has it. */
export const readBodySchema = {
  type: 'object',
  additionalProperties: false,
  required: ['id'],
  properties: {
    id: { type: 'string', minLength: 1, maxLength: maxIdLength },
    fields: {
      type: 'array',
      minItems: 1,
      maxItems: maxFields,
      items: { type: 'string', pattern: '^[a-z][a-z0-9_]{0,62}$' },
    },
  },
} as const;

const validateReadBody: ValidateFunction<{ id: string; fields?: string[] }> = new Ajv2020({
  removeAdditional: false,
  coerceTypes: false,
}).compile(readBodySchema);

/** Reads a request by POST. Takes attacker-controlled input; never throws. */
export function readPostRequest(headers: IncomingHttpHeaders, body: string | undefined): DataRequest {
  return { ...readHeaders(headers), ...readBody(() => parseJson(body)) };
}

/** Reads a request by GET: the id from the path, the fields from the query. Takes attacker-controlled input. */
export function readGetRequest(headers: IncomingHttpHeaders, id: string, query: unknown): DataRequest {
  return {
    ...readHeaders(headers),
    ...readBody(() => ({ id, ...readQuery(query as Record<string, unknown>) })),
  };
}

type BodyPart = Pick<DataRequest, 'id' | 'fields' | 'bodyFault'>;

function readBody(read: () => unknown): BodyPart {
  try {
    const body = read();
    if (!validateReadBody(body)) throw invalidRequest(malformedBody, faultsOf(validateReadBody.errors));
    if (!isCleanText(body.id))
      throw invalidRequest({ en: 'the id has control characters', zh: '标识号含有控制字符' });
    return { id: body.id, fields: body.fields ?? null, bodyFault: null };
  } catch (error) {
    if (error instanceof Problem) return { id: null, fields: null, bodyFault: error };
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

type HeaderPart = Omit<DataRequest, keyof BodyPart>;

function readHeaders(headers: IncomingHttpHeaders): HeaderPart {
  const purpose = headers['exchange-purpose'];
  const caseNumber = readTextHeader(headers, 'exchange-case', maxCaseLength);
  const official = readTextHeader(headers, 'exchange-official', maxOfficialLength);
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

function invalidRequest(reason: Text, errors?: Fault[]): Problem {
  return new Problem('invalid-request', { reason }, errors ? { errors } : {});
}
