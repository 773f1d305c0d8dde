import type { Fault } from '../base/errors.ts';
import { claimSchema, findClaimFault, judgeClaim, type Claim, type ClaimVerdict } from './claims.ts';
import { checkFields, checkId, type Rights } from './rights.ts';
import type { ExchangeOperation } from './operation.ts';
import { listPersons } from './named-persons.ts';
import { readIdBody } from './read.ts';
import { createBodyReader, fieldNamePattern, idSchema, invalidRequest } from './request.ts';

/** What a verification asks: whether claims about a subject hold. */
export interface VerifyBody {
  id: string;
  claims: Record<string, Claim>;
}

const maxClaims = 50;

/** The body of a verification. Other members are refused. */
export const verifyBodySchema = {
  type: 'object',
  additionalProperties: false,
  required: ['id', 'claims'],
  properties: {
    id: idSchema,
    claims: {
      type: 'object',
      minProperties: 1,
      maxProperties: maxClaims,
      propertyNames: { pattern: fieldNamePattern },
      additionalProperties: claimSchema,
    },
  },
} as const;

/** Whether what a consumer was told is so: never a value. */
export const verify: ExchangeOperation<VerifyBody> = {
  name: 'verify',
  bulk: false,
  allows: 'verify',
  readBody: readIdBody(createBodyReader<VerifyBody>(verifyBodySchema)),
  listSubjects: (dataset, { id }) => (dataset.isValidId(id) ? [{ dataset: dataset.name, id }] : []),
  listFields: ({ claims }) => Object.keys(claims),
  checkBody(rights, { id, claims }) {
    checkId(rights.dataset, id);
    const fields = checkFields(rights, Object.keys(claims), (name) => `#/claims/${name}`);
    compareClaims(rights, claims);
    return { fields };
  },
  async release({ dataset, records }, { body: { id, claims }, fields }, occasion) {
    const subject = { dataset: dataset.name, id };
    await occasion.charge(1);
    const record = await records.find(id);
    // A store that fails must not use up attempts; nothing is told before this one counts.
    await occasion.countAttempt(subject);
    const results = fields.map((name) => {
      const known = record?.[dataset.fields.get(name)!.at];
      const verdict =
        record === null ? 'unknown' : judgeClaim(claims[name]!, known ?? null, occasion.today());
      return `${JSON.stringify(name)}:${padded(verdict)}`;
    });
    return {
      body: `{"id":${JSON.stringify(id)},"results":{${results.join(',')}}}`,
      records: record === null ? 0 : 1,
      subjects: record === null ? [subject] : [subject, ...listPersons(dataset, record, fields, () => false)],
    };
  },
};

/** @throws ProblemError invalid-request naming the claims that make no sense for their fields */
function compareClaims({ dataset }: Rights, claims: VerifyBody['claims']): void {
  const errors = Object.entries(claims).flatMap(([name, claim]): Fault[] => {
    const fault = findClaimFault(dataset.fields.get(name)!, claim);
    return fault === null ? [] : [{ pointer: `#/claims/${name}${fault.at}`, detail: fault.detail }];
  });
  if (errors.length > 0)
    throw invalidRequest({ en: 'a claim does not fit its field', zh: '有声明与字段不符' }, errors);
}

/** With the white space that JSON allows, an answer is as long whatever it says. */
function padded(verdict: ClaimVerdict): string {
  return JSON.stringify(verdict).padEnd('"mismatch"'.length);
}
