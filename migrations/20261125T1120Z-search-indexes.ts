import { sql, type Kysely } from 'kysely';

/**
 * The indexes of what the schemas mark searchable. Each goes on with the key, in whose order pages come; prefixes need
 * an order by bytes. A substring is looked for by its pairs of characters: Chinese words are shorter than trigrams.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create index citizens_name        on store.citizens (name text_pattern_ops, id);
    create index citizens_name_parts  on store.citizens using gin (string_to_array(name, null));
    create index citizens_birth_date  on store.citizens (birth_date, id);
    create index citizens_region_code on store.citizens (region_code text_pattern_ops, id);

    create index enterprises_name           on store.enterprises (name text_pattern_ops, id);
    create index enterprises_name_parts     on store.enterprises using gin (string_to_array(name, null));
    create index enterprises_established_on on store.enterprises (established_on, id);
    create index enterprises_status         on store.enterprises (status, id);
    create index enterprises_industry_code  on store.enterprises (industry_code text_pattern_ops, id);
  `.execute(db);
}
