import type { Catalogue, Dataset } from '../catalogue/catalogue.ts';
import type { Fault } from '../base/errors.ts';
import { suggest } from '../base/suggest.ts';

/** What a grant is to allow, or an application asks for. Fields have the names of any version. */
export interface Terms {
  dataset: string;
  fields: readonly string[];
  plain_fields?: readonly string[];
  /** Fields that may be verified and not read. */
  verify_fields?: readonly string[];
  purposes: readonly string[];
  requires?: readonly string[];
  daily_quota?: number;
}

/** What can be demanded of each exchange. */
export const demands = ['case', 'official'] as const;

/**
 * Holds terms against the catalogue and the registered purposes.
 *
 * @param purposes the codes of all that there are
 * @returns what is wrong with them and where, as in a body; nothing when they are good
 */
export function findFaults(catalogue: Catalogue, purposes: Iterable<string>, terms: Terms): Fault[] {
  const dataset = catalogue.findNewest(terms.dataset);
  const about = dataset === null ? unknownDataset(catalogue, terms.dataset) : findFieldFaults(dataset, terms);
  const known = new Set(purposes);
  const quota = terms.daily_quota ?? 1;
  return [
    ...about,
    ...findUnknown('purposes', terms.purposes, known, (code) => {
      const { en, zh } = suggest(code, known);
      return {
        en: `there is no purpose ${code}${en && `.${en}`}`,
        zh: `没有登记用途 ${code}${zh && `。${zh}`}`,
      };
    }),
    ...findUnknown('requires', terms.requires, new Set(demands), (demand) => ({
      en: `a grant can require case and official, not ${demand}`,
      zh: `授权只能要求 case 和 official，不能要求 ${demand}`,
    })),
    ...(terms.fields.length + (terms.verify_fields ?? []).length === 0 || terms.purposes.length === 0
      ? [
          {
            pointer: '#',
            detail: {
              en: 'a grant names at least one field and one purpose',
              zh: '授权至少包含一个字段和一个用途',
            },
          },
        ]
      : []),
    ...(Number.isSafeInteger(quota) && quota >= 1
      ? []
      : [
          {
            pointer: '#/daily_quota',
            detail: {
              en: 'a daily quota is a whole number of subjects, at least 1',
              zh: '每日配额必须是不小于 1 的整数',
            },
          },
        ]),
  ];
}

function unknownDataset(catalogue: Catalogue, name: string): Fault[] {
  const known = [...new Set(catalogue.datasets.map((dataset) => dataset.name))].join(', ');
  const detail = {
    en: `there is no dataset "${name}"; there are ${known}`,
    zh: `没有数据集 "${name}"；现有 ${known}`,
  };
  return [{ pointer: '#/dataset', detail }];
}

function findFieldFaults(dataset: Dataset, terms: Terms): Fault[] {
  if (dataset.sharing === 'prohibited') {
    const detail = {
      en: `the dataset ${dataset.name} is not to be shared`,
      zh: `数据集 ${dataset.name} 不予共享`,
    };
    return [{ pointer: '#/dataset', detail }];
  }
  const unknown = (['fields', 'verify_fields', 'plain_fields'] as const).flatMap((member) =>
    findUnknown(member, terms[member], dataset.concepts, (name) => describeUnknownField(dataset, name)),
  );
  if (unknown.length > 0) return unknown;
  const readable = new Set(conceptsOf(dataset, terms.fields));
  return findUnknown(
    'plain_fields',
    terms.plain_fields?.map((name) => dataset.concepts.get(name)!.name),
    readable,
    (name) => ({
      en: `plain fields must be among the fields: ${name} is not`,
      zh: `plain_fields 必须包含在 fields 中：${name} 不在其中`,
    }),
  );
}

/** The refusal of a name that no version of a dataset has. */
export function describeUnknownField(dataset: Dataset, name: string): Fault['detail'] {
  const { en, zh } = suggest(name, dataset.concepts.keys());
  const fields = [...dataset.fields.keys()].join(', ');
  return {
    en: `${dataset.name} has no field ${name}; it has ${fields}${en && `.${en}`}`,
    zh: `${dataset.name} 没有字段 ${name}；现有 ${fields}${zh && `。${zh}`}`,
  };
}

/** How many faults of a kind are told of: texts for hundreds of names would take the gateway's time. */
export const maxFaults = 20;

/** A fault for each name of a member that is not known, for so many at most. */
export function findUnknown(
  member: string,
  names: readonly string[] | undefined,
  known: { has(name: string): boolean },
  detail: (name: string) => Fault['detail'],
): Fault[] {
  const unknown = [...(names ?? []).entries()].filter(([, name]) => !known.has(name)).slice(0, maxFaults);
  return unknown.map(([i, name]) => ({ pointer: `#/${member}/${i}`, detail: detail(name) }));
}

/** The concepts of names that some version of the dataset has, each once and sorted. */
export function conceptsOf(dataset: Dataset, names: readonly string[] = []): string[] {
  return sortUnique(names.map((name) => dataset.concepts.get(name)!.name));
}

export function sortUnique(names: readonly string[] = []): string[] {
  return [...new Set(names)].sort();
}
