import { sql, type Kysely } from 'kysely';

/**
 * Entries that name neither a consumer nor a provider, by time: acts that govern, and data keys among them. Who opens
 * a seal finds its key by it, however many exchanges there were in its hour.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create index find_governing on audit.find (at) where consumer is null and provider is null;
  `.execute(db);
}
