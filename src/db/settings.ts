import { UserError } from '../base/errors.ts';
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
  await database.transaction().execute(async (transaction) => {
    await transaction
      .insertInto('registry.setting')
      .values(rows)
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    const remembered = await transaction
      .selectFrom('registry.setting')
      .selectAll()
      .where('key', 'in', Object.keys(settings))
      .execute();
    refuseOthers(settings, remembered);
  });
}

/** What throws here also undoes what was new: a refused start leaves nothing behind. */
function refuseOthers(settings: Record<string, string>, remembered: { key: string; value: string }[]): void {
  const faults = remembered
    .filter(({ key, value }) => settings[key] !== value)
    .map(({ key, value }) => `${key}: this database is used with ${value}, not with ${settings[key]}`);
  if (faults.length > 0)
    throw new UserError(`settings differ from those that the database remembers:\n  ${faults.join('\n  ')}`);
}
