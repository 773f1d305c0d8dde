import { sql, type Kysely } from 'kysely';

/**
 * Entries are stored as they are. What makes one long is hashes and sealed ids, in which PostgreSQL found nothing to
 * compress: it took half of the time of appending the entry of a batch.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table audit.entry alter column bytes set storage external;

    create or replace function audit.make_partition(n bigint) returns void language plpgsql as $$
    declare
      name text := audit.partition_name(n);
      low  bigint := n * 4194304;
      high bigint := (n + 1) * 4194304;
    begin
      if to_regclass('audit.' || name) is not null then return; end if;
      execute format('create table audit.%I (like audit.entry including constraints including indexes including storage,
                      constraint %I check (index >= %s and index < %s))', name, name || '_range', low, high);
      perform audit.make_append_only(('audit.' || name)::regclass, true);
      execute format('grant select on audit.%I to onevisit_gateway, onevisit_auditor', name);
      execute format('alter table audit.entry attach partition audit.%I for values from (%s) to (%s)',
                     name, low, high);
    end $$;
  `.execute(db);
}
