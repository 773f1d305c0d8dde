import { sql, type Kysely } from 'kysely';

/** The audit log's tables, the one function that appends to them, and the search tables behind it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create schema audit;
    grant usage on schema audit to onevisit_gateway, onevisit_auditor;

    create table audit.entry (
      index      bigint primary key,
      bytes      bytea  not null check (octet_length(bytes) between 2 and 65535),
      leaf_hash  bytea  not null check (octet_length(leaf_hash) = 32)
    ) partition by range (index);

    create table audit.authority (
      id      int    primary key check (id = 1),
      version bigint not null
    );
    insert into audit.authority values (1, 1);

    create table audit.tile (
      level  smallint not null check (level between 0 and 7),
      n      bigint   not null check (n >= 0),
      hashes bytea    not null check (octet_length(hashes) = 8192),
      root   bytea    not null check (octet_length(root) = 32),
      primary key (level, n)
    );

    create table audit.checkpoint (
      size          bigint primary key check (size > 0),
      previous_size bigint not null unique check (previous_size < size),
      root          bytea  not null check (octet_length(root) = 32),
      note          text   not null,
      at            timestamptz not null
    );
  `.execute(db);

  // What is in the log stays as it is: triggers that session_replication_role does not pass, on each
  // partition itself, because a trigger cloned from the parent vanishes when a partition is detached.
  await sql`
    create function audit.refuse_change() returns trigger language plpgsql as $$
    begin
      raise exception 'the audit log is append-only: % on %.% refused', tg_op, tg_table_schema, tg_table_name
        using errcode = 'insufficient_privilege';
    end $$;

    create function audit.make_append_only(relation regclass, by_row boolean) returns void language plpgsql as $$
    begin
      if by_row then
        execute format('create trigger append_only before update or delete on %s
                        for each row execute function audit.refuse_change()', relation);
        execute format('alter table %s enable always trigger append_only', relation);
      end if;
      execute format('create trigger no_truncate before truncate on %s
                      for each statement execute function audit.refuse_change()', relation);
      execute format('alter table %s enable always trigger no_truncate', relation);
    end $$;

    select audit.make_append_only('audit.entry', false);
    select audit.make_append_only('audit.tile', true);
    select audit.make_append_only('audit.checkpoint', true);

    create function audit.partition_name(n bigint) returns text language sql immutable as $$
      select 'entry_' || case when n < 10000 then lpad(n::text, 4, '0') else n::text end
    $$;

    create function audit.make_partition(n bigint) returns void language plpgsql as $$
    declare
      name text := audit.partition_name(n);
      low  bigint := n * 4194304;
      high bigint := (n + 1) * 4194304;
    begin
      if to_regclass('audit.' || name) is not null then return; end if;
      execute format('create table audit.%I (like audit.entry including constraints including indexes,
                      constraint %I check (index >= %s and index < %s))', name, name || '_range', low, high);
      perform audit.make_append_only(('audit.' || name)::regclass, true);
      execute format('grant select on audit.%I to onevisit_gateway, onevisit_auditor', name);
      execute format('alter table audit.entry attach partition audit.%I for values from (%s) to (%s)',
                     name, low, high);
    end $$;

    select audit.make_partition(n) from generate_series(0, 3) n;
  `.execute(db);

  await sql`
    -- The index that the next entry takes. Call it under the append lock.
    create function audit.next_index() returns bigint language plpgsql volatile
      set search_path = audit, pg_temp as $$
    declare
      published bigint := coalesce((select c.size from audit.checkpoint c order by c.size desc limit 1), 0);
      last      bigint;
    begin
      select e.index into last from audit.entry e
        where e.index >= published - 1 order by e.index desc limit 1;
      if last is null and published > 0 then
        raise exception 'the audit log is shorter than its last checkpoint (%)', published
          using errcode = 'data_corrupted';
      end if;
      return coalesce(last + 1, 0);
    end $$;

    -- Every writer of the log takes this lock first: one at a time over all gateways, and an isolation
    -- in which what the last one committed is seen. It is a lock on a table, because anyone who may log in
    -- could hold an advisory one.
    create function audit.lock_log() returns void language plpgsql volatile
      set search_path = audit, pg_temp as $$
    begin
      if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'the audit log is written in read committed transactions only';
      end if;
      lock table audit.authority in share row exclusive mode;
    end $$;

    -- Gives all entries the log's next indices, in order, and returns the first; inserts nothing and
    -- returns null when who-may-see-what has changed since the version that the caller decided under.
    create function audit.append(authority bigint, entry_bytes bytea[], leaf_hashes bytea[]) returns bigint
      language plpgsql volatile security definer set search_path = audit, pg_temp as $$
    declare
      base     bigint;
      inserted bigint;
    begin
      perform audit.lock_log();
      if authority is distinct from (select a.version from audit.authority a where a.id = 1) then
        return null;
      end if;
      if exists (select from unnest(entry_bytes, leaf_hashes) as u(b, h) where h <> sha256('\\x00' || b)) then
        raise exception 'a leaf hash is not that of its bytes' using errcode = 'data_exception';
      end if;
      base := audit.next_index();
      insert into audit.entry (index, bytes, leaf_hash)
        select base + u.n - 1, u.b, u.h from unnest(entry_bytes, leaf_hashes) with ordinality as u(b, h, n);
      get diagnostics inserted = row_count;
      if inserted = 0 or inserted <> cardinality(entry_bytes) then
        raise exception 'audit.append inserted % of % entries', inserted, cardinality(entry_bytes);
      end if;
      return base;
    end $$;

    -- Enters an act that governs, in the transaction that carries it out. When it changes who may see what,
    -- every exchange decided before it is decided again.
    create function audit.append_act(entry_bytes bytea, leaf_hash bytea, changes_authority boolean) returns bigint
      language plpgsql volatile set search_path = audit, pg_temp as $$
    declare
      base bigint;
    begin
      perform audit.lock_log();
      if changes_authority then
        update audit.authority set version = version + 1 where id = 1;
        perform pg_notify('onevisit_authority', '');
      end if;
      base := audit.next_index();
      insert into audit.entry (index, bytes, leaf_hash) values (base, entry_bytes, append_act.leaf_hash);
      return base;
    end $$;
  `.execute(db);

  await sql`
    create table audit.find (
      index    bigint primary key,
      at       timestamptz,
      exchange uuid,
      consumer text, provider text, dataset text, purpose text, outcome text, official text, case_no text
    );
    create index find_at       on audit.find (at);
    create index find_exchange on audit.find (exchange);
    create index find_consumer on audit.find (consumer, index);
    create index find_provider on audit.find (provider, index) where provider is not null;
    create index find_dataset  on audit.find (dataset, index)  where dataset is not null;
    create index find_official on audit.find (official, index) where official is not null;
    create index find_case_no  on audit.find (case_no, index)  where case_no is not null;

    create table audit.find_subject (
      subject_ref bytea  not null check (octet_length(subject_ref) = 16),
      index       bigint not null,
      primary key (subject_ref, index)
    );

    -- The entries as the search tables see them, read from the stored bytes.
    create view audit.parsed as
      select e.index, j."time" as at, j.id as exchange, j.consumer, j.provider, j.dataset, j.purpose,
             j.outcome, j.official ->> 'id' as official, j."case" as case_no, j.subjects, e.bytes, e.leaf_hash
      from audit.entry e
      cross join lateral jsonb_to_record(convert_from(e.bytes, 'UTF8')::jsonb) as j(
        "time" timestamptz, id uuid, consumer text, provider text, dataset text, purpose text, outcome text,
        official jsonb, "case" text, subjects text[]);

    create function audit.subject_ref(encoded text) returns bytea language sql immutable strict as $$
      select decode(translate(encoded, '-_', '+/') || '==', 'base64')
    $$;

    -- The first index that the search tables don't hold yet: their watermark.
    create function audit.indexed() returns bigint language sql stable as $$
      select coalesce(max(index) + 1, 0) from audit.find
    $$;

    -- Whether an entry's bytes are what the search tables can take. Only a stolen credential of a gateway
    -- could append others, and they must not stop the stage.
    create function audit.readable(bytes bytea) returns boolean language plpgsql immutable
      set search_path = audit, pg_temp as $$
    begin
      perform from jsonb_to_record(convert_from(bytes, 'UTF8')::jsonb) as j(
        "time" timestamptz, id uuid, consumer text, provider text, dataset text, purpose text, outcome text,
        official jsonb, "case" text, subjects text[])
        where exists (select from unnest(j.subjects) s where s is null or octet_length(audit.subject_ref(s)) <> 16);
      return not found;
    exception when others then
      return false;
    end $$;

    -- One bounded step of the index stage; returns the number of entries taken, -1 when another process
    -- is at it. A crash leaves the whole step undone.
    create function audit.index_entries(at_most int) returns int language plpgsql volatile
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
    exception when data_exception or integrity_constraint_violation then
      select e.index into unread from audit.entry e
        where e.index >= mark and e.index < mark + at_most and not audit.readable(e.bytes)
        order by e.index limit 1;
      if unread is null then raise; end if;
      if unread > mark then return audit.index_entries((unread - mark)::int); end if;
      -- An entry that can't be read has a row that says no more than that it is there.
      insert into audit.find (index) values (unread);
      return 1;
    end $$;

    -- Keeps three empty partitions ahead of the log.
    create function audit.make_partitions_ahead() returns void
      language plpgsql volatile security definer set search_path = audit, pg_temp as $$
    declare
      current_n bigint := coalesce((select max(index) from audit.entry), 0) / 4194304;
    begin
      if to_regclass('audit.' || audit.partition_name(current_n + 3)) is not null then return; end if;
      perform pg_advisory_xact_lock(7103, 3);
      perform audit.make_partition(n) from generate_series(current_n, current_n + 3) n;
    end $$;
  `.execute(db);

  await sql`
    revoke all on all functions in schema audit from public;
    grant execute on function audit.append, audit.make_partitions_ahead, audit.index_entries,
      audit.subject_ref, audit.indexed to onevisit_gateway;
    grant execute on function audit.subject_ref, audit.indexed to onevisit_auditor;
    grant select on all tables in schema audit to onevisit_gateway, onevisit_auditor;
    grant insert on audit.tile, audit.checkpoint to onevisit_gateway;
  `.execute(db);
}
