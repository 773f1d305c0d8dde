import type { ErrorObject } from 'ajv';
import type { Dataset, Field } from '../catalogue/catalogue.ts';
import { isTolerated } from '../catalogue/formats.ts';
import { isCleanText } from '../http/headers.ts';

/** A row of a file as a record, with what is wrong with it. */
export interface RecordRow {
  /** The values that are known. */
  values: Record<string, unknown>;
  /** Why it can't be loaded: field and reason, never the value. */
  faults: string[];
  /** Its id fails the check digit, which for its format does not keep it out. */
  warned: boolean;
}

/** Makes a record of a row's cells and validates it by the dataset's schema. An empty cell is an unknown value. */
export function checkRow(dataset: Dataset, header: readonly string[], cells: readonly string[]): RecordRow {
  const row: RecordRow = { values: {}, faults: [], warned: false };
  if (cells.length !== header.length) {
    row.faults.push(`${cells.length} cells where the header has ${header.length}`);
    return row;
  }
  for (const [i, name] of header.entries()) {
    const cell = cells[i]!;
    if (cell === '') continue;
    if (isCleanText(cell)) row.values[name] = readCell(dataset.fields.get(name)!, cell);
    else row.faults.push(`${name}: has control characters`);
  }
  if (row.faults.length > 0 || dataset.validate(row.values)) return row;
  for (const error of dataset.validate.errors ?? []) {
    if (isEarlyCode(dataset, row.values, error)) row.warned = true;
    else row.faults.push(describeFault(error));
  }
  return row;
}

/** A cell as its field's type; what does not look like it stays text, and validation refuses it. */
function readCell(field: Field, cell: string): unknown {
  const { type } = field.schema;
  if (type === 'boolean' && (cell === 'true' || cell === 'false')) return cell === 'true';
  if (type === 'integer' && /^-?\d+$/.test(cell)) return Number(cell);
  if (type === 'number' && /^-?\d+(\.\d+)?$/.test(cell)) return Number(cell);
  return cell;
}

/** Whether an error is no more than the check digit of an early code. */
function isEarlyCode(dataset: Dataset, values: Record<string, unknown>, error: ErrorObject): boolean {
  if (error.keyword !== 'format') return false;
  const name = error.instancePath.slice(1);
  return isTolerated(dataset.fields.get(name)?.schema.format, values[name] as string);
}

function describeFault(error: ErrorObject): string {
  const field = error.instancePath.slice(1);
  if (error.keyword === 'required')
    return `${(error.params as { missingProperty: string }).missingProperty}: missing`;
  if (error.keyword === 'enum') {
    const allowed = (error.params as { allowedValues: unknown[] }).allowedValues;
    return `${field}: must be one of ${allowed.join(', ')}`;
  }
  return `${field}: ${error.message ?? 'invalid'}`;
}
