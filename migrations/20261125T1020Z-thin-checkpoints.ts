import { sql, type Kysely } from 'kysely';

/** After a month, of the checkpoints of an hour the last one is kept. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create index checkpoint_at on audit.checkpoint (at);

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

    -- Deletes some of those that may be deleted; returns how many.
    create function audit.thin_checkpoints(at_most int) returns int
      language plpgsql volatile security definer set search_path = audit, pg_temp as $$
    declare
      deleted int;
    begin
      delete from audit.checkpoint c using (
        select s.size from (
          select o.size, o.at, lead(o.at) over (order by o.size) as next_at
          from audit.checkpoint o where o.at < now() - interval '1 month'
        ) s
        where date_trunc('hour', s.at at time zone 'UTC') = date_trunc('hour', s.next_at at time zone 'UTC')
        order by s.size limit at_most
      ) t where c.size = t.size;
      get diagnostics deleted = row_count;
      return deleted;
    end $$;

    revoke all on function audit.thin_checkpoints, audit.refuse_checkpoint_change from public;
    grant execute on function audit.thin_checkpoints to onevisit_gateway;
  `.execute(db);
}
