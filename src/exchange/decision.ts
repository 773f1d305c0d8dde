import { closest, distance } from 'fastest-levenshtein';
import type { Dataset, Field } from '../catalogue/catalogue.ts';
import { covers, coversAny } from '../catalogue/concepts.ts';
import { Problem, type Explanation, type Text } from '../errors.ts';
import type { Authority, Grant } from '../grants/authority.ts';
import type { AccessToken } from '../identity/access-token.ts';
import type { DataRequest } from './request.ts';

/** What the gateway concluded of a data request: what may be released and by which grants, or why nothing. */
export type Decision<Body> = Permission<Body> | { allowed: false; problem: Problem };

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

/** What decides over a body of one kind. */
interface Rule<Body> {
  allows: Use;
  checkBody(rights: Rights, body: Body): NeededFields;
}

/** How many letters may differ for a name to be suggested. */
const maxDistance = 2;
const maxFaults = 20;

/**
 * Decides a data request. The first fault decides, in the order of the contract: purpose, case and official, grant,
 * id, fields. Pure: the same input gives the same decision.
 */
export function decide<Body>(
  rule: Rule<Body>,
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
    if (error instanceof Problem) return { allowed: false, problem: error };
    throw error;
  }
}

function permit<Body>(
  rule: Rule<Body>,
  { token, authority, dataset, request, now }: Parameters<typeof decide<Body>>[1],
): Permission<Body> {
  const consumer = token.department;
  const purpose = checkPurpose(authority, request);
  const grants = findGrants(authority.grantsOf(consumer, dataset.name), purpose, dataset, consumer, now);
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
    limited: limiting(used, needed, use),
  };
}

/**
 * Whether a grant lets a field be used so. What may be read may be verified as well, but not what may only be read
 * masked: a few verifications would tell what the mask hides.
 */
function gives(grant: Grant, field: Field, use: Use): boolean {
  if (use === 'read') return covers(field, grant.fields);
  if (covers(field, grant.verifyFields)) return true;
  return covers(field, field.mask === null ? grant.fields : grant.plainFields);
}

/** The grants whose quota is charged: those of fields that no grant without a quota gives. */
function limiting(used: readonly Grant[], needed: readonly Field[], use: Use): Grant[] {
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

function checkPurpose(authority: Authority, request: DataRequest<unknown>): string {
  if (request.purpose === null) throw new Problem('purpose-required');
  const purpose = authority.purposes.get(request.purpose);
  if (purpose === undefined)
    throw new Problem('purpose-unknown', { suggestion: suggest(request.purpose, authority.purposes.keys()) });
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
  if (request.caseNumber === null && demanded('case')) throw new Problem('case-required', { purpose });
  if (request.official === null && demanded('official')) throw new Problem('official-required');
}

/** The grants in force for the purpose. @throws Problem that says best why there is none */
function findGrants(
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

  const refuse = (code: 'grant-suspended' | 'grant-expired' | 'purpose-not-granted' | 'no-grant'): Problem =>
    new Problem(code, { consumer, dataset: dataset.name, purpose }, { explain: explain(code, dataset) });
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

/** @throws Problem invalid-id */
export function checkId(dataset: Dataset, id: string): void {
  if (dataset.isValidId(id)) return;
  const format = dataset.fields.get(dataset.key)!.schema.format ?? 'id';
  throw new Problem(
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
 * @throws Problem unknown-field, field-not-granted
 */
export function checkFields(
  rights: Rights,
  asked: readonly string[] | undefined,
  pointerTo: (name: string, i: number) => string = (_name, i) => `#/fields/${i}`,
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
  if (fields.some((name) => !dataset.fields.has(name))) throw unknownField(dataset, asked, pointerTo);
  const missing = fields.filter((name) => !isGranted(name));
  if (missing.length > 0) throw fieldsNotGranted(rights, missing);
  return fields;
}

function fieldsNotGranted({ dataset, purpose }: Rights, missing: string[]): Problem {
  return new Problem(
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

function unknownField(
  dataset: Dataset,
  asked: readonly string[],
  pointerTo: (name: string, i: number) => string,
): Problem {
  const unknown = asked.filter((name) => !dataset.fields.has(name));
  const errors = asked.flatMap((name, i) =>
    dataset.fields.has(name)
      ? []
      : [
          {
            pointer: pointerTo(name, i),
            detail: { en: 'is not a field of the dataset', zh: '不是该数据集的字段' },
          },
        ],
  );
  const suggestion = suggest(unknown[0]!, dataset.fields.keys());
  return new Problem(
    'unknown-field',
    { dataset: dataset.name, fields: [...new Set(unknown)].join(', '), suggestion },
    { errors: errors.slice(0, maxFaults) },
  );
}

/** Names what was probably meant, when something known is close to it. */
function suggest(name: string, known: Iterable<string>): Text {
  const names = [...known];
  if (names.length === 0) return { en: '', zh: '' };
  const nearest = closest(name, names);
  if (distance(name, nearest) > maxDistance) return { en: '', zh: '' };
  return { en: ` Did you mean ${nearest}?`, zh: `是否想写 ${nearest}？` };
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

function explain(code: keyof typeof rules, dataset: Dataset): Explanation {
  return { rule: rules[code], granted_by: dataset.provider };
}
