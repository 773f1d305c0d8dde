import { sql, type Kysely } from 'kysely';

/** After a month, of the checkpoints of an hour the last one is kept. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- Nobody changes a checkpoint; deleted is one that is a month old when a later one of its hour is kept.
    create function audit.refuse_checkpoint_change() returns trigger language plpgsql
      set search_path = audit, pg_temp as $$
    begin
      if tg_op = 'DELETE' and old.at < now() - interval '1 month' and date_trunc('hour', old.at at time zone 'UTC') =
         (select date_trunc('hour', c.at at time zone 'UTC') from audit.checkpoint c
          where c.size > old.size order by c.size limit 1) then
        return old;
      end if;
      raise exception 'the audit log is append-only: % on audit.checkpoint refused', tg_op
        using errcode = 'insufficient_privilege';
    end $$;
    drop trigger append_only on audit.checkpoint;
    create trigger append_only before update or delete on audit.checkpoint
      for each row execute function audit.refuse_checkpoint_change();
    alter table audit.checkpoint enable always trigger append_only;

    -- One bounded step along the checkpoints, behind one of this size: deletes those that may be deleted, and returns
    -- the size to go on behind; null at the end of those that are a month old.
    create function audit.thin_checkpoints(behind bigint, at_most int) returns bigint
      language plpgsql volatile security definer set search_path = audit, pg_temp as $$
    declare
      sizes bigint[];
      times timestamptz[];
      last  int;
    begin
      select array_agg(s.size order by s.size), array_agg(s.at order by s.size) into sizes, times
        from (select c.size, c.at from audit.checkpoint c where c.size > behind order by c.size limit at_most) s;
      last := coalesce(cardinality(sizes), 0);
      for i in 1 .. last - 1 loop
        if times[i] >= now() - interval '1 month' then return null; end if;
        if date_trunc('hour', times[i] at time zone 'UTC') = date_trunc('hour', times[i + 1] at time zone 'UTC') then
          delete from audit.checkpoint c where c.size = sizes[i];
        end if;
      end loop;
      -- The last of the step is looked at together with the one after it.
      return case when last = at_most then sizes[last - 1] end;
    end $$;

    revoke all on function audit.thin_checkpoints, audit.refuse_checkpoint_change from public;
    grant execute on function audit.thin_checkpoints to onevisit_gateway;
  `.execute(db);
}
