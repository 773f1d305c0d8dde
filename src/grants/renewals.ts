import type { Catalogue, Dataset } from '../catalogue/catalogue.ts';
import { ProblemError } from '../base/errors.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { invalidBody } from '../http/validation.ts';
import type { Application } from './applications.ts';
import { requireConsumer } from './grant-steps.ts';
import type { GrantStatus, GrantSummary } from './find-grants.ts';

/** What a renewal may say otherwise than the grant that it continues. */
export type Renewal = Partial<Pick<Application, 'legal_basis' | 'justification' | 'expected_volume'>>;

/** In which states there is something to continue. */
const renewable: readonly GrantStatus[] = ['active', 'suspended', 'expired'];

/**
 * What the renewal of a grant asks for: its fields and purposes, for the reasons that it was given for.
 *
 * @throws ProblemError step-not-yours, grant-state-conflict, invalid-request where neither the renewal nor the grant says it
 */
export function renewalAct(
  catalogue: Catalogue,
  grant: GrantSummary,
  token: AccessToken,
  renewal: Renewal,
): Omit<Application, 'validUntil'> {
  requireConsumer(grant, token);
  if (!renewable.includes(grant.status))
    throw new ProblemError('grant-state-conflict', { status: grant.status });
  const {
    legal_basis = grant.legal_basis,
    justification = stillJustified(grant, catalogue.findNewest(grant.dataset)),
    expected_volume = grant.expected_volume,
  } = renewal;
  const missing = Object.entries({ legal_basis, justification, expected_volume }).find(
    ([, value]) => value === null,
  );
  if (missing !== undefined)
    throw invalidBody(`#/${missing[0]}`, {
      en: 'must be said: the old grant does not say it',
      zh: '必须给出：原授权没有该内容',
    });
  const { fields, verify_fields, purposes, id } = grant;
  return {
    dataset: grant.dataset,
    fields,
    verify_fields,
    purposes,
    legal_basis: legal_basis!,
    justification: justification!,
    expected_volume: expected_volume!,
    renews: id,
  };
}

/** Of the reasons of an application, those for what was granted of it; one for each field, whatever it was called. */
function stillJustified(grant: GrantSummary, dataset: Dataset | null): Record<string, string> | null {
  if (grant.justification === null) return null;
  const granted = [...grant.fields, ...grant.verify_fields];
  const reasons = Object.entries(grant.justification).map(
    ([name, reason]) => [dataset?.concepts.get(name)?.name ?? name, reason] as const,
  );
  return Object.fromEntries(reasons.filter(([name]) => granted.includes(name)));
}
