import type { CarriedOutAct, CarriedOutOperation } from '../audit/act.ts';
import type { Catalogue, Dataset } from '../catalogue/catalogue.ts';
import { covers } from '../catalogue/concepts.ts';
import { ProblemError, type Fault } from '../base/errors.ts';
import { type Text } from '../base/error-table.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { checkTerms, notInFuture, refuseFaults } from './applications.ts';
import type { GrantStatus, GrantSummary } from './find-grants.ts';
import { conceptsOf, findUnknown, sortUnique } from './terms.ts';

/** What is done with a grant or an application. */
export type GrantStep = 'approve' | 'reject' | 'suspend' | 'resume' | 'revoke' | 'withdraw';

interface StepRule {
  operation: CarriedOutOperation;
  from: readonly GrantStatus[];
  to: Exclude<GrantStatus, 'expired' | 'applied'>;
  /** Who takes it: the provider, where that lets its time pass an administrator; either of them; or the consumer. */
  by: 'decider' | 'provider or admin' | 'consumer';
}

/** From which states a step leads to which, and who takes it. */
export const steps: Readonly<Record<GrantStep, StepRule>> = {
  approve: { operation: 'grant-approve', from: ['applied'], to: 'active', by: 'decider' },
  reject: { operation: 'grant-reject', from: ['applied'], to: 'rejected', by: 'decider' },
  suspend: { operation: 'grant-suspend', from: ['active'], to: 'suspended', by: 'decider' },
  resume: { operation: 'grant-resume', from: ['suspended'], to: 'active', by: 'decider' },
  revoke: {
    operation: 'grant-revoke',
    from: ['active', 'suspended'],
    to: 'revoked',
    by: 'provider or admin',
  },
  withdraw: {
    operation: 'grant-withdraw',
    from: ['applied', 'active', 'suspended'],
    to: 'withdrawn',
    by: 'consumer',
  },
};

/** The scopes of which one is needed for a step at all. */
export function scopesFor(step: GrantStep): string[] {
  return steps[step].by === 'consumer' ? ['exchange'] : ['provide', 'admin'];
}

/** What an approval may say: less than was applied for, and on which conditions. */
export interface Approval {
  fields?: string[];
  verify_fields?: string[];
  plain_fields?: string[];
  validUntil?: Date;
  daily_quota?: number;
  requires?: string[];
}

/**
 * The act of a step, by somebody who may see the grant.
 *
 * @throws ProblemError grant-state-conflict, step-not-yours, invalid-request, unknown-field
 */
export function takeStep(
  step: GrantStep,
  grant: GrantSummary,
  by: { token: AccessToken; now: Date },
  { approval, reason, catalogue }: { approval?: Approval; reason?: string | undefined; catalogue: Catalogue },
): CarriedOutAct {
  const { operation, from, to } = steps[step];
  if (!from.includes(grant.status)) throw new ProblemError('grant-state-conflict', { status: grant.status });
  checkRight(step, grant, by);
  return {
    operation,
    provider: grant.provider,
    dataset: grant.dataset,
    grants: [grant.id],
    details: {
      consumer: grant.consumer,
      was: grant.status,
      status: to,
      ...(approval !== undefined && approvedTerms(catalogue, grant, approval, by.now)),
      reason,
    },
  };
}

/** @throws ProblemError step-not-yours */
function checkRight(
  step: GrantStep,
  grant: GrantSummary,
  { token, now }: { token: AccessToken; now: Date },
): void {
  const { by } = steps[step];
  if (by === 'consumer') {
    requireConsumer(grant, token);
    return;
  }
  const isProvider = token.scopes.includes('provide') && grant.provider === token.department;
  const isAdmin = token.scopes.includes('admin');
  if (by === 'provider or admin') {
    if (!isProvider && !isAdmin) throw notTheirs(token, rules.provider, grant.provider);
    return;
  }
  const isOverdue = grant.status === 'applied' && grant.due !== null && new Date(grant.due) <= now;
  if (!isProvider && !(isAdmin && isOverdue)) throw notTheirs(token, rules.decider, grant.provider);
  if (grant.consumer === token.department && step !== 'suspend') throw notTheirs(token, rules.own);
}

/** @throws ProblemError step-not-yours where it is another department's */
export function requireConsumer(grant: GrantSummary, token: AccessToken): void {
  if (grant.consumer !== token.department) throw notTheirs(token, rules.consumer);
}

const rules = {
  consumer: { en: 'only the consumer withdraws and renews', zh: '只有申请部门可以撤回和续期' },
  provider: { en: 'only the provider or an administrator revokes', zh: '只有数据提供部门或管理员可以撤销' },
  decider: {
    en: 'the provider decides, and an administrator once the application is overdue',
    zh: '由数据提供部门决定；申请逾期未决的，由管理员决定',
  },
  own: { en: 'nobody decides an application of their own department', zh: '任何部门不得决定本部门的申请' },
} satisfies Record<string, Text>;

/** @param provider who could take the step, where the provider could */
function notTheirs({ department }: AccessToken, rule: Text, provider?: string): ProblemError {
  const explain = { rule, ...(provider !== undefined && { granted_by: provider }) };
  return new ProblemError('step-not-yours', { department, rule }, { explain });
}

/** The terms that an approval comes to: nothing that was not applied for. @throws ProblemError invalid-request, unknown-field */
function approvedTerms(
  catalogue: Catalogue,
  grant: GrantSummary,
  approval: Approval,
  now: Date,
): Record<string, unknown> {
  const { dataset: name, purposes } = grant;
  const { fields = grant.fields, verify_fields = grant.verify_fields, validUntil } = approval;
  const { plain_fields = [], requires = [], daily_quota } = approval;
  checkTerms(catalogue, purposes, {
    dataset: name,
    fields,
    verify_fields,
    plain_fields,
    purposes,
    requires,
    ...(daily_quota !== undefined && { daily_quota }),
  });
  const dataset = catalogue.findNewest(name)!;
  refuseFaults([
    ...findNotAppliedFor('fields', dataset, fields, grant.fields),
    ...findNotAppliedFor('verify_fields', dataset, verify_fields, [...grant.fields, ...grant.verify_fields]),
    ...findTimeFaults(validUntil, new Date(grant.valid_until), now),
  ]);
  return {
    fields: conceptsOf(dataset, fields),
    plain_fields: conceptsOf(dataset, plain_fields),
    verify_fields: conceptsOf(dataset, verify_fields),
    purposes,
    requires: sortUnique(requires),
    valid_from: now.toISOString(),
    valid_until: validUntil?.toISOString() ?? grant.valid_until,
    daily_quota,
  };
}

/** A part of what was applied for, since a version split that, is less. */
function findNotAppliedFor(
  member: string,
  dataset: Dataset,
  names: readonly string[],
  applied: readonly string[],
): Fault[] {
  const known = { has: (name: string) => covers({ concept: dataset.concepts.get(name)! }, applied) };
  return findUnknown(member, names, known, (name) => ({
    en: `${name} was not applied for`,
    zh: `未申请 ${name}`,
  }));
}

function findTimeFaults(validUntil: Date | undefined, applied: Date, now: Date): Fault[] {
  if (validUntil === undefined) return [];
  const pointer = '#/valid_until';
  if (validUntil <= now) return [{ pointer, detail: notInFuture }];
  if (validUntil <= applied) return [];
  return [{ pointer, detail: { en: 'is later than what was applied for', zh: '晚于所申请的期限' } }];
}
