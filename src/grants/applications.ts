import { randomUUID } from 'node:crypto';
import type { CarriedOutAct } from '../audit/act.ts';
import type { Calendar } from '../base/calendar.ts';
import type { Catalogue, Dataset } from '../catalogue/catalogue.ts';
import { ProblemError, type Fault } from '../base/errors.ts';
import { suggest } from '../base/suggest.ts';
import { malformedBody } from '../http/validation.ts';
import { dayAfterWorkingDays } from '../base/working-days.ts';
import { conceptsOf, findFaults, maxFaults, sortUnique, type Terms } from './terms.ts';

/** What a consumer asks for. */
export interface Application {
  dataset: string;
  /** By the names of any version. */
  fields: readonly string[];
  /** Fields that it would only verify. */
  verify_fields: readonly string[];
  purposes: readonly string[];
  legal_basis: string;
  /** Why each field is needed. */
  justification: Readonly<Record<string, string>>;
  /** Subjects a day. */
  expected_volume: number;
  /** Exclusive. */
  validUntil: Date;
  /** The grant that it continues. */
  renews?: string;
}

/** How many working days a provider has to decide, by the sharing class of the dataset. */
const workingDays = { unconditional: 1, conditional: 10 } as const;

/**
 * The act of applying for a grant.
 *
 * @throws ProblemError invalid-request, unknown-field
 */
export function applicationAct(
  { catalogue, calendar }: { catalogue: Catalogue; calendar: Calendar },
  consumer: string,
  application: Application,
  { purposes, now }: { purposes: Iterable<string>; now: Date },
): CarriedOutAct {
  const { fields, verify_fields, legal_basis, justification, expected_volume, validUntil } = application;
  checkTerms(catalogue, purposes, application);
  const dataset = catalogue.findNewest(application.dataset)!;
  const faults = [
    ...findUnjustified(dataset, [...fields, ...verify_fields], justification),
    ...(validUntil > now ? [] : [{ pointer: '#/valid_until', detail: notInFuture }]),
  ];
  refuseFaults(faults);
  const days = workingDays[dataset.sharing as keyof typeof workingDays];
  return {
    operation: 'grant-apply',
    provider: dataset.provider,
    dataset: dataset.name,
    grants: [randomUUID()],
    details: {
      consumer,
      fields: conceptsOf(dataset, fields),
      plain_fields: [],
      verify_fields: conceptsOf(dataset, verify_fields),
      purposes: sortUnique(application.purposes),
      requires: [],
      legal_basis,
      justification: Object.fromEntries(
        Object.entries(justification).map(([name, reason]) => [dataset.concepts.get(name)!.name, reason]),
      ),
      expected_volume,
      status: 'applied',
      valid_until: validUntil.toISOString(),
      due: calendar.startOf(dayAfterWorkingDays(calendar.dayOf(now), days)).toISOString(),
      renews: application.renews,
    },
  };
}

export const notInFuture = { en: 'is not in the future', zh: '不是将来的时间' };

/** @throws ProblemError unknown-field where that is what is wrong, or invalid-request with all faults */
export function checkTerms(catalogue: Catalogue, purposes: Iterable<string>, terms: Terms): void {
  const dataset = catalogue.findNewest(terms.dataset);
  const faults = findFaults(catalogue, purposes, terms);
  const named = [...terms.fields, ...(terms.verify_fields ?? []), ...(terms.plain_fields ?? [])];
  const unknown = dataset === null ? [] : sortUnique(named.filter((name) => !dataset.concepts.has(name)));
  if (unknown.length > 0 && dataset!.sharing !== 'prohibited')
    throw new ProblemError(
      'unknown-field',
      {
        dataset: dataset!.name,
        fields: unknown.slice(0, maxFaults).join(', '),
        suggestion: suggest(unknown[0]!, dataset!.concepts.keys()),
      },
      { errors: faults.slice(0, maxFaults) },
    );
  refuseFaults(faults);
}

/** @throws ProblemError invalid-request when there is any */
export function refuseFaults(faults: readonly Fault[]): void {
  if (faults.length > 0)
    throw new ProblemError(
      'invalid-request',
      { reason: malformedBody },
      { errors: faults.slice(0, maxFaults) },
    );
}

/** Each field is asked for with a reason of its own, and reasons are of fields that are asked for. */
function findUnjustified(
  dataset: Dataset,
  fields: readonly string[],
  justification: Readonly<Record<string, string>>,
): Fault[] {
  const conceptOf = (name: string): string | undefined => dataset.concepts.get(name)?.name;
  const asked = new Set(fields.map(conceptOf));
  const names = Object.keys(justification);
  const reasonsOf = Map.groupBy(names, conceptOf);
  return [
    ...fields
      .filter((name) => !reasonsOf.has(conceptOf(name)))
      .map((name) => ({
        pointer: `#/justification/${name}`,
        detail: { en: 'must say why this field is needed', zh: '必须说明为何需要该字段' },
      })),
    ...names
      .filter((name) => !asked.has(conceptOf(name)))
      .map((name) => ({
        pointer: `#/justification/${name}`,
        detail: { en: 'is of no field that is asked for', zh: '不是所申请的字段' },
      })),
    ...[...reasonsOf.values()].flatMap(([first, ...others]) =>
      others.map((name) => ({
        pointer: `#/justification/${name}`,
        detail: {
          en: `is another name of ${first}, which has a reason`,
          zh: `是 ${first} 的另一名称，已填写理由`,
        },
      })),
    ),
  ];
}
