import type { Dataset, Field } from '../catalogue/catalogue.ts';
import { covers } from '../catalogue/concepts.ts';
import { ProblemError, type Explanation } from '../base/errors.ts';
import type { Grant } from '../grants/authority.ts';
import { checkKnown, pointerToField } from './unknown-field.ts';

/** The fields that an exchange needs. */
export interface NeededFields {
  /** Those to release, in the order asked. */
  fields: readonly string[];
  /** Those that it works with besides. */
  besides?: readonly string[];
}

/** What is done with fields: they are read, or claims about them are verified. */
export type Use = 'read' | 'verify';

/** What a consumer may do with a dataset for the purpose that it named. */
export interface Rights {
  dataset: Dataset;
  purpose: string;
  use: Use;
  /** The grants in force. */
  grants: readonly Grant[];
}

/**
 * Whether a grant lets a field be used so. What may be read may be verified as well, but not what may only be read
 * masked: a few verifications would tell what the mask hides.
 */
export function gives(grant: Grant, field: Field, use: Use): boolean {
  if (use === 'read') return covers(field, grant.fields);
  if (covers(field, grant.verifyFields)) return true;
  return covers(field, field.mask === null ? grant.fields : grant.plainFields);
}

/** The grants whose quota is charged: those of fields that no grant without a quota gives. */
export function listLimitingGrants(used: readonly Grant[], needed: readonly Field[], use: Use): Grant[] {
  const limited = used.filter((grant) => grant.dailyQuota !== null);
  if (limited.length === 0) return limited;
  const free = used.filter((grant) => grant.dailyQuota === null);
  const short = needed.filter((field) => !free.some((grant) => gives(grant, field, use)));
  return limited.filter((grant) => short.some((field) => gives(grant, field, use)));
}

/** Whether a field is released masked. */
export function isMasked({ dataset, grants }: Pick<Rights, 'dataset' | 'grants'>, name: string): boolean {
  const field = dataset.fields.get(name)!;
  return field.mask !== null && !grants.some((grant) => covers(field, grant.plainFields));
}

/** @throws ProblemError invalid-id */
export function checkId(dataset: Dataset, id: string): void {
  if (dataset.isValidId(id)) return;
  const format = dataset.fields.get(dataset.key)!.schema.format ?? 'id';
  throw new ProblemError(
    'invalid-id',
    { format },
    { errors: [{ pointer: '#/id', detail: { en: `is not a valid ${format}`, zh: `不是有效的 ${format}` } }] },
  );
}

/**
 * The fields to use. Absent `asked` ask for all that the grants allow; one that is not granted refuses the whole
 * exchange.
 *
 * @param pointerTo where the body names the i-th of them
 * @throws ProblemError unknown-field, field-not-granted
 */
export function checkFields(
  rights: Rights,
  asked: readonly string[] | undefined,
  pointerTo = pointerToField,
): readonly string[] {
  const { dataset, grants, use } = rights;
  const isGranted = (name: string): boolean =>
    grants.some((grant) => gives(grant, dataset.fields.get(name)!, use));
  if (asked === undefined) {
    const granted = [...dataset.fields.keys()].filter(isGranted);
    if (granted.length === 0) throw fieldsNotGranted(rights, listVerifiable(rights));
    return granted;
  }
  const fields = [...new Set(asked)];
  checkKnown(dataset, asked, pointerTo);
  const missing = fields.filter((name) => !isGranted(name));
  if (missing.length > 0) throw fieldsNotGranted(rights, missing);
  return fields;
}

function fieldsNotGranted({ dataset, purpose }: Rights, missing: string[]): ProblemError {
  return new ProblemError(
    'field-not-granted',
    { purpose, fields: missing.join(', ') },
    { explain: { ...explain('field-not-granted', dataset), missing_fields: missing } },
  );
}

/** What may be verified and not be read. */
function listVerifiable({ dataset, grants }: Rights): string[] {
  const fields = [...dataset.fields.values()];
  return fields
    .filter((field) => grants.some((grant) => gives(grant, field, 'verify')))
    .map(({ name }) => name);
}

const rules = {
  'no-grant': { en: 'a grant for the dataset must exist', zh: '必须有该数据集的授权' },
  'grant-expired': { en: 'a grant must not have expired', zh: '授权必须在有效期内' },
  'grant-suspended': { en: 'a grant must not be suspended', zh: '授权不得处于暂停状态' },
  'purpose-not-granted': { en: 'a grant must name the purpose', zh: '授权必须包含该用途' },
  'field-not-granted': {
    en: 'every field asked for must be granted for the purpose',
    zh: '所请求的每个字段都必须获得该用途的授权',
  },
} as const;

/** Which rule refuses, and who can help. */
export function explain(code: keyof typeof rules, dataset: Dataset): Explanation {
  return { rule: rules[code], granted_by: dataset.provider };
}
