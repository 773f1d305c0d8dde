import { sql, type Kysely } from 'kysely';

/**
 * Tiles and checkpoints come in by one function, which holds them against the log: with a gateway's credentials one
 * could otherwise put a checkpoint beyond the end, and no entry would be taken any more.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    revoke insert on audit.tile, audit.checkpoint from onevisit_gateway;
    -- Every gateway reads the last note once a second.
    alter table audit.checkpoint add check (octet_length(note) <= 10000);

    -- Keeps a checkpoint, and the tiles that became full since the one that it continues, which is the last one: two
    -- never continue the same. The caller says how many successions of keys it knows of. What is not checked are the
    -- signature and the roots: whoever reads them does that.
    create function audit.publish(successions int, new_size bigint, old_size bigint, new_root bytea, new_note text,
        tile_level smallint[], tile_n bigint[], tile_hashes bytea[], tile_root bytea[]) returns void
      language plpgsql volatile security definer set search_path = audit, pg_temp
      -- A plan that is kept would be that of the small log that it was made for.
      set plan_cache_mode = force_custom_plan as $$
    declare
      entries bigint := coalesce((select e.index from audit.entry e order by e.index desc limit 1) + 1, 0);
      wrong   text;
    begin
      -- A succession of keys waits for this, or this for it: nobody signs with a key that was succeeded meanwhile.
      lock table audit.checkpoint in row exclusive mode;
      if successions is distinct from (select count(*) from audit.succession) then
        raise exception 'another key signs now' using errcode = 'unique_violation';
      end if;
      if old_size is distinct from
         coalesce((select c.size from audit.checkpoint c order by c.size desc limit 1), 0) then
        raise exception 'another checkpoint was first' using errcode = 'unique_violation';
      end if;
      if new_size is null or new_size > entries then
        raise exception 'a checkpoint of % entries covers more than the % that there are', new_size, entries
          using errcode = 'check_violation';
      end if;
      if exists (
        (select l::smallint, n from generate_series(0, 6) l
           cross join generate_series(old_size >> (8 * (l + 1)), (new_size >> (8 * (l + 1))) - 1) n
         except select * from unnest(tile_level, tile_n))
        union all
        (select * from unnest(tile_level, tile_n)
         except select l::smallint, n from generate_series(0, 6) l
           cross join generate_series(old_size >> (8 * (l + 1)), (new_size >> (8 * (l + 1))) - 1) n)
      ) then
        raise exception 'the tiles are not those that became full' using errcode = 'check_violation';
      end if;
      insert into audit.tile (level, n, hashes, root)
        select * from unnest(tile_level, tile_n, tile_hashes, tile_root) on conflict do nothing;
      select t.level || '/' || t.n into wrong
        from audit.tile t join unnest(tile_level, tile_n, tile_hashes, tile_root) g(level, n, hashes, root)
          on g.level = t.level and g.n = t.n
        where t.hashes <> g.hashes or t.root <> g.root order by t.level, t.n limit 1;
      if wrong is null then
        select g.level || '/' || g.n into wrong
          from unnest(tile_level, tile_n, tile_hashes) g(level, n, hashes)
          where g.hashes is distinct from case when g.level = 0
            then (select string_agg(e.leaf_hash, ''::bytea order by e.index) from audit.entry e
                  where e.index >= g.n * 256 and e.index < (g.n + 1) * 256)
            else (select string_agg(b.root, ''::bytea order by b.n) from audit.tile b
                  where b.level = g.level - 1 and b.n >= g.n * 256 and b.n < (g.n + 1) * 256) end
          order by g.level, g.n limit 1;
      end if;
      if wrong is not null then
        raise exception 'tile % does not have the hashes of its entries', wrong using errcode = 'data_corrupted';
      end if;
      insert into audit.checkpoint (size, previous_size, root, note, at)
        values (new_size, old_size, new_root, new_note, now());
    end $$;

    revoke all on function audit.publish from public;
    grant execute on function audit.publish to onevisit_gateway;
  `.execute(db);
}
