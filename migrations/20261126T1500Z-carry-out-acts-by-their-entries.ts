import { sql, type Kysely } from 'kysely';

/**
 * Purposes and grants change by their entries alone: one function does what an entry says and appends it. It is a
 * gateway's only way to write them. Grants get the members of an application, and a history.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table registry.grant
      add column number          bigint generated always as identity unique,
      add column justification   jsonb,
      add column expected_volume bigint check (expected_volume > 0),
      add column renews          uuid references registry.grant,
      alter column valid_from drop not null,
      add constraint grant_finite check (isfinite(valid_from) and isfinite(valid_until) and isfinite(due)),
      add constraint grant_begun check (
        valid_from is not null or status in ('applied', 'rejected', 'withdrawn'));
    create index grant_provider on registry.grant (provider, number);

    -- What was done to each grant, as the entries say it, and what it was from then on.
    create table registry.grant_act (
      grant_id uuid   not null references registry.grant,
      entry    bigint not null,
      act      jsonb  not null,
      status   text   not null,
      primary key (grant_id, entry)
    );

    -- What acts with an idempotency key were answered: for a day the same request is answered the same.
    create table registry.answer (
      client   text        not null,
      key_hash bytea       not null check (octet_length(key_hash) = 32),
      request  bytea       not null check (octet_length(request) = 32),
      entry    bigint      not null,
      answer   jsonb       not null,
      at       timestamptz not null,
      primary key (client, key_hash)
    );
    create index answer_at on registry.answer (at);
    grant select on registry.grant_act, registry.answer to onevisit_gateway;
  `.execute(db);

  // Whoever could append may have planted anything: what is not an act's entry is passed over.
  await sql`
    create function pg_temp.read_entry(bytes bytea) returns jsonb language plpgsql as $$
    begin
      return convert_from(bytes, 'UTF8')::jsonb;
    exception when others then
      return null;
    end $$;

    insert into registry.grant_act (grant_id, entry, act, status)
    select g.id, e.index, a.act,
      case when a.act ->> 'operation' = 'grant-revoke' then 'revoked'
           when a.act #>> '{details,status}' = 'suspended' then 'suspended' else 'active' end
    from (
      select f.index from audit.find f where f.kind = 'grant'
      union
      select t.index from audit.entry t where t.index >= (select audit.indexed())
    ) i
    join audit.entry e on e.index = i.index
    cross join lateral (select pg_temp.read_entry(e.bytes) as act) a
    join registry.grant g on g.id::text = a.act #>> '{grants,0}'
    where a.act ->> 'kind' = 'grant' and (a.act ->> 'operation' = 'grant-add'
      or a.act ->> 'operation' = 'grant-revoke' and g.status = 'revoked');
  `.execute(db);

  await sql`
    -- Does what an entry of kind purpose or grant says, and appends the entry. Returns what came of it; no row, and
    -- nothing is done, when who-may-see-what has changed since the version that the caller decided under (null: never
    -- mind), when the grant is no longer what it was, when there is such a purpose already, or when the key came with
    -- another request. What was done under the key before is not done again.
    create function registry.carry_out(
      authority bigint, entry_bytes bytea, entry_hash bytea, once_key bytea, once_request bytea)
      returns table (entry bigint, answer jsonb)
      language plpgsql volatile security definer set search_path = registry, audit, pg_temp as $$
    declare
      act      jsonb := convert_from(entry_bytes, 'UTF8')::jsonb;
      terms    jsonb := act -> 'details';
      doing    text := act ->> 'operation';
      moment   timestamptz := (act ->> 'time')::timestamptz;
      of_grant uuid := (act #>> '{grants,0}')::uuid;
      g        registry.grant;
      known    registry.answer;
    begin
      if act ->> 'kind' is distinct from (case when doing = 'purpose-add' then 'purpose' else 'grant' end)
        or (act ->> 'id')::uuid is null or isfinite(moment) is not true or act ->> 'client' is null then
        raise exception 'an act has its kind, an id, a time and a client' using errcode = 'data_exception';
      end if;
      -- A gateway decides under an authority, and makes no grant that nobody applied for.
      if (authority is null or doing = 'grant-add') and not pg_has_role(session_user, 'onevisit_owner', 'member') then
        raise exception 'only the owner may do that' using errcode = 'insufficient_privilege';
      end if;
      perform audit.lock_log();
      if authority is distinct from (select a.version from audit.authority a where a.id = 1)
        and authority is not null then return; end if;
      if entry_hash is distinct from sha256('\\x00' || entry_bytes) then
        raise exception 'the leaf hash is not that of its bytes' using errcode = 'data_exception';
      end if;
      if once_key is not null then
        delete from registry.answer a
          where a.client = act ->> 'client' and a.at <= moment - interval '24 hours';
        select a.* into known from registry.answer a where a.client = act ->> 'client' and a.key_hash = once_key;
        if found then
          if known.request = once_request then return query select known.entry, known.answer; end if;
          return;
        end if;
      end if;

      case doing
      when 'purpose-add' then
        insert into registry.purpose (code, title_en, title_zh, legal_basis, requires, confidential_days)
          values (act ->> 'purpose', terms #>> '{title,en}', terms #>> '{title,zh}', terms ->> 'legal_basis',
            array(select jsonb_array_elements_text(terms -> 'requires')), (terms ->> 'confidential_days')::int)
          on conflict do nothing;
        if not found then return; end if;
        answer := terms || jsonb_build_object('code', act -> 'purpose');
      when 'grant-add', 'grant-apply' then
        g := jsonb_populate_record(null::registry.grant, terms);
        if (doing = 'grant-apply') <> (g.status = 'applied') then
          raise exception 'only an application is applied for' using errcode = 'data_exception';
        end if;
        insert into registry.grant (id, consumer, dataset, provider, fields, plain_fields, verify_fields, purposes,
            legal_basis, justification, expected_volume, status, valid_from, valid_until, requires, daily_quota, due,
            renews, decided_by, reason)
          values (of_grant, g.consumer, act ->> 'dataset', act ->> 'provider', g.fields, g.plain_fields,
            g.verify_fields, g.purposes, g.legal_basis, g.justification, g.expected_volume, g.status, g.valid_from,
            g.valid_until, g.requires, g.daily_quota, g.due, g.renews,
            case when doing = 'grant-add' then act ->> 'client' end, g.reason)
          returning * into g;
      when 'grant-approve', 'grant-reject', 'grant-suspend', 'grant-resume', 'grant-revoke', 'grant-withdraw' then
        if (doing, terms ->> 'was', terms ->> 'status') not in (
          ('grant-approve', 'applied', 'active'), ('grant-reject', 'applied', 'rejected'),
          ('grant-suspend', 'active', 'suspended'), ('grant-resume', 'suspended', 'active'),
          ('grant-revoke', 'active', 'revoked'), ('grant-revoke', 'suspended', 'revoked'),
          ('grant-withdraw', 'applied', 'withdrawn'), ('grant-withdraw', 'active', 'withdrawn'),
          ('grant-withdraw', 'suspended', 'withdrawn')) is not false then
          raise exception 'there is no such step' using errcode = 'data_exception';
        end if;
        select x.* into g from registry.grant x where x.id = of_grant and x.status = terms ->> 'was' for update;
        if not found then return; end if;
        g := jsonb_populate_record(g, terms);
        update registry.grant x set
            status = g.status, fields = g.fields, plain_fields = g.plain_fields, verify_fields = g.verify_fields,
            valid_from = g.valid_from, valid_until = g.valid_until, requires = g.requires,
            daily_quota = g.daily_quota, reason = terms ->> 'reason',
            decided_by = case when doing = 'grant-withdraw' then x.decided_by else act ->> 'client' end
          where x.id = of_grant returning * into g;
      end case;

      entry := audit.append_act(entry_bytes, entry_hash, doing not in ('grant-apply', 'grant-reject'));
      if of_grant is not null then
        answer := to_jsonb(g);
        insert into registry.grant_act values (of_grant, entry, act, g.status);
      end if;
      if once_key is not null then
        insert into registry.answer values (act ->> 'client', once_key, once_request, entry, answer, moment);
      end if;
      return next;
    end $$;

    revoke all on function registry.carry_out from public;
    grant execute on function registry.carry_out to onevisit_gateway;
  `.execute(db);
}
