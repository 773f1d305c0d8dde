/** For tests of migrations: a database as it was before one of them. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import { Migrator, type Migration } from 'kysely/migration';
import type { Test } from 'tap';
import { openDatabase } from '../../src/db/database.ts';
import { createEmptyDatabase, type EmptyDatabase } from './database.ts';

const folder = join(import.meta.dirname, '..', '..', 'migrations');

/** A database as it was before a migration. */
export async function createBefore(t: Test, name: string): Promise<EmptyDatabase> {
  const empty = await createEmptyDatabase(t);
  const { database, close } = openDatabase(empty.adminUrl, 'test', { maxConnections: 1 });
  await sql`do $$ begin execute format('grant create on database %I to onevisit_owner', current_database()); end $$`.execute(
    database,
  );
  await sql`set role onevisit_owner`.execute(database);
  const migrator = new Migrator({
    db: database,
    migrationTableSchema: 'migration',
    provider: {
      async getMigrations() {
        const older = readdirSync(folder).filter((file) => file < `${name}.ts`);
        const loaded = older.map(
          async (file) => [file.slice(0, -3), (await import(join(folder, file))) as Migration] as const,
        );
        return Object.fromEntries(await Promise.all(loaded));
      },
    },
  });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error as Error;
  await close();
  return empty;
}
