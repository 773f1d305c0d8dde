import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { UserError } from '../base/errors.ts';
import type { Catalogue } from './catalogue.ts';
import type { PropertySchema } from './dataset-file.ts';

const columnTypes: Record<PropertySchema['type'], string[]> = {
  string: ['text', 'character varying', 'date', 'character'],
  integer: ['bigint', 'integer', 'smallint'],
  number: ['numeric', 'double precision', 'real', 'bigint', 'integer'],
  boolean: ['boolean'],
};

/** The relation behind a dataset in one version, in PostgreSQL. */
export function relationOf(dataset: { name: string; version: number }): { schema: string; name: string } {
  return { schema: `v${dataset.version}`, name: dataset.name };
}

/**
 * Holds every dataset against the relation behind it.
 *
 * @throws UserError naming file, pointer and reason when a column is missing or of another type
 */
export async function checkRelations(database: Database, catalogue: Catalogue): Promise<void> {
  const { rows } = await sql<{ relation: string; column: string; type: string }>`
    select table_schema || '/' || table_name as relation, column_name as column, data_type as type
    from information_schema.columns where table_schema ~ '^v[0-9]+$'`.execute(database);
  const typeOf = new Map(rows.map((row) => [`${row.relation}/${row.column}`, row.type]));
  const faults: string[] = [];
  for (const dataset of catalogue.datasets) {
    const { schema, name } = relationOf(dataset);
    if (dataset.asOf !== null && typeOf.get(`${schema}/${name}/${dataset.asOf}`) !== 'date')
      faults.push(
        `schemas/${schema}/${name}.json: /x-dataset/as_of: the relation ${schema}.${name} has no such column of type date`,
      );
    for (const field of dataset.fields.values()) {
      const where = `schemas/${schema}/${name}.json: /properties/${field.name}`;
      const type = typeOf.get(`${schema}/${name}/${field.name}`);
      if (type === undefined) faults.push(`${where}: the relation ${schema}.${name} has no such column`);
      else if (!columnTypes[field.schema.type].includes(type))
        faults.push(
          `${where}: a ${field.schema.type} can't come from the ${type} column of ${schema}.${name}`,
        );
    }
  }
  if (faults.length > 0)
    throw new UserError(`the catalogue does not fit the database:\n  ${faults.join('\n  ')}`);
}
