import { sql, type Kysely } from 'kysely';

/** Who vouches for subjects that log in to see their disclosures, and the login assertions that were used. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table registry.identity_provider (
      issuer   text primary key check (length(issuer) between 1 and 200),
      keys     jsonb not null check (jsonb_typeof(keys) = 'array'),
      added_at timestamptz not null default now()
    );
    grant select on registry.identity_provider to onevisit_gateway;

    -- Each assertion opens one list: its id is kept, hashed, until it has expired for good.
    create table registry.assertion_use (
      issuer     text  not null,
      id_hash    bytea not null check (octet_length(id_hash) = 32),
      expires_at timestamptz not null,
      primary key (issuer, id_hash)
    );
    create index assertion_use_expires_at on registry.assertion_use (expires_at);

    -- Uses an assertion; false when it was used before. The clocks of gateways may differ by less than an hour.
    create function registry.use_assertion(by_issuer text, hashed bytea, until timestamptz) returns boolean
      language plpgsql volatile security definer set search_path = registry, pg_temp
      set plan_cache_mode = force_custom_plan as $$
    begin
      delete from registry.assertion_use u where (u.issuer, u.id_hash) in (
        select o.issuer, o.id_hash from registry.assertion_use o
        where o.expires_at < now() - interval '1 hour' order by o.expires_at limit 100
        for update skip locked);
      insert into registry.assertion_use (issuer, id_hash, expires_at) values (by_issuer, hashed, until)
        on conflict do nothing;
      return found;
    end $$;
    revoke all on function registry.use_assertion from public;
    grant execute on function registry.use_assertion to onevisit_gateway;
  `.execute(db);
}
