import type { Dataset } from '../catalogue/catalogue.ts';
import { isRetired } from '../catalogue/retirement.ts';
import { ProblemError } from '../base/errors.ts';
import { type ErrorCode, type Text } from '../base/error-table.ts';
import type { Authority, Grant } from '../grants/authority.ts';
import { grantsInForce } from './decision.ts';
import { checkFields, gives, isMasked, type Rights, type Use } from './rights.ts';
import { checkKnown } from './unknown-field.ts';

/** A data request that is only thought of. */
export interface ExplainQuestion {
  consumer: string;
  dataset: Dataset;
  purpose: string;
  use: Use;
  /** Null asks for all that is granted. */
  fields: readonly string[] | null;
}

/** What would be decided, and why. */
export interface ExplainAnswer {
  allowed: boolean;
  /** The error that would refuse it; null where it is allowed. */
  code: ErrorCode | null;
  rule: Text | null;
  /** Of the fields asked for, or of all: whether it may be used so, masked, and by which grants. */
  fields: { name: string; allowed: boolean; masked: boolean; grants: string[] }[];
  /** What the request would have to name besides. */
  requires: string[];
  /** The grants in force for the purpose. */
  grants: { id: string; valid_until: string; daily_quota: number | null }[];
}

/**
 * Decides a data request without making it: as an exchange would, but for case, official, subject and quota.
 *
 * @throws ProblemError unknown-field
 */
export function explainDecision(authority: Authority, question: ExplainQuestion, now: Date): ExplainAnswer {
  const { consumer, dataset, use } = question;
  const purpose = authority.purposes.get(question.purpose);
  const names = question.fields ?? [...dataset.fields.keys()];
  checkKnown(dataset, names);
  try {
    if (isRetired(dataset.retirement, now))
      throw new ProblemError('version-retired', {}, { explain: { rule: servedRule } });
    if (purpose === undefined)
      throw new ProblemError('purpose-unknown', {}, { explain: { rule: registeredRule } });
    const granted = authority.grantsOf(consumer, dataset.name);
    const grants = grantsInForce(granted, purpose.code, dataset, consumer, now);
    const rights = { dataset, purpose: purpose.code, use, grants };
    const refused = refusalOf(() => checkFields(rights, question.fields ?? undefined));
    const demands = [purpose, ...grants].flatMap(({ requires }) => requires);
    return {
      ...describeRights(refused),
      fields: names.map((name) => describeField(rights, name)),
      requires: [...new Set(demands)].sort(),
      grants: grants.map(describeGrant),
    };
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    const fields = names.map((name) => ({ name, allowed: false, masked: false, grants: [] }));
    return { ...describeRights(error), fields, requires: purpose?.requires ?? [], grants: [] };
  }
}

const servedRule = { en: 'the version must still be served', zh: '该版本必须仍在服务' };
const registeredRule = { en: 'the purpose must be registered', zh: '用途必须已经登记' };

function refusalOf(check: () => unknown): ProblemError | null {
  try {
    check();
    return null;
  } catch (error) {
    if (error instanceof ProblemError && error.code === 'field-not-granted') return error;
    throw error;
  }
}

function describeRights(refused: ProblemError | null): Pick<ExplainAnswer, 'allowed' | 'code' | 'rule'> {
  return { allowed: refused === null, code: refused?.code ?? null, rule: refused?.explain?.rule ?? null };
}

function describeField(rights: Rights, name: string): ExplainAnswer['fields'][number] {
  const field = rights.dataset.fields.get(name)!;
  const giving = rights.grants.filter((grant) => gives(grant, field, rights.use));
  return {
    name,
    allowed: giving.length > 0,
    masked: giving.length > 0 && rights.use === 'read' && isMasked(rights, name),
    grants: giving.map(({ id }) => id).sort(),
  };
}

function describeGrant({ id, validUntilMs, dailyQuota }: Grant): ExplainAnswer['grants'][number] {
  return { id, valid_until: new Date(validUntilMs).toISOString(), daily_quota: dailyQuota };
}
