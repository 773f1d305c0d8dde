import { sql, type Kysely } from 'kysely';

/** The dataset of schemas/v1/citizens.json. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create schema store;
    create schema v1;
    grant usage on schema v1 to onevisit_gateway;

    create table store.citizens (
      id                text collate "C" primary key,
      name              text not null,
      sex               text not null,
      birth_date        date not null,
      ethnicity         text,
      household_address text,
      region_code       text not null,
      phone             text,
      marital_status    text,
      deceased_on       date
    );

    create view v1.citizens as
      select id, name, sex, birth_date, ethnicity, household_address, region_code, phone, marital_status,
             deceased_on
      from store.citizens;
    grant select on v1.citizens to onevisit_gateway;
  `.execute(db);
}
