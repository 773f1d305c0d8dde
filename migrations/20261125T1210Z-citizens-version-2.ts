import { sql, type Kysely } from 'kysely';

/**
 * The dataset of schemas/v2/citizens.json, which is what the store holds from now on: the address in four parts, which
 * make the old text when they are put together, and the phone by another name. Version 1 becomes a view of that.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- An address in its parts: province, city, district, and what is left; all of it is left where no province leads.
    create function store.split_address(address text) returns text[] language plpgsql immutable strict as $$
    declare
      province text := coalesce(substring(address from '^[^省市区县旗[:space:]]{1,12}自治区'),
                                substring(address from '^[^省市区县旗[:space:]]{1,8}省'),
                                substring(address from '^(?:北京|天津|上海|重庆)市'));
      city     text;
      district text;
      rest     text := address;
    begin
      if province is null then return array[null, null, null, address]; end if;
      rest := substr(rest, length(province) + 1);
      if right(province, 1) <> '市' then
        city := coalesce(substring(rest from '^[^省市区县旗路街号0-9A-Za-z[:space:]]{1,14}自治州'),
                         substring(rest from '^[^省市区县旗路街号0-9A-Za-z[:space:]]{1,12}地区'),
                         substring(rest from '^[^省市区县旗盟路街号0-9A-Za-z[:space:]]{1,12}盟'),
                         substring(rest from '^[^省市区县旗路街号0-9A-Za-z[:space:]]{1,12}市(?!场)'));
        rest := substr(rest, length(coalesce(city, '')) + 1);
      end if;
      -- A name may begin with what others end in (市南区) or hold it (沙市区); that of a street or estate is none.
      district := substring(rest from '^[^0-9A-Za-z][^市区县旗路街镇村号0-9A-Za-z]{0,14}(?:市(?!场)[区市]?|[区县旗])');
      if district ~ '(院|园|苑|厂|楼|栋|幢|[小社校]|家属|生活|宿舍).*区$' then district := null; end if;
      rest := substr(rest, length(coalesce(district, '')) + 1);
      return array[province, city, district, nullif(rest, '')];
    end $$;

    alter table store.citizens
      add column province text,
      add column city text,
      add column district text,
      add column address_detail text,
      add column occupation text;

    -- Every address is written once, and nothing of the old text stays beside its parts.
    update store.citizens c
      set household_address = null,
          (province, city, district, address_detail) = (
            select parts[1], parts[2], parts[3], parts[4]
            from (select store.split_address(c.household_address) as parts offset 0) split)
      where household_address is not null;
    drop function store.split_address;

    create or replace view v1.citizens as
      select id, name, sex, birth_date, ethnicity,
             case when coalesce(province, city, district, address_detail) is not null
                  then concat(province, city, district, address_detail) end as household_address,
             region_code, phone, marital_status, deceased_on, as_of
      from store.citizens;
    alter table store.citizens drop column household_address;
    alter table store.citizens rename column phone to mobile_phone;

    create schema v2;
    grant usage on schema v2 to onevisit_gateway;
    create view v2.citizens as
      select id, name, sex, birth_date, ethnicity, province, city, district, address_detail, region_code,
             mobile_phone, marital_status, deceased_on, occupation, as_of
      from store.citizens;
    grant select on v2.citizens to onevisit_gateway;
  `.execute(db);
}
