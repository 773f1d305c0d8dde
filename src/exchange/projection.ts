import type { Dataset } from '../catalogue/catalogue.ts';
import { applyMask } from '../catalogue/mask.ts';
import type { StoredRecord } from '../records/stored-record.ts';

/** Picks of a record the fields that a decision released, in their order, masked where it says; for JSON. */
export type Projection = (record: StoredRecord) => Record<string, unknown>;

/** Makes the projection for a list of fields, some of them masked. */
export type Projections = (
  fields: readonly string[],
  masked: readonly string[],
  meta?: boolean,
) => Projection;

const cacheSize = 1000;

/** Makes the projections of a dataset, each compiled once for its fields and masks. */
export function createProjections(dataset: Dataset): Projections {
  const compiled = new Map<string, Projection>();
  return (fields, masked, meta = false) => {
    const key = `${fields.join(',')} ${masked.join(',')} ${meta}`;
    let projection = compiled.get(key);
    if (projection === undefined) {
      projection = compileProjection(dataset, fields, masked);
      if (meta) projection = withProvenance(projection, dataset, fields, masked);
      if (compiled.size >= cacheSize) compiled.delete(compiled.keys().next().value!);
      compiled.set(key, projection);
    }
    return projection;
  };
}

function compileProjection(
  dataset: Dataset,
  fields: readonly string[],
  masked: readonly string[],
): Projection {
  const members = fields.map((name) => ({
    name,
    at: dataset.fields.get(name)!.at,
    mask: masked.includes(name) ? dataset.fields.get(name)!.mask : null,
  }));
  return (record) => {
    const picked: Record<string, unknown> = {};
    for (const { name, at, mask } of members) {
      const value = record[at] ?? null;
      picked[name] = mask !== null && value !== null ? applyMask(mask, value as string) : value;
    }
    return picked;
  };
}

/** Adds a member `meta` that says of each field where it comes from, as of when, how sensitive it is, if masked. */
function withProvenance(
  project: Projection,
  dataset: Dataset,
  fields: readonly string[],
  masked: readonly string[],
): Projection {
  const attestedAt = dataset.fields.size;
  const source = dataset.provider;
  const members = fields.map((name) => ({
    name,
    level: dataset.fields.get(name)!.level,
    masked: masked.includes(name),
  }));
  return (record) => {
    const as_of = record[attestedAt] ?? null;
    const meta: Record<string, object> = {};
    for (const { name, level, masked } of members) meta[name] = { source, as_of, level, masked };
    return { ...project(record), meta };
  };
}
