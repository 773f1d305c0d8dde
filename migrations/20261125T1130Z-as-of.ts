import { sql, type Kysely } from 'kysely';

/** The day as of which the provider attests a record: what was there counts from the day of this migration. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table store.citizens    add column as_of date not null default current_date;
    alter table store.enterprises add column as_of date not null default current_date;

    create or replace view v1.citizens as
      select id, name, sex, birth_date, ethnicity, household_address, region_code, phone, marital_status,
             deceased_on, as_of
      from store.citizens;

    create or replace view v1.enterprises as
      select id, name, type, legal_representative, legal_representative_id, registered_capital, established_on,
             status, industry_code, address, business_scope, as_of
      from store.enterprises;
  `.execute(db);
}
