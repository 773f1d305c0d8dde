import { sql, type Kysely } from 'kysely';

/**
 * Whoever writes the log waits for the disk, also where the database's setting says otherwise: gateways see to it on
 * their own connections, acts at a command line and looks do by this.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create or replace function audit.lock_log() returns void language plpgsql volatile
      set search_path = audit, pg_temp as $$
    begin
      if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'the audit log is written in read committed transactions only';
      end if;
      lock table audit.authority in share row exclusive mode;
      if current_setting('synchronous_commit') in ('off', 'local') then
        perform set_config('synchronous_commit', 'on', true);
      end if;
    end $$;
  `.execute(db);
}
