import { enterAct, type Actor } from '../audit/act.ts';
import type { Database } from '../db/database.ts';
import { UserError, type Text } from '../errors.ts';
import { checkCode, checkText } from '../identity/registry.ts';

/** A registered reason to ask for data, as the API has it. */
export interface PurposeSummary {
  code: string;
  title: Text;
  legal_basis: string;
  requires: string[];
  confidential_days: number;
}

/** Registers a purpose. @throws UserError when it is there already, or is not well formed */
export async function addPurpose(database: Database, actor: Actor, purpose: PurposeSummary): Promise<void> {
  checkCode('purpose', purpose.code);
  checkText('the English title', purpose.title.en);
  checkText('the Chinese title', purpose.title.zh);
  checkText('the legal basis', purpose.legal_basis);
  const requires = [...new Set(purpose.requires)].sort();
  const unknown = requires.filter((demand) => demand !== 'case' && demand !== 'official');
  if (unknown.length > 0)
    throw new UserError(`a purpose can require case and official, not ${unknown.join(', ')}`);
  const days = purpose.confidential_days;
  if (!Number.isInteger(days) || days < 0 || days > 36_500)
    throw new UserError('confidential days must be a whole number from 0 to 36500');
  await database.transaction().execute(async (transaction) => {
    const added = await transaction
      .insertInto('registry.purpose')
      .values({
        code: purpose.code,
        title_en: purpose.title.en,
        title_zh: purpose.title.zh,
        legal_basis: purpose.legal_basis,
        requires,
        confidential_days: days,
      })
      .onConflict((conflict) => conflict.doNothing())
      .returning('code')
      .executeTakeFirst();
    if (added === undefined) throw new UserError(`there is a purpose "${purpose.code}" already`);
    await enterAct(transaction, actor, {
      operation: 'purpose-add',
      purpose: purpose.code,
      details: {
        title: { ...purpose.title },
        legal_basis: purpose.legal_basis,
        requires,
        confidential_days: days,
      },
    });
  });
}

export async function listPurposes(database: Database): Promise<PurposeSummary[]> {
  const rows = await database.selectFrom('registry.purpose').selectAll().orderBy('code').execute();
  return rows.map((row) => ({
    code: row.code,
    title: { zh: row.title_zh, en: row.title_en },
    legal_basis: row.legal_basis,
    requires: row.requires,
    confidential_days: row.confidential_days,
  }));
}
