import { sql, type Kysely } from 'kysely';

/** Grants that allow verification alone, daily quotas of grants, and what counts both by the day. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table registry.grant
      add column verify_fields text[] not null default '{}',
      add column daily_quota bigint check (daily_quota > 0),
      drop constraint grant_fields_check,
      add constraint grant_fields_check check (cardinality(fields) + cardinality(verify_fields) > 0);

    create schema limits;
    grant usage on schema limits to onevisit_gateway;

    -- How often a consumer has verified claims about a subject on a day.
    create table limits.verification (
      day         date  not null,
      consumer    text  not null,
      subject_ref bytea not null check (octet_length(subject_ref) = 16),
      attempts    int   not null,
      primary key (day, consumer, subject_ref)
    );

    -- How many subjects of a grant's quota of the day gateways have taken on lease.
    create table limits.lease (
      day      date   not null,
      grant_id uuid   not null,
      leased   bigint not null check (leased >= 0),
      primary key (day, grant_id)
    );

    -- Counts an attempt; false when there were five on that day already.
    create function limits.attempt(on_day date, by_consumer text, ref bytea) returns boolean
      language plpgsql volatile security definer set search_path = limits, pg_temp
      set plan_cache_mode = force_custom_plan as $$
    begin
      insert into limits.verification as v (day, consumer, subject_ref, attempts)
        values (on_day, by_consumer, ref, 1)
        on conflict (day, consumer, subject_ref) do update set attempts = v.attempts + 1
          where v.attempts < 5;
      return found;
    end $$;

    -- Takes a part of what is left of a grant's quota of the day, and at least what is wanted; 0 when there is not so
    -- much left. The less is left, the smaller the part, so that little lies idle with others at the end.
    create function limits.take(on_day date, of_grant uuid, wanted bigint) returns bigint
      language plpgsql volatile security definer set search_path = limits, pg_temp as $$
    declare
      quota bigint := (select g.daily_quota from registry.grant g where g.id = of_grant);
      spent bigint;
      part  bigint;
    begin
      if wanted is null or wanted < 1 then raise exception 'wanted must be at least 1'; end if;
      if quota is null then return 0; end if;
      insert into limits.lease (day, grant_id, leased) values (on_day, of_grant, 0) on conflict do nothing;
      select l.leased into spent from limits.lease l where l.day = on_day and l.grant_id = of_grant for update;
      if quota - spent < wanted then return 0; end if;
      part := least(quota - spent, greatest(wanted, least((quota - spent) / 16, 2000)));
      update limits.lease set leased = leased + part where day = on_day and grant_id = of_grant;
      return part;
    end $$;

    -- Gives back what was not used.
    create function limits.give_back(on_day date, of_grant uuid, unused bigint) returns void
      language plpgsql volatile security definer set search_path = limits, pg_temp as $$
    begin
      if unused is null or unused < 0 then raise exception 'unused must not be negative'; end if;
      update limits.lease set leased = leased - unused where day = on_day and grant_id = of_grant;
    end $$;

    -- Forgets the days before one.
    create function limits.forget(before date) returns void
      language plpgsql volatile security definer set search_path = limits, pg_temp as $$
    begin
      if before > (now() at time zone 'UTC')::date - 1 then raise exception 'the day before yesterday at the latest'; end if;
      delete from limits.verification where day < before;
      delete from limits.lease where day < before;
    end $$;

    revoke all on all functions in schema limits from public;
    grant execute on all functions in schema limits to onevisit_gateway;
  `.execute(db);
}
