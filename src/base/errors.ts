import { isDatabaseError } from './database-error.ts';
import { type Text, type ErrorCode, errorTable } from './error-table.ts';

/** What a refusal explains to the client that it refuses: the rule, and the department that can help. */
export interface Explanation {
  rule: Text;
  missing_fields?: string[];
  granted_by?: string;
}

/** One fault of a request's body: where (RFC 6901, as a fragment) and what. */
export interface Fault {
  pointer: string;
  detail: Text;
}

/** An error that is answered as problem+json. It carries no personal data. */
export class ProblemError extends Error {
  readonly code: ErrorCode;
  readonly params: Record<string, string | Text>;
  readonly explain: Explanation | undefined;
  readonly errors: Fault[] | undefined;
  readonly headers: Record<string, string>;

  constructor(
    code: ErrorCode,
    params: Record<string, string | Text> = {},
    more: { explain?: Explanation; errors?: Fault[]; headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    super(code, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = 'ProblemError';
    this.code = code;
    this.params = params;
    this.explain = more.explain;
    this.errors = more.errors;
    this.headers = more.headers ?? {};
  }

  get status(): number {
    return errorTable[this.code].status;
  }
}

/** A problem that is made once and answered often: refusing by it is cheap, as lightening a load must be. */
export class RepeatedProblemError extends ProblemError {}

/** A command was refused, or a start stopped, for a reason that its user can act on: one line, no stack trace. */
export class UserError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UserError';
  }
}

/** A database's error as the problem that it is answered with; any other, a bug of ours or a problem, as it is. */
export function asStoreUnavailable(error: unknown): unknown {
  return isDatabaseError(error) ? new ProblemError('store-unavailable', {}, { cause: error }) : error;
}

/** @throws ProblemError store-unavailable when the database failed; any other error as it is */
export function rethrowAsStoreUnavailable(error: unknown): never {
  throw asStoreUnavailable(error);
}
