import { yearsBetween } from '../base/calendar.ts';
import type { Field } from '../catalogue/catalogue.ts';
import { isCalendarDate } from '../catalogue/formats.ts';
import type { Text } from '../base/error-table.ts';

export type Scalar = string | number | boolean;

/** What a consumer claims of a field's value: that it equals something, or all that the operators say. */
export type Claim = Scalar | Operators;

interface Operators {
  one_of?: Scalar[];
  prefix?: string;
  exists?: boolean;
  before?: string;
  on_or_before?: string;
  after?: string;
  on_or_after?: string;
  age_at_least?: number;
}

/** `unknown` where the register does not know the value. */
export type ClaimVerdict = 'match' | 'mismatch' | 'unknown';

const maxTextLength = 1024;
const maxAlternatives = 20;

const scalar = {
  anyOf: [{ type: 'string', maxLength: maxTextLength }, { type: 'number' }, { type: 'boolean' }],
} as const;
const date = { type: 'string', format: 'date' } as const;

/** The operators of a claim. */
export const claimOperatorSchemas = {
  one_of: {
    type: 'array',
    minItems: 1,
    maxItems: maxAlternatives,
    items: scalar,
    description: 'The value equals one of these.',
  },
  prefix: {
    type: 'string',
    minLength: 1,
    maxLength: maxTextLength,
    description: 'The text begins with this.',
  },
  exists: { type: 'boolean', description: 'Whether the register knows a value.' },
  before: { ...date, description: 'The date is before this one.' },
  on_or_before: { ...date, description: 'The date is this one or before it.' },
  after: { ...date, description: 'The date is after this one.' },
  on_or_after: { ...date, description: 'The date is this one or after it.' },
  age_at_least: {
    type: 'integer',
    minimum: 0,
    maximum: 150,
    description: 'So many whole years have passed since the date, today in the gateway’s time zone.',
  },
} as const;

/** One claim. */
export const claimSchema = {
  anyOf: [
    ...scalar.anyOf,
    { type: 'object', additionalProperties: false, minProperties: 1, properties: claimOperatorSchemas },
  ],
} as const;

const forAll = ['one_of', 'exists'] as const;
const forTexts = ['prefix'] as const;
const forDates = ['before', 'on_or_before', 'after', 'on_or_after', 'age_at_least'] as const;

/** The operators that make sense for a field. */
export function listClaimOperators({ schema: { type, format } }: Field): (keyof Operators)[] {
  if (format === 'date') return [...forAll, ...forDates];
  return type === 'string' ? [...forAll, ...forTexts] : [...forAll];
}

/**
 * What makes a claim senseless for a field; null when nothing does. It never repeats what is claimed.
 *
 * @returns where in the claim, as a pointer's end, and what
 */
export function findClaimFault(field: Field, claim: Claim): { at: string; detail: Text } | null {
  if (typeof claim !== 'object') return fits(field, claim) ? null : { at: '', detail: typeFault(field) };
  const known = listClaimOperators(field);
  const senseless = (Object.keys(claim) as (keyof Operators)[]).find((one) => !known.includes(one));
  if (senseless !== undefined) return { at: `/${senseless}`, detail: operatorFault(known) };
  const wrong = claim.one_of?.findIndex((one) => !fits(field, one)) ?? -1;
  return wrong < 0 ? null : { at: `/one_of/${wrong}`, detail: typeFault(field) };
}

/** What is wrong with an operator that a field does not take. */
export function operatorFault(taken: readonly string[]): Text {
  return {
    en: `is not for this field: use ${taken.join(', ')}`,
    zh: `不适用于该字段，可用：${taken.join('、')}`,
  };
}

/** Whether a value could be one of the field. */
export function fits({ schema: { type, format } }: Field, value: Scalar): boolean {
  if (type === 'string') return typeof value === 'string' && (format !== 'date' || isCalendarDate(value));
  if (type === 'integer') return Number.isSafeInteger(value);
  return typeof value === type;
}

/** What is wrong with a value that does not fit. */
export function typeFault({ schema: { type, format } }: Field): Text {
  const what = format === 'date' ? 'date' : type;
  return { en: `is no ${what}, as the values of the field are`, zh: `类型与字段不符，应为 ${what}` };
}

/**
 * Holds a claim against what the register has. Texts are compared after compatibility normalisation (Unicode NFKC).
 *
 * @param today YYYY-MM-DD
 */
export function judgeClaim(claim: Claim, value: unknown, today: string): ClaimVerdict {
  if (typeof claim === 'object' && claim.exists !== undefined) {
    if ((value !== null) !== claim.exists) return 'mismatch';
    if (Object.keys(claim).length === 1) return 'match';
  }
  if (value === null) return 'unknown';
  return holds(claim, value as Scalar, today) ? 'match' : 'mismatch';
}

function holds(claim: Claim, value: Scalar, today: string): boolean {
  if (typeof claim !== 'object') return isSame(claim, value);
  const text = String(value);
  return (
    (claim.one_of === undefined || claim.one_of.some((one) => isSame(one, value))) &&
    (claim.prefix === undefined || normal(text).startsWith(normal(claim.prefix))) &&
    (claim.before === undefined || text < claim.before) &&
    (claim.on_or_before === undefined || text <= claim.on_or_before) &&
    (claim.after === undefined || text > claim.after) &&
    (claim.on_or_after === undefined || text >= claim.on_or_after) &&
    (claim.age_at_least === undefined || yearsBetween(text, today) >= claim.age_at_least)
  );
}

function isSame(claimed: Scalar, value: Scalar): boolean {
  return typeof claimed === 'string' && typeof value === 'string'
    ? normal(claimed) === normal(value)
    : claimed === value;
}

function normal(text: string): string {
  return text.normalize('NFKC');
}
