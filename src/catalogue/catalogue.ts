import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { UserError, type Text } from '../errors.ts';
import { findConcepts, type Concept } from './concepts.ts';
import { datasetSchema, reservedDatasetNames, reservedFieldNames } from './dataset-schema.ts';
import { idFormats, isCalendarDate } from './formats.ts';
import type { Mask } from './mask.ts';
import { toRetirement, type DeclaredEnd, type Retirement } from './retirement.ts';

/** How sensitive a field is, from public (L1) to highly sensitive (L4); L3 and L4 are masked unless granted plain. */
export type Level = 'L1' | 'L2' | 'L3' | 'L4';

/** A property's own JSON Schema. */
export interface PropertySchema {
  type: 'string' | 'integer' | 'number' | 'boolean';
  title: string;
  description: string;
  'x-zh': { title: string; description: string };
  examples: unknown[];
  format?: string;
  [keyword: string]: unknown;
}

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
  fields: ReadonlyMap<string, Field>;
  /** What every name means that a field has in any version. */
  concepts: ReadonlyMap<string, Concept>;
  /** When this version ends, where it is on its way out. */
  retirement: Retirement | null;
  /** The fields that hold another subject's id: their names, places among the fields, and that subject's dataset. */
  persons: readonly { name: string; at: number; subject: string }[];
  schema: Record<string, unknown>;
  /** True when the id has the key's form and its check digit is right. Takes attacker-controlled input. */
  isValidId(id: string): boolean;
  /** Validates a whole record. */
  validate: ValidateFunction;
}

/** Every dataset in every version. */
export interface Catalogue {
  datasets: readonly Dataset[];
  /** The dataset's newest version, or null. */
  findNewest(name: string): Dataset | null;
}

interface DatasetFile {
  $id: string;
  title: string;
  description: string;
  'x-zh': { title: string; description: string };
  required?: string[];
  properties: Record<string, PropertySchema>;
  'x-dataset': {
    provider: string;
    key: string;
    as_of?: string;
    personal: boolean;
    sharing: Dataset['sharing'];
    deprecated?: string;
    sunset?: string;
    fields: Record<
      string,
      { level: Level; searchable: boolean; mask?: Mask; subject?: string; formerly?: string }
    >;
  };
}

/** A fault in a schema file: where it is and what. */
interface SchemaFault {
  pointer: string;
  reason: string;
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
      const { dataset, faults: found } = readDataset(file, fileName, Number(version));
      if (dataset !== null) read.push(dataset);
      else broken.add(fileName);
      const shown = relative(join(folder, '..'), file);
      faults.push(...found.map(({ pointer, reason }) => `${shown}: ${pointer || '(root)'}: ${reason}`));
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
  DeclaredEnd & { fields: ReadonlyMap<string, Omit<Field, 'concept'>> };

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

function readDataset(
  file: string,
  fileName: string,
  version: number,
): { dataset: Unlinked | null; faults: SchemaFault[] } {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    return { dataset: null, faults: [{ pointer: '', reason: `not JSON: ${(error as Error).message}` }] };
  }
  const validateFile = new Ajv2020({ allErrors: true, strict: false }).compile(datasetSchema);
  if (!validateFile(content)) return { dataset: null, faults: (validateFile.errors ?? []).map(faultOfError) };

  const declared = content as DatasetFile;
  const faults = findContradictions(declared, fileName);
  let validate: ValidateFunction | null = null;
  try {
    validate = newRecordAjv().compile(declared);
  } catch (error) {
    faults.push({ pointer: '/properties', reason: (error as Error).message });
  }
  if (validate === null || faults.length > 0) return { dataset: null, faults };
  faults.push(...findBadExamples(declared, validate));
  return { dataset: faults.length > 0 ? null : toDataset(declared, version, validate), faults };
}

function findContradictions(declared: DatasetFile, fileName: string): SchemaFault[] {
  const faults: SchemaFault[] = [];
  const say = (pointer: string, reason: string): number => faults.push({ pointer, reason });
  const { $id: name, properties, 'x-dataset': annotations } = declared;
  if (`${name}.json` !== fileName) say('/$id', `"${name}" differs from the file's name`);
  if (reservedDatasetNames.has(name)) say('/$id', `"${name}" collides with a route of the gateway`);
  for (const field of Object.keys(properties)) {
    if (reservedFieldNames.has(field))
      say(`/properties/${field}`, 'collides with a member or parameter of data requests');
    if (!Object.hasOwn(annotations.fields, field))
      say(`/x-dataset/fields/${field}`, 'missing: every field needs its level');
  }
  for (const field of declared.required ?? [])
    if (!Object.hasOwn(properties, field)) say('/required', `names "${field}", which is no property`);
  for (const [field, annotation] of Object.entries(annotations.fields)) {
    const pointer = `/x-dataset/fields/${field}`;
    const property = Object.hasOwn(properties, field) ? properties[field] : undefined;
    const sensitive = annotation.level === 'L3' || annotation.level === 'L4';
    if (property === undefined) say(pointer, 'is no property');
    else if (sensitive && annotation.mask === undefined)
      say(`${pointer}/mask`, `missing: a field of level ${annotation.level} needs one`);
    else if (!sensitive && annotation.mask !== undefined)
      say(`${pointer}/mask`, `a field of level ${annotation.level} is never masked`);
    else if (annotation.mask && (property.type !== 'string' || property.format === 'date'))
      say(`${pointer}/mask`, 'only text can be masked');
    if (sensitive && annotation.searchable)
      say(`${pointer}/searchable`, 'a search would tell what the mask hides');
    if (property !== undefined && annotation.subject !== undefined && !isKeyType(property))
      say(`${pointer}/subject`, keyRule);
  }
  if (annotations.as_of !== undefined && Object.hasOwn(properties, annotations.as_of))
    say('/x-dataset/as_of', 'is a column beside the properties, not one of them');
  const { deprecated, sunset } = annotations;
  for (const [member, day] of Object.entries({ deprecated, sunset }))
    if (day !== undefined && !isCalendarDate(day)) say(`/x-dataset/${member}`, 'is no day (YYYY-MM-DD)');
  if (sunset !== undefined && (deprecated === undefined || sunset < deprecated))
    say('/x-dataset/sunset', 'a version is deprecated before it ends');
  const key = Object.hasOwn(properties, annotations.key) ? properties[annotations.key] : undefined;
  if (key === undefined) say('/x-dataset/key', `"${annotations.key}" is no property`);
  else if (!isKeyType(key)) say(`/properties/${annotations.key}`, keyRule);
  else if (!(declared.required ?? []).includes(annotations.key))
    say('/required', `must name the key "${annotations.key}"`);
  return faults;
}

const keyRule = 'an id is a string of at most 64 characters (maxLength)';

function isKeyType({ type, maxLength }: PropertySchema): boolean {
  return type === 'string' && typeof maxLength === 'number' && maxLength <= 64;
}

/** Examples end up in the OpenAPI document, so they must be good. */
function findBadExamples(declared: DatasetFile, validate: ValidateFunction): SchemaFault[] {
  const record = Object.fromEntries(
    Object.entries(declared.properties).map(([name, property]) => [name, property.examples[0]]),
  );
  if (validate(record)) return [];
  return (validate.errors ?? []).map((error) => ({
    pointer: `/properties${error.instancePath}/examples/0`,
    reason: error.message ?? 'invalid',
  }));
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
  const isValidKey = newRecordAjv().compile(properties[annotations.key]!);
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
    deprecated: annotations.deprecated ?? null,
    sunset: annotations.sunset ?? null,
    fields,
    persons: [...fields.values()].flatMap(({ name, subject, at }) =>
      subject === null ? [] : [{ name, at, subject }],
    ),
    schema: declared as unknown as Record<string, unknown>,
    isValidId: (id) => isValidKey(id),
    validate,
  };
}

function newRecordAjv(): Ajv2020 {
  const ajv = new Ajv2020({ allErrors: true, strict: true, removeAdditional: false, coerceTypes: false });
  ajv.addVocabulary(['x-zh', 'x-dataset']);
  ajv.addFormat('date', isCalendarDate);
  for (const [name, format] of Object.entries(idFormats))
    ajv.addFormat(name, (value: string) => format.shape.test(value) && format.check(value));
  return ajv;
}

function faultOfError(error: ErrorObject): SchemaFault {
  const what = Object.values(error.params as Record<string, unknown>).filter(
    (value) => typeof value === 'string',
  );
  const named = what.length > 0 && error.keyword !== 'pattern' ? ` (${what.join(', ')})` : '';
  return { pointer: error.instancePath, reason: `${error.message ?? 'invalid'}${named}` };
}
