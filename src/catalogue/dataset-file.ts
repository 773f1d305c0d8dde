import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { datasetSchema, reservedDatasetNames, reservedFieldNames } from './dataset-schema.ts';
import { idFormats, isCalendarDate } from './formats.ts';
import type { Mask } from './mask.ts';

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

/** A dataset in one version, as its file in `schemas/` declares it. */
export interface DatasetFile {
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
    sharing: 'unconditional' | 'conditional' | 'prohibited';
    retention_years?: number;
    deprecated?: string;
    sunset?: string;
    fields: Record<
      string,
      { level: Level; searchable: boolean; mask?: Mask; subject?: string; person?: string; formerly?: string }
    >;
  };
}

/** A fault in a schema file: where it is and what. */
export interface SchemaFault {
  pointer: string;
  reason: string;
}

/** Keeps the schema of schemas, which takes long to compile, for every file. */
const fileAjv = new Ajv2020({ allErrors: true, strict: false });

/** Reads a file; what is wrong with it says where and what. */
export function readDatasetFile(
  file: string,
):
  | { declared: DatasetFile; validate: ValidateFunction; faults: [] }
  | { declared: null; faults: SchemaFault[] } {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    return { declared: null, faults: [{ pointer: '', reason: `not JSON: ${(error as Error).message}` }] };
  }
  // Compiled once: Ajv knows again what it has compiled.
  const validateFile = fileAjv.compile(datasetSchema);
  if (!validateFile(content))
    return { declared: null, faults: (validateFile.errors ?? []).map(faultOfError) };

  const declared = content as DatasetFile;
  const faults = findContradictions(declared, basename(file));
  let validate: ValidateFunction | null = null;
  try {
    validate = compileRecordSchema(declared);
  } catch (error) {
    faults.push({ pointer: '/properties', reason: (error as Error).message });
  }
  if (validate !== null && faults.length === 0) faults.push(...findBadExamples(declared, validate));
  return validate === null || faults.length > 0
    ? { declared: null, faults }
    : { declared, validate, faults: [] };
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
    const { person } = annotation;
    if (person !== undefined && annotations.fields[person]?.subject === undefined)
      say(`${pointer}/person`, `"${person}" is no field that holds another subject's id`);
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

/** Makes what validates records or ids by their schema, formats included. @throws Error when it is no schema */
export function compileRecordSchema(schema: object): ValidateFunction {
  void fileAjv.validateSchema(schema, true); // throws, and gives a promise only for a schema that is $async
  // Versions of a dataset have one $id, so that each has an Ajv of its own.
  const ajv = new Ajv2020({
    allErrors: true,
    strict: true,
    removeAdditional: false,
    coerceTypes: false,
    meta: false,
    validateSchema: false,
  });
  ajv.addVocabulary(['x-zh', 'x-dataset']);
  ajv.addFormat('date', isCalendarDate);
  for (const [name, format] of Object.entries(idFormats))
    ajv.addFormat(name, (value: string) => format.shape.test(value) && format.check(value));
  return ajv.compile(schema);
}

function faultOfError(error: ErrorObject): SchemaFault {
  const what = Object.values(error.params as Record<string, unknown>).filter(
    (value) => typeof value === 'string',
  );
  const named = what.length > 0 && error.keyword !== 'pattern' ? ` (${what.join(', ')})` : '';
  return { pointer: error.instancePath, reason: `${error.message ?? 'invalid'}${named}` };
}
