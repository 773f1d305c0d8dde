import type { Actor, CarriedOutAct } from '../audit/act.ts';
import type { Database } from '../db/database.ts';
import { UserError } from '../base/errors.ts';
import { type Text } from '../base/error-table.ts';
import { checkCode, checkText } from '../identity/departments-and-clients.ts';
import { carryOut } from './carry-out.ts';
import { demands, sortUnique } from './terms.ts';

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
  const unknown = sortUnique(purpose.requires).filter(
    (demand) => !(demands as readonly string[]).includes(demand),
  );
  if (unknown.length > 0)
    throw new UserError(`a purpose can require case and official, not ${unknown.join(', ')}`);
  const days = purpose.confidential_days;
  if (!Number.isInteger(days) || days < 0 || days > maxConfidentialDays)
    throw new UserError(`confidential days must be a whole number from 0 to ${maxConfidentialDays}`);
  if ((await carryOut(database, actor, purposeAct(purpose))) === null)
    throw new UserError(`there is a purpose "${purpose.code}" already`);
}

export const maxConfidentialDays = 36_500;

/** The act of registering a purpose. */
export function purposeAct({ code, title, legal_basis, requires, confidential_days }: PurposeSummary) {
  return {
    operation: 'purpose-add',
    purpose: code,
    details: { title: { ...title }, legal_basis, requires: sortUnique(requires), confidential_days },
  } as const satisfies CarriedOutAct;
}

/** All purposes, by their codes. */
export async function listPurposes(database: Database): Promise<PurposeSummary[]> {
  const { purposes } = await findPurposes(database, { after: null, limit: null });
  return purposes;
}

/** A page of the purposes, by their codes: after the one where the page before ended, or from the first. */
export async function findPurposes(
  database: Database,
  { after, limit }: { after: string | null; limit: number | null },
): Promise<{ purposes: PurposeSummary[]; next: string | null }> {
  let query = database.selectFrom('registry.purpose').selectAll().orderBy('code');
  if (after !== null) query = query.where('code', '>', after);
  if (limit !== null) query = query.limit(limit + 1);
  const rows = await query.execute();
  const shown = rows.slice(0, limit ?? rows.length);
  const purposes = shown.map((row) => ({
    code: row.code,
    title: { zh: row.title_zh, en: row.title_en },
    legal_basis: row.legal_basis,
    requires: row.requires,
    confidential_days: row.confidential_days,
  }));
  return { purposes, next: rows.length > shown.length ? shown.at(-1)!.code : null };
}
