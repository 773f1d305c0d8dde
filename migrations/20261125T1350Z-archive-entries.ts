import { sql, type Kysely } from 'kysely';

/** Which entries were moved to an archive, out of the database. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- Entries from first up to and without next stand in the folder of this name. What governs its deletion, and what
    -- proves it, is in the folder; the digest is that of its list of files.
    create table audit.archive (
      first      bigint primary key check (first >= 0),
      next       bigint not null unique check (next > first),
      name       text   not null unique,
      digest     bytea  not null check (octet_length(digest) = 32),
      newest     timestamptz not null,
      keep_until date   not null,
      at         timestamptz not null default now()
    );
    select audit.make_append_only('audit.archive', true);
    grant select on audit.archive to onevisit_gateway, onevisit_auditor;
  `.execute(db);

  await sql`
    -- Moves a partition out of the log, once its entries were verified where they were written: for the owner alone.
    -- The lock that writers of the log take comes first, as it does for them. Readers wait too: set a lock_timeout.
    create function audit.detach_partition(partition regclass, first_index bigint, next_index bigint) returns void
      language plpgsql volatile set search_path = audit, pg_temp as $$
    declare
      bound text := format('FOR VALUES FROM (''%s'') TO (''%s'')', first_index, next_index);
    begin
      perform audit.lock_log();
      if not exists (select from pg_inherits i join pg_class c on c.oid = i.inhrelid
                     where i.inhparent = 'audit.entry'::regclass and c.oid = partition
                       and pg_get_expr(c.relpartbound, c.oid) = bound) then
        raise exception '% is not the partition of entries % to %', partition, first_index, next_index - 1
          using errcode = 'object_not_in_prerequisite_state';
      end if;
      if not exists (select from audit.entry e where e.index >= next_index) or
         next_index > coalesce((select max(c.size) from audit.checkpoint c), 0) then
        raise exception 'the log needs the partition of its last entries, and of its last checkpoint'
          using errcode = 'object_not_in_prerequisite_state';
      end if;
      execute format('alter table audit.entry detach partition %s', partition);
      execute format('drop table %s', partition);
    end $$;

    -- One bounded step of taking the subjects of archived entries out of the search tables: blocks of the table from
    -- one on. Returns the block to go on with; null at its end.
    create function audit.forget_subjects(next_index bigint, from_block bigint, blocks int) returns bigint
      language plpgsql volatile set search_path = audit, pg_temp set plan_cache_mode = force_custom_plan as $$
    declare
      total bigint := pg_relation_size('audit.find_subject') / current_setting('block_size')::bigint;
    begin
      delete from audit.find_subject s
        where s.ctid >= format('(%s,0)', from_block)::tid and s.ctid < format('(%s,0)', from_block + blocks)::tid
          and s.index < next_index;
      return case when from_block + blocks < total then from_block + blocks end;
    end $$;

    revoke all on function audit.detach_partition, audit.forget_subjects from public;
  `.execute(db);
}
