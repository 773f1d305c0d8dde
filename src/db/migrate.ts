import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql, type Transaction } from 'kysely';
import { Migrator, type Migration, type MigrationProvider } from 'kysely/migration';
import { UserError } from '../base/errors.ts';
import { openDatabase, type Database } from './database.ts';
import type { Tables } from './tables.ts';

const folder = new URL('../../migrations/', import.meta.url);
const migrationSchema = 'migration';

/** A migration may rebuild a large table; waiting for a lock, though, it would block the gateways. */
const statementTimeoutMs = 30 * 60_000;
const lockTimeout = '5s';
const maxRoleAttempts = 20;

/**
 * Brings the database to this program's schema, as the owner.
 *
 * @param adminUrl a role that may create roles, or is a member of onevisit_owner
 * @param enter makes those that ran an entry of the audit log, in the transaction in which they ran
 * @returns the names of the migrations that ran
 * @throws UserError when the schema is newer than the program, or a migration failed (nothing is changed then)
 */
export async function runMigrations(
  adminUrl: string,
  enter: (transaction: Transaction<Tables>, names: string[]) => Promise<unknown>,
): Promise<string[]> {
  const { database, close } = openDatabase(adminUrl, 'onevisit migrate', {
    maxConnections: 1,
    statementTimeoutMs,
  });
  try {
    // Another migration of the same database waits here until this one is done.
    await sql`set lock_timeout = 0`.execute(database);
    await sql`select pg_advisory_lock(7103, 200)`.execute(database);
    await ensureRoles(database);
    await refuseNewerSchema(database);
    await sql`set role onevisit_owner`.execute(database);
    await sql`set lock_timeout = ${sql.lit(lockTimeout)}`.execute(database);
    const names = await database.transaction().execute(async (transaction) => {
      const ran = await runPending(transaction);
      if (ran.length > 0) await enter(transaction, ran);
      return ran;
    });
    await sql`grant usage on schema ${sql.id(migrationSchema)} to onevisit_gateway`.execute(database);
    await sql`grant select on all tables in schema ${sql.id(migrationSchema)} to onevisit_gateway`.execute(
      database,
    );
    return names;
  } finally {
    await close();
  }
}

/** @throws UserError naming the migration that failed: its transaction can only be rolled back */
async function runPending(transaction: Transaction<Tables>): Promise<string[]> {
  let failed: { name: string; error: unknown } | null = null;
  const provider = providerOf((name, error) => (failed ??= { name, error }));
  const migrator = new Migrator({ db: transaction, provider, migrationTableSchema: migrationSchema });
  const { error, results } = await migrator.migrateToLatest();
  if (error === undefined) return (results ?? []).map((result) => result.migrationName);
  // What the migrator tells last is that the transaction is aborted.
  const { name, error: cause } = failed ?? { name: '', error };
  throw new UserError(`migration ${name} failed, nothing was changed: ${(cause as Error).message}`, {
    cause,
  });
}

/**
 * Holds the database's schema against the program's.
 *
 * @returns the migrations that the database lacks
 * @throws UserError when the database has migrations that this program does not know
 */
export async function listPendingMigrations(database: Database): Promise<string[]> {
  const executed = await refuseNewerSchema(database);
  return (await listKnown()).filter((name) => !executed.has(name));
}

async function refuseNewerSchema(database: Database): Promise<Set<string>> {
  const known = new Set(await listKnown());
  const executed = await listExecuted(database);
  const unknown = [...executed].filter((name) => !known.has(name));
  if (unknown.length > 0)
    throw new UserError(
      `the database's schema is newer than this program: it has ${unknown.join(', ')}; run the newer program`,
    );
  return executed;
}

async function listExecuted(database: Database): Promise<Set<string>> {
  const table = await sql<{ found: string | null }>`
    select to_regclass(${`${migrationSchema}.kysely_migration`})::text as found`.execute(database);
  if (table.rows[0]?.found == null) return new Set();
  const executed = await sql<{ name: string }>`
    select name from ${sql.table(`${migrationSchema}.kysely_migration`)}`.execute(database);
  return new Set(executed.rows.map((row) => row.name));
}

async function listKnown(): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.ts'));
  return names.map((name) => name.slice(0, -'.ts'.length)).sort();
}

/** @param onFailure hears which migration failed, and why */
function providerOf(onFailure: (name: string, error: unknown) => void): MigrationProvider {
  return {
    async getMigrations() {
      const migrations: Record<string, Migration> = {};
      for (const name of await listKnown()) {
        const migration = (await import(new URL(`${name}.ts`, folder).href)) as Migration;
        migrations[name] = {
          up: (db) =>
            migration.up(db).catch((error: unknown) => {
              onFailure(name, error);
              throw error;
            }),
        };
      }
      return migrations;
    },
  };
}

/**
 * Roles belong to the whole server, so another database may have made them already. The owner owns every
 * table and has no login; a gateway's and an auditor's login are these roles, or members of them.
 */
async function ensureRoles(database: Database): Promise<void> {
  for (let attempt = 1; ; attempt++)
    try {
      await makeRoles(database);
      return;
    } catch (error) {
      const concurrent = (error as Error).message === 'tuple concurrently updated';
      if (!concurrent || attempt >= maxRoleAttempts) throw error;
      await sleep(100);
    }
}

async function makeRoles(database: Database): Promise<void> {
  for (const role of ['onevisit_owner', 'onevisit_gateway', 'onevisit_auditor'])
    await sql`
      do $$ begin
        create role ${sql.id(role)} nologin;
      exception when duplicate_object or unique_violation then null;
      end $$`.execute(database);
  await sql`
    do $$ begin
      -- Whoever makes a role from PostgreSQL 16 on may not yet become it.
      grant onevisit_owner to current_user;
      execute format('grant create on database %I to onevisit_owner', current_database());
    end $$`.execute(database);
}

/** Lets a gateway log in as its role with a password, as an embedded database does it. */
export async function setGatewayPassword(adminUrl: string, password: string): Promise<void> {
  const { database, close } = openDatabase(adminUrl, 'onevisit migrate', { maxConnections: 1 });
  try {
    await sql`alter role onevisit_gateway login password ${sql.lit(password)}`.execute(database);
  } finally {
    await close();
  }
}
