import { sql, type Kysely } from 'kysely';

/** Which key signs the log after which: notes that both keys have signed. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table audit.succession (
      n    int  primary key generated always as identity,
      note text not null,
      at   timestamptz not null default now()
    );
    select audit.make_append_only('audit.succession', true);
    grant select on audit.succession to onevisit_gateway, onevisit_auditor;
  `.execute(db);
}
