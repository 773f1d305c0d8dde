import { UserError } from '../errors.ts';
import type { Database } from './database.ts';

/**
 * Holds a gateway's settings against those that the database remembers from the first start on, and remembers
 * what is new.
 *
 * @param settings name of the setting to its value; none is a secret
 * @throws UserError naming each that differs
 */
export async function rememberSettings(database: Database, settings: Record<string, string>): Promise<void> {
  const rows = Object.entries(settings).map(([key, value]) => ({ key, value }));
  await database
    .insertInto('registry.setting')
    .values(rows)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const remembered = await database
    .selectFrom('registry.setting')
    .selectAll()
    .where('key', 'in', Object.keys(settings))
    .execute();
  const faults = remembered
    .filter(({ key, value }) => settings[key] !== value)
    .map(({ key, value }) => `${key}: this database was first used with ${value}, not with ${settings[key]}`);
  if (faults.length > 0)
    throw new UserError(`settings differ from those that the database remembers:\n  ${faults.join('\n  ')}`);
}
