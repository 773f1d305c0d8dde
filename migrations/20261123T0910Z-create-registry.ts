import { sql, type Kysely } from 'kysely';

/** Departments, their clients, purposes and grants, and what a gateway remembers of its own settings. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create schema registry;

    create table registry.department (
      code       text primary key check (code ~ '^[a-z][a-z0-9-]{1,62}$'),
      title_en   text not null,
      title_zh   text not null,
      created_at timestamptz not null default now()
    );

    create table registry.client (
      id          text primary key,
      department  text not null references registry.department,
      roles       text[] not null check (
        cardinality(roles) > 0 and roles <@ array['exchange', 'provide', 'audit', 'disclose', 'admin']
        and not roles @> array['audit', 'admin']),
      secret_hash bytea check (octet_length(secret_hash) = 32),
      created_at  timestamptz not null default now(),
      revoked_at  timestamptz
    );

    create table registry.purpose (
      code              text primary key check (code ~ '^[a-z][a-z0-9-]{1,62}$'),
      title_en          text not null,
      title_zh          text not null,
      legal_basis       text not null,
      requires          text[] not null default '{}' check (requires <@ array['case', 'official']),
      confidential_days int not null default 0 check (confidential_days between 0 and 36500),
      created_at        timestamptz not null default now()
    );

    create table registry.grant (
      id           uuid primary key,
      consumer     text not null references registry.department,
      dataset      text not null,
      provider     text not null,
      fields       text[] not null check (cardinality(fields) > 0),
      plain_fields text[] not null default '{}' check (plain_fields <@ fields),
      purposes     text[] not null check (cardinality(purposes) > 0),
      legal_basis  text,
      status       text not null check (
        status in ('applied', 'active', 'rejected', 'withdrawn', 'suspended', 'revoked')),
      valid_from   timestamptz not null,
      valid_until  timestamptz not null check (valid_until > valid_from),
      requires     text[] not null default '{}' check (requires <@ array['case', 'official']),
      due          timestamptz,
      decided_by   text,
      reason       text,
      created_at   timestamptz not null default now()
    );
    create index grant_consumer on registry.grant (consumer, dataset);

    create table registry.setting (
      key   text primary key,
      value text not null
    );

    grant usage on schema registry to onevisit_gateway;
    grant select on all tables in schema registry to onevisit_gateway;
    grant insert on registry.setting to onevisit_gateway;
  `.execute(db);
}
