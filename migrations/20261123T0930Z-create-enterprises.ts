import { sql, type Kysely } from 'kysely';

/** The dataset of schemas/v1/enterprises.json. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table store.enterprises (
      id                      text collate "C" primary key,
      name                    text not null,
      type                    text not null,
      legal_representative    text,
      legal_representative_id text,
      registered_capital      bigint,
      established_on          date not null,
      status                  text not null,
      industry_code           text,
      address                 text,
      business_scope          text
    );

    create view v1.enterprises as
      select id, name, type, legal_representative, legal_representative_id, registered_capital, established_on,
             status, industry_code, address, business_scope
      from store.enterprises;
    grant select on v1.enterprises to onevisit_gateway;
  `.execute(db);
}
