import { sql, type Kysely } from 'kysely';

/**
 * The index stage reads each entry once, so it takes the bytes as json: making jsonb of them first costs more than
 * all it then reads. What the stage can take, and what it asks whether it can, are the same.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create or replace view audit.parsed as
      select e.index, j."time" as at, j.id as exchange, j.consumer, j.provider, j.dataset, j.purpose,
             j.outcome, j.official ->> 'id' as official, j."case" as case_no, j.subjects, e.bytes, e.leaf_hash
      from audit.entry e
      cross join lateral json_to_record(convert_from(e.bytes, 'UTF8')::json) as j(
        "time" timestamptz, id uuid, consumer text, provider text, dataset text, purpose text, outcome text,
        official json, "case" text, subjects text[]);

    create or replace function audit.readable(bytes bytea) returns boolean language plpgsql immutable
      set search_path = audit, pg_temp as $$
    declare
      texts    text[];
      subjects text[];
    begin
      select array[j.consumer, j.provider, j.dataset, j.purpose, j.outcome, j.official ->> 'id', j."case"], j.subjects
        into texts, subjects
        from json_to_record(convert_from(bytes, 'UTF8')::json) as j(
          "time" timestamptz, id uuid, consumer text, provider text, dataset text, purpose text, outcome text,
          official json, "case" text, subjects text[]);
      -- A longer text would not fit a row of its index.
      return not exists (select from unnest(texts) x where octet_length(x) > 1024) and not exists (
        select from unnest(subjects) s where s is null or octet_length(audit.subject_ref(s)) <> 16);
    exception when others then
      return false;
    end $$;
  `.execute(db);
}
