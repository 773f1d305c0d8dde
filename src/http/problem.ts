import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import Negotiator from 'negotiator';
import { describeError } from '../base/describe-error.ts';
import { ProblemError, RepeatedProblemError } from '../base/errors.ts';
import { errorTable, type ErrorCode, type Text } from '../base/error-table.ts';
import { STATUS_CODES } from './http-names.ts';
import { faultsOf, malformedBody } from './validation.ts';

export const problemMediaType = 'application/problem+json; charset=utf-8';

export type Language = keyof Text;

/** A problem as it is sent (RFC 9457). */
export interface ProblemDocument {
  type: string;
  title: string;
  status: number;
  detail: string;
  instance: string;
  code: ErrorCode;
  errors?: { pointer: string; detail: string }[];
  explain?: { rule: string; missing_fields?: string[]; granted_by?: string };
}

/** What problems need of the gateway. */
export interface ProblemContext {
  issuer: string;
  metrics: { problemAnswered: (code: ErrorCode) => void };
  config: { embedded: boolean };
}

/** Makes every error of the app, unknown routes included, a problem; the one error handler there is. */
export function registerProblems(app: FastifyInstance, context: ProblemContext): void {
  app.setErrorHandler((error: FastifyError | ProblemError, request, reply) =>
    sendProblem(toProblem(error, request), request, reply, context),
  );
  app.setNotFoundHandler((request, reply) =>
    sendProblem(new ProblemError('route-unknown'), request, reply, context),
  );
}

/** Answers a problem in the language that the request prefers. */
export function sendProblem(
  problem: ProblemError,
  request: FastifyRequest,
  reply: FastifyReply,
  { issuer, metrics, config }: ProblemContext,
): FastifyReply {
  metrics.problemAnswered(problem.code);
  const language = languageOf(request);
  // A line for each of those whom an overloaded gateway refuses would be more load; metrics count them.
  if (problem.status >= 500 && problem.code !== 'overloaded')
    request.log.error(
      { reqId: request.id, code: problem.code, cause: describeError(problem.cause) },
      'request failed',
    );
  return reply
    .status(problem.status)
    .headers({
      ...(problem.status === 503 && { 'retry-after': retryAfter(problem.code) }),
      ...problem.headers,
      'exchange-id': request.id,
      ...(config.embedded && { 'exchange-sandbox': 'true' }),
      'cache-control': 'no-store',
      'content-language': language,
      vary: 'Accept-Language',
    })
    .type(problemMediaType)
    .send(render(problem, { issuer, language, instance: request.id }));
}

/** The language that a request prefers; Chinese when it says nothing. */
export function languageOf(request: FastifyRequest): Language {
  if (request.headers['accept-language'] === undefined) return 'zh';
  return new Negotiator(request.raw).language(['zh', 'en']) === 'en' ? 'en' : 'zh';
}

/** Repeated problems by language: what stands before their instance, and what after. */
const rendered = new WeakMap<RepeatedProblemError, Partial<Record<Language, [string, string]>>>();
const instancePlace = 'instance-place';

function render(problem: ProblemError, context: Parameters<typeof problemDocument>[1]): string {
  if (!(problem instanceof RepeatedProblemError)) return JSON.stringify(problemDocument(problem, context));
  const { language, instance } = context;
  const known = rendered.get(problem) ?? {};
  rendered.set(problem, known);
  const [before, after] = (known[language] ??= JSON.stringify(
    problemDocument(problem, { ...context, instance: instancePlace }),
  ).split(instancePlace) as [string, string]);
  return before + instance + after;
}

const maxRetryAfterSeconds = 3;

/** Seconds until whoever got a 503 may try again: those turned away at one moment must not all be back at another. */
export function retryAfter(code: ErrorCode): string {
  return code === 'overloaded' ? String(1 + Math.floor(Math.random() * maxRetryAfterSeconds)) : '1';
}

/** Writes a problem out in one language. */
export function problemDocument(
  problem: ProblemError,
  context: { issuer: string; language: Language; instance: string },
): ProblemDocument {
  const { title, detail, status } = errorTable[problem.code];
  const { language } = context;
  return {
    type: `${context.issuer}/problems/${problem.code}`,
    title: title[language],
    status,
    detail: fill(detail[language], problem.params, language),
    instance: `urn:uuid:${context.instance}`,
    code: problem.code,
    ...(problem.errors && {
      errors: problem.errors.map((fault) => ({ pointer: fault.pointer, detail: fault.detail[language] })),
    }),
    ...(problem.explain && { explain: { ...problem.explain, rule: problem.explain.rule[language] } }),
  };
}

function fill(template: string, params: ProblemError['params'], language: Language): string {
  return template.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name] ?? '';
    return typeof value === 'string' ? value : value[language];
  });
}

/** Any error as the problem that its consumer may see. What is not foreseen is an internal error. */
function toProblem(error: FastifyError | ProblemError, request: FastifyRequest): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error.validation)
    return new ProblemError(
      'invalid-request',
      { reason: malformedBody },
      { errors: faultsOf(error.validation as never) },
    );
  switch (error.code) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new ProblemError('media-type-unsupported', { expected: expectedMediaType(request) });
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new ProblemError('payload-too-large', { limit: String(request.routeOptions.bodyLimit) });
    case 'FST_ERR_BAD_URL':
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new ProblemError('route-unknown');
    default:
  }
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500)
    return new ProblemError('invalid-request', {
      reason: error.code?.startsWith('FST_ERR_CTP_')
        ? { en: 'the body can not be read', zh: '无法读取请求体' }
        : { en: 'it can not be understood', zh: '无法理解该请求' },
    });
  return new ProblemError('internal-error', {}, { cause: error });
}

function expectedMediaType(request: FastifyRequest): string {
  return request.routeOptions.url === '/oauth/token'
    ? 'application/x-www-form-urlencoded'
    : 'application/json';
}

/** Answers what Node's HTTP parser refuses before there is a request: the same problem, written by hand. */
export function answerSocketFault({
  issuer,
  metrics,
  config,
}: ProblemContext): (error: NodeJS.ErrnoException, socket: Socket) => void {
  const reasons: Record<string, ErrorCode> = {
    HPE_HEADER_OVERFLOW: 'headers-too-large',
    ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
  };
  return (error, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const code = reasons[error.code ?? ''] ?? 'invalid-request';
    const problem = new ProblemError(code, {
      reason: { en: 'it is not well-formed HTTP', zh: '不是合法的 HTTP 报文' },
    });
    metrics.problemAnswered(code);
    const instance = randomUUID();
    const body = JSON.stringify(problemDocument(problem, { issuer, language: 'zh', instance }));
    const head = [
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
      `Content-Type: ${problemMediaType}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      `Content-Language: zh`,
      `Exchange-Id: ${instance}`,
      'Cache-Control: no-store',
      ...(config.embedded ? ['Exchange-Sandbox: true'] : []),
      'Connection: close',
    ];
    socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  };
}
