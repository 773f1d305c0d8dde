import type { IncomingHttpHeaders } from 'node:http';
import type { ProblemError } from '../../base/errors.ts';
import type { Decision } from '../../exchange/decision.ts';
import { invalidRequest } from '../../exchange/request.ts';

export const dryRunMediaType = 'application/vnd.onevisit.dry-run+json; charset=utf-8';

/** Whether a request prefers to be rehearsed only (RFC 7240). Takes attacker-controlled input. */
export function prefersDryRun({ prefer }: IncomingHttpHeaders): boolean {
  if (prefer === undefined) return false;
  return [prefer]
    .flat()
    .join(',')
    .split(',')
    .some((one) => one.split(';')[0]!.trim().toLowerCase() === 'dry-run');
}

/**
 * The refusal of a rehearsal outside the sandbox. A rehearsal would disclose something about a real person without an
 * entry, and a client that asks for a rehearsal does not want an exchange in its place.
 */
export function dryRunRefused(): ProblemError {
  return invalidRequest({
    en: 'only the sandbox takes the preference dry-run',
    zh: '只有沙箱环境接受 dry-run 偏好',
  });
}

/** What a rehearsal tells: the decision, its reasons in both languages, and the entry that there would be. */
export function dryRunDocument<Body>({
  decision,
  entry,
}: {
  decision: Decision<Body>;
  entry: unknown;
}): object {
  return { decision: decisionDocument(decision), entry };
}

function decisionDocument<Body>(decision: Decision<Body>): object {
  if (decision.allowed) {
    const { fields, masked, grants } = decision;
    return { allowed: true, fields, masked, grants };
  }
  const { code, explain, errors } = decision.problem;
  return { allowed: false, code, ...(explain && { explain }), ...(errors && { errors }) };
}
