import { sql, type Kysely } from 'kysely';

/**
 * Searches by time keep to what the log has told so far, so that no entry whose clock was wrong, or that a stolen
 * credential made up, hides others; searches by kind and trace read no bytes. The index stage fills the search tables
 * anew.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    truncate audit.find, audit.find_subject;
    alter table audit.find
      add column kind  text,
      add column trace uuid,
      -- The latest time that this entry and those before it tell, without times that were still to come: it never falls.
      add column so_far timestamptz not null;
    create index find_so_far on audit.find (so_far, index);
    -- Entries that stand far from where their time would have them: they are looked for by it.
    create index find_stray on audit.find (at) where at > so_far or so_far - at > interval '5 minutes';
    create index find_kind  on audit.find (kind, index)  where kind <> 'exchange';
    drop index audit.find_at;
    -- Data keys are found by their kind.
    drop index audit.find_governing;

    create or replace view audit.parsed as
      select e.index, j."time" as at, j.id as exchange, j.consumer, j.provider, j.dataset, j.purpose,
             j.outcome, j.official ->> 'id' as official, j."case" as case_no, j.subjects, e.bytes, e.leaf_hash,
             j.kind, j.trace_id as trace
      from audit.entry e
      cross join lateral json_to_record(convert_from(e.bytes, 'UTF8')::json) as j(
        "time" timestamptz, id uuid, consumer text, provider text, dataset text, purpose text, outcome text,
        official json, "case" text, subjects text[], kind text, trace_id uuid);

    create or replace function audit.readable(bytes bytea) returns boolean language plpgsql immutable
      set search_path = audit, pg_temp as $$
    declare
      texts    text[];
      subjects text[];
    begin
      select array[j.consumer, j.provider, j.dataset, j.purpose, j.outcome, j.official ->> 'id', j."case", j.kind],
          j.subjects
        into texts, subjects
        from json_to_record(convert_from(bytes, 'UTF8')::json) as j(
          "time" timestamptz, id uuid, consumer text, provider text, dataset text, purpose text, outcome text,
          official json, "case" text, subjects text[], kind text, trace_id uuid);
      -- A longer text would not fit a row of its index.
      return not exists (select from unnest(texts) x where octet_length(x) > 1024) and not exists (
        select from unnest(subjects) s where s is null or octet_length(audit.subject_ref(s)) <> 16);
    exception when others then
      return false;
    end $$;
  `.execute(db);

  await sql`
    -- One bounded step of the index stage; returns the number of entries taken, -1 when another process
    -- is at it. A crash leaves the whole step undone.
    create or replace function audit.index_entries(at_most int) returns int language plpgsql volatile
      security definer set search_path = audit, pg_temp as $$
    declare
      mark   bigint;
      before timestamptz;
      unread bigint;
      taken  int;
    begin
      if not pg_try_advisory_xact_lock(7103, 2) then return -1; end if;
      mark := audit.indexed();
      before := coalesce((select max(so_far) from audit.find), 'epoch');
      with fresh as materialized (
        select * from audit.parsed where index >= mark order by index limit at_most
      ), subjects as (
        insert into audit.find_subject (subject_ref, index)
          select distinct audit.subject_ref(s), f.index from fresh f cross join lateral unnest(f.subjects) s
          order by 1, 2
      )
      insert into audit.find
        (index, at, exchange, consumer, provider, dataset, purpose, outcome, official, case_no, kind, trace, so_far)
        select index, at, exchange, consumer, provider, dataset, purpose, outcome, official, case_no, kind, trace,
          greatest(before, max(at) filter (where at <= now() + interval '5 minutes') over (order by index))
        from fresh order by index;
      get diagnostics taken = row_count;
      return taken;
    exception when data_exception or integrity_constraint_violation or program_limit_exceeded then
      select e.index into unread from audit.entry e
        where e.index >= mark and e.index < mark + at_most and not audit.readable(e.bytes)
        order by e.index limit 1;
      if unread is null then raise; end if;
      if unread > mark then return audit.index_entries((unread - mark)::int); end if;
      -- An entry that can't be read has a row that says no more than that it is there.
      insert into audit.find (index, so_far) values (unread, before);
      return 1;
    end $$;
  `.execute(db);
}
