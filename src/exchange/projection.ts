import type { Dataset } from '../catalogue/catalogue.ts';
import { applyMask } from '../catalogue/mask.ts';
import type { StoredRecord } from '../records/read.ts';

/** Writes a record as JSON with the fields that a decision released, in their order, masked where it says. */
export type Projection = (record: StoredRecord) => string;

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
  const members = fields.map((name, i) => ({
    at: dataset.fields.get(name)!.at,
    prefix: `${i === 0 ? '' : ','}${JSON.stringify(name)}:`,
    mask: masked.includes(name) ? dataset.fields.get(name)!.mask : null,
  }));
  return (record) => {
    let json = '{';
    for (const { at, prefix, mask } of members) {
      const value = record[at] ?? null;
      json +=
        prefix + JSON.stringify(mask !== null && value !== null ? applyMask(mask, value as string) : value);
    }
    return `${json}}`;
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
  const source = JSON.stringify(dataset.provider);
  const members = fields.map((name) => {
    const { level } = dataset.fields.get(name)!;
    return {
      before: `${JSON.stringify(name)}:{"source":${source},"as_of":`,
      after: `,"level":"${level}","masked":${masked.includes(name)}}`,
    };
  });
  return (record) => {
    const asOf = JSON.stringify(record[attestedAt] ?? null);
    const meta = members.map(({ before, after }) => before + asOf + after).join(',');
    return `${project(record).slice(0, -1)},"meta":{${meta}}}`;
  };
}
