import { sql, type Kysely } from 'kysely';

/**
 * An entry of JSON too deep for the server to read (program_limit_exceeded) must not stop the index stage, as no
 * other entry does that can't be read.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- One bounded step of the index stage; returns the number of entries taken, -1 when another process
    -- is at it. A crash leaves the whole step undone.
    create or replace function audit.index_entries(at_most int) returns int language plpgsql volatile
      security definer set search_path = audit, pg_temp as $$
    declare
      mark   bigint;
      unread bigint;
      taken  int;
    begin
      if not pg_try_advisory_xact_lock(7103, 2) then return -1; end if;
      mark := audit.indexed();
      with fresh as materialized (
        select * from audit.parsed where index >= mark order by index limit at_most
      ), subjects as (
        insert into audit.find_subject (subject_ref, index)
          select distinct audit.subject_ref(s), f.index from fresh f cross join lateral unnest(f.subjects) s
          order by 1, 2
      )
      insert into audit.find
        select index, at, exchange, consumer, provider, dataset, purpose, outcome, official, case_no
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
      insert into audit.find (index) values (unread);
      return 1;
    end $$;
  `.execute(db);
}
