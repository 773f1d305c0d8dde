import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ValidateFunction } from 'ajv/dist/2020.js';
import { UserError } from '../base/errors.ts';
import { type Text } from '../base/error-table.ts';
import { findConcepts, type Concept } from './concepts.ts';
import {
  compileRecordSchema,
  readDatasetFile,
  type DatasetFile,
  type Level,
  type PropertySchema,
} from './dataset-file.ts';
import { leastRetentionYears } from './dataset-schema.ts';
import { idFormats, isTolerated } from './formats.ts';
import type { Mask } from './mask.ts';
import { toRetirement, type DeclaredRetirement, type Retirement } from './retirement.ts';

export interface Field {
  name: string;
  /** Its place among the dataset's fields, and in a record. */
  at: number;
  /** What the version before called it, or what of it this is a part of; null where the file says nothing. */
  formerly: string | null;
  /** What grants name, the same in every version. */
  concept: Concept;
  level: Level;
  /** What is hidden unless a grant says plain; null on fields below L3. */
  mask: Mask | null;
  searchable: boolean;
  /** The dataset of which the value is a subject's id, where it names one. */
  subject: string | null;
  required: boolean;
  schema: PropertySchema;
}

/** A dataset in one version, as its file in `schemas/` declares it. */
export interface Dataset {
  name: string;
  version: number;
  title: Text;
  description: Text;
  /** The department that answers for the records. */
  provider: string;
  /** The field that holds the subject's id. */
  key: string;
  /** The column that tells as of which day a record is attested; null where none does. */
  asOf: string | null;
  /** The subjects are natural persons: their ids stay out of URLs. */
  personal: boolean;
  sharing: 'unconditional' | 'conditional' | 'prohibited';
  /** How long the entries of its exchanges are kept. */
  retentionYears: number;
  fields: ReadonlyMap<string, Field>;
  /** What every name means that a field has in any version. */
  concepts: ReadonlyMap<string, Concept>;
  /** When this version ends, where it is on its way out. */
  retirement: Retirement | null;
  /**
   * The fields that hold another subject's id: their names, places among the fields, that subject's dataset, and every
   * field by which a record tells of that subject, its name say.
   */
  persons: readonly { name: string; at: number; subject: string; toldBy: readonly string[] }[];
  schema: Record<string, unknown>;
  /** True when the id has the key's form and its check digit is right. Takes attacker-controlled input. */
  isValidId(id: string): boolean;
  /** How many characters at the end of an id are computed from the others. */
  checkCharacters: number;
  /** True when a record may have the id: a valid one, or one given before there was a check digit. */
  mayHaveId(id: string): boolean;
  /** Validates a whole record. */
  validate: ValidateFunction;
}

/** Every dataset in every version. */
export interface Catalogue {
  datasets: readonly Dataset[];
  /** The dataset's newest version, or null. */
  findNewest(name: string): Dataset | null;
}

const schemasFolder = fileURLToPath(new URL('../../schemas', import.meta.url));

/**
 * Reads the folder of schemas: `v<version>/<dataset>.json`.
 *
 * @throws UserError naming file, pointer and reason of every fault
 */
export function loadCatalogue(folder: string = schemasFolder): Catalogue {
  const faults: string[] = [];
  const read: Unlinked[] = [];
  const broken = new Set<string>();
  for (const versionName of readdirSync(folder).sort()) {
    const version = /^v([1-9]\d*)$/.exec(versionName)?.[1];
    if (version === undefined) {
      faults.push(`${versionName}: not a folder of a version (v1, v2, …)`);
      continue;
    }
    for (const fileName of readdirSync(join(folder, versionName)).sort()) {
      const file = join(folder, versionName, fileName);
      const found = readDatasetFile(file);
      if (found.declared === null) broken.add(fileName);
      else read.push(toDataset(found.declared, Number(version), found.validate));
      const shown = relative(join(folder, '..'), file);
      faults.push(
        ...found.faults.map(({ pointer, reason }) => `${shown}: ${pointer || '(root)'}: ${reason}`),
      );
    }
  }
  const { datasets, faults: unlinked } = linkVersions(read.filter(({ name }) => !broken.has(`${name}.json`)));
  faults.push(...unlinked, ...findStrangers(datasets));
  if (faults.length > 0) throw new UserError(`the catalogue has faults:\n  ${faults.join('\n  ')}`);
  return {
    datasets,
    findNewest(name) {
      const versions = datasets.filter((dataset) => dataset.name === name);
      return versions.sort((a, b) => b.version - a.version)[0] ?? null;
    },
  };
}

/** A dataset whose fields know nothing of other versions yet. */
type Unlinked = Omit<Dataset, 'fields' | 'concepts' | 'retirement'> &
  DeclaredRetirement & { fields: ReadonlyMap<string, Omit<Field, 'concept'>> };

/** Tells the versions of each dataset of one another: what its fields are in all of them, and what succeeds which. */
function linkVersions(read: readonly Unlinked[]): { datasets: Dataset[]; faults: string[] } {
  const datasets: Dataset[] = [];
  const faults: string[] = [];
  for (const versions of Map.groupBy(read, ({ name }) => name).values()) {
    versions.sort((a, b) => a.version - b.version);
    const { concepts, faults: found } = findConcepts(versions.map(({ fields }) => fields));
    const say = ({ name, version }: Unlinked, pointer: string, reason: string): number =>
      faults.push(`schemas/v${version}/${name}.json: /x-dataset/${pointer}: ${reason}`);
    for (const { at, field, pointer, reason } of found)
      say(versions[at]!, pointer === null ? `fields/${field}` : `fields/${field}/${pointer}`, reason);
    const newest = versions.at(-1)!;
    if (newest.deprecated !== null) say(newest, 'deprecated', 'the newest version has no successor');
    if (found.length > 0) continue;
    for (const { fields, deprecated, sunset, ...dataset } of versions) {
      const linked = [...fields].map(
        ([name, field]) => [name, { ...field, concept: concepts.get(name)! }] as const,
      );
      const retirement = toRetirement({ deprecated, sunset }, `/v${newest.version}/${newest.name}`);
      datasets.push({ ...dataset, concepts, fields: new Map(linked), retirement });
    }
  }
  return { datasets, faults };
}

/** Fields that hold the ids of subjects of no dataset that there is. */
function findStrangers(datasets: readonly Dataset[]): string[] {
  const known = new Set(datasets.map(({ name }) => name));
  return datasets.flatMap(({ name, version, persons }) =>
    persons
      .filter(({ subject }) => !known.has(subject))
      .map(
        (field) =>
          `schemas/v${version}/${name}.json: /x-dataset/fields/${field.name}/subject: there is no dataset "${field.subject}"`,
      ),
  );
}

function toDataset(declared: DatasetFile, version: number, validate: ValidateFunction): Unlinked {
  const { properties, 'x-dataset': annotations } = declared;
  const fields = new Map<string, Omit<Field, 'concept'>>();
  for (const [name, schema] of Object.entries(properties)) {
    const annotation = annotations.fields[name]!;
    fields.set(name, {
      name,
      at: fields.size,
      formerly: annotation.formerly ?? null,
      level: annotation.level,
      mask: annotation.mask ?? null,
      searchable: annotation.searchable,
      subject: annotation.subject ?? null,
      required: (declared.required ?? []).includes(name),
      schema,
    });
  }
  /** The fields that tell of the person whose id a field holds. */
  const namesOf = (person: string): string[] =>
    Object.keys(properties).filter((name) => annotations.fields[name]!.person === person);
  const isValidKey = compileRecordSchema(properties[annotations.key]!);
  return {
    name: declared.$id,
    version,
    title: { en: declared.title, zh: declared['x-zh'].title },
    description: { en: declared.description, zh: declared['x-zh'].description },
    provider: annotations.provider,
    key: annotations.key,
    asOf: annotations.as_of ?? null,
    personal: annotations.personal,
    sharing: annotations.sharing,
    retentionYears: annotations.retention_years ?? leastRetentionYears,
    deprecated: annotations.deprecated ?? null,
    sunset: annotations.sunset ?? null,
    fields,
    persons: [...fields.values()].flatMap(({ name, subject, at }) =>
      subject === null ? [] : [{ name, at, subject, toldBy: [name, ...namesOf(name)] }],
    ),
    schema: declared as unknown as Record<string, unknown>,
    isValidId: (id) => isValidKey(id),
    checkCharacters: idFormats[fields.get(annotations.key)!.schema.format ?? '']?.checkCharacters ?? 0,
    mayHaveId: (id) => isValidKey(id) || isTolerated(fields.get(annotations.key)!.schema.format, id),
    validate,
  };
}
