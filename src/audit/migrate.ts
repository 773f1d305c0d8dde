import { runMigrations } from '../db/migrate.ts';
import { commandLineActor, enterAct } from './act.ts';

/**
 * Brings the database to this program's schema, as the owner; which migrations ran is an entry of the audit log, in
 * one transaction with them.
 *
 * @returns the names of the migrations that ran
 * @throws UserError as `runMigrations`
 */
export function migrate(adminUrl: string): Promise<string[]> {
  return runMigrations(adminUrl, (transaction, migrations) =>
    enterAct(transaction, commandLineActor(), { operation: 'migrate', details: { migrations } }),
  );
}
