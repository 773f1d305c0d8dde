import type { Dataset } from '../catalogue/catalogue.ts';
import { coversAny } from '../catalogue/concepts.ts';
import { ProblemError } from '../base/errors.ts';
import type { Authority, Grant } from '../grants/authority.ts';
import type { AccessToken } from '../identity/access-token.ts';
import type { DataRequest } from './request.ts';
import {
  explain,
  gives,
  isMasked,
  listLimitingGrants,
  type NeededFields,
  type Rights,
  type Use,
} from './rights.ts';
import { suggest } from '../base/suggest.ts';

/** What the gateway concluded of a data request: what may be released and by which grants, or why nothing. */
export type Decision<Body> = Permission<Body> | { allowed: false; problem: ProblemError };

export interface Permission<Body> {
  allowed: true;
  body: Body;
  /** The fields to release, in the order asked. */
  fields: readonly string[];
  /** Those of them that are released masked. */
  masked: readonly string[];
  /** Ids of the grants that allow it, sorted. */
  grants: readonly string[];
  /** Those of them that have a daily quota. */
  limited: readonly Grant[];
}

/** What decides over a body of one kind. */
interface DecisionRule<Body> {
  allows: Use;
  checkBody(rights: Rights, body: Body): NeededFields;
}

/**
 * Decides a data request. The first fault decides, in this order: purpose, case and official, grant, id, fields. Pure:
 * the same input gives the same decision.
 */
export function decide<Body>(
  rule: DecisionRule<Body>,
  input: {
    token: AccessToken;
    authority: Authority;
    dataset: Dataset;
    request: DataRequest<Body>;
    now: Date;
  },
): Decision<Body> {
  try {
    return permit(rule, input);
  } catch (error) {
    if (error instanceof ProblemError) return { allowed: false, problem: error };
    throw error;
  }
}

function permit<Body>(
  rule: DecisionRule<Body>,
  { token, authority, dataset, request, now }: Parameters<typeof decide<Body>>[1],
): Permission<Body> {
  const consumer = token.department;
  const purpose = checkPurpose(authority, request);
  const grants = grantsInForce(authority.grantsOf(consumer, dataset.name), purpose, dataset, consumer, now);
  checkDemands(grants, request, purpose);
  if (request.body === null) throw request.bodyFault;
  const use = rule.allows;
  const { fields, besides = [] } = rule.checkBody({ dataset, purpose, use, grants }, request.body);
  const needed = [...fields, ...besides].map((name) => dataset.fields.get(name)!);
  const used = grants.filter((grant) => needed.some((field) => gives(grant, field, use)));
  return {
    allowed: true,
    body: request.body,
    fields,
    // Nothing of a value is released by a verification, masked or not.
    masked: use === 'verify' ? [] : fields.filter((name) => isMasked({ dataset, grants }, name)),
    grants: used.map((grant) => grant.id).sort(),
    limited: listLimitingGrants(used, needed, use),
  };
}

function checkPurpose(authority: Authority, request: DataRequest<unknown>): string {
  if (request.purpose === null) throw new ProblemError('purpose-required');
  const purpose = authority.purposes.get(request.purpose);
  if (purpose === undefined)
    throw new ProblemError('purpose-unknown', {
      suggestion: suggest(request.purpose, authority.purposes.keys()),
    });
  if (request.headerFault !== null) throw request.headerFault;
  checkDemands([purpose], request, purpose.code);
  return purpose.code;
}

function checkDemands(
  sources: readonly { requires: readonly string[] }[],
  request: DataRequest<unknown>,
  purpose: string,
): void {
  const demanded = (what: string): boolean => sources.some(({ requires }) => requires.includes(what));
  if (request.caseNumber === null && demanded('case')) throw new ProblemError('case-required', { purpose });
  if (request.official === null && demanded('official')) throw new ProblemError('official-required');
}

/** The grants in force for the purpose. @throws ProblemError that says best why there is none */
export function grantsInForce(
  grants: readonly Grant[],
  purpose: string,
  dataset: Dataset,
  consumer: string,
  now: Date,
): Grant[] {
  const nowMs = now.getTime();
  // A grant for fields that this version does not have is none here.
  const begun = grants.filter(
    (grant) =>
      grant.validFromMs <= nowMs &&
      (coversAny(dataset.fields.values(), grant.fields) ||
        coversAny(dataset.fields.values(), grant.verifyFields)),
  );
  const names = (grant: Grant): boolean => grant.purposes.includes(purpose);
  const isLive = (grant: Grant): boolean => grant.status === 'active' && nowMs < grant.validUntilMs;
  const inForce = begun.filter((grant) => isLive(grant) && names(grant));
  if (inForce.length > 0 && dataset.sharing !== 'prohibited') return inForce;

  const refuse = (
    code: 'grant-suspended' | 'grant-expired' | 'purpose-not-granted' | 'no-grant',
  ): ProblemError =>
    new ProblemError(code, { consumer, dataset: dataset.name, purpose }, { explain: explain(code, dataset) });
  if (dataset.sharing === 'prohibited') throw refuse('no-grant');
  const suspended = begun.filter((grant) => grant.status === 'suspended' && nowMs < grant.validUntilMs);
  const expired = begun.filter(
    ({ status, validUntilMs }) => validUntilMs <= nowMs && (status === 'active' || status === 'suspended'),
  );
  if (suspended.some(names)) throw refuse('grant-suspended');
  if (expired.some(names)) throw refuse('grant-expired');
  if (begun.some(isLive)) throw refuse('purpose-not-granted');
  if (suspended.length > 0) throw refuse('grant-suspended');
  if (expired.length > 0) throw refuse('grant-expired');
  throw refuse('no-grant');
}
