import type { FoundEntry } from '../audit/query.ts';
import { findEntries } from '../audit/query.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { Database } from '../db/database.ts';
import { errorTable, type ErrorCode, type Text } from '../errors.ts';
import type { Purpose } from '../grants/authority.ts';

/** What a disclosure needs of an exchange's entry. */
interface ExchangeEntry {
  kind: string;
  id: string;
  time: string;
  consumer: string;
  dataset: string;
  version: number;
  operation: string;
  purpose?: string;
  fields?: string[];
  outcome: string;
  code?: ErrorCode;
}

/** One exchange as its subject may see it. */
export interface Disclosure {
  /** The exchange's id: what the subject names when asking the department, or the audit office, about it. */
  id: string;
  time: string;
  department: Named;
  dataset: Named;
  operation: string;
  purpose: Named | null;
  fields: Named[];
  outcome: string;
  refusal: Named | null;
}

/** A code, and what people call it. */
interface Named {
  code: string;
  title: Text;
}

/** A page of exchanges that a subject may see, newest first. */
export interface ShownExchanges {
  shown: ExchangeEntry[];
  /** How many exchanges were passed over, because their purpose is still confidential. */
  withheld: number;
  /** The index below which the next page looks; null when nothing is left that may be shown now. */
  next: number | null;
}

const dayMs = 24 * 60 * 60 * 1000;
const minScanned = 50;
const maxScans = 40;

/**
 * Finds the exchanges of a subject. Those of confidential purposes are passed over so that pages don't tell: a page is
 * full, and the last one has no `next`, whatever was withheld. Only beyond thousands in a row a page is short.
 *
 * @param refs the subject's keyed hashes, plain and hidden
 */
export async function findExchanges(
  database: Database,
  subject: { dataset: string; refs: string[] },
  state: { purposes: ReadonlyMap<string, Purpose>; now: Date },
  page: { before: number | null; limit: number },
): Promise<ShownExchanges> {
  const filter = { subjectRefs: subject.refs, subjectDataset: subject.dataset };
  const shown: { index: number; entry: ExchangeEntry }[] = [];
  let withheld = 0;
  let withheldBeforeLast = 0;
  const full = (): ShownExchanges => ({
    shown: shown.map(({ entry }) => entry),
    withheld: withheldBeforeLast,
    next: shown.at(-1)!.index,
  });
  let before = page.before;
  for (let scan = 0; scan < maxScans; scan++) {
    const limit = Math.max(page.limit + 1, minScanned);
    const found = await findEntries(database, filter, 'all', { before, limit });
    for (const { index, bytes } of found.entries) {
      const entry = parseExchange(bytes);
      if (entry === null) continue;
      if (isWithheld(entry, state)) {
        withheld++;
        continue;
      }
      if (shown.length === page.limit) return full();
      shown.push({ index, entry });
      withheldBeforeLast = withheld;
    }
    before = found.next;
    if (before === null) break;
  }
  return { shown: shown.map(({ entry }) => entry), withheld, next: before };
}

/** Exchanges alone are disclosures; looks at them are the audit office's matter. */
function parseExchange(bytes: FoundEntry['bytes']): ExchangeEntry | null {
  const entry = JSON.parse(bytes.toString()) as ExchangeEntry;
  return entry.kind === 'exchange' ? entry : null;
}

/** A purpose that is not known could be a confidential one. */
function isWithheld(
  { purpose: code, time }: ExchangeEntry,
  { purposes, now }: { purposes: ReadonlyMap<string, Purpose>; now: Date },
): boolean {
  if (code === undefined) return false;
  const purpose = purposes.get(code);
  if (purpose === undefined) return true;
  return now.getTime() < Date.parse(time) + purpose.confidentialDays * dayMs;
}

/** What exchanges are called by people, for those shown. */
export interface Titles {
  departments: ReadonlyMap<string, Text>;
  purposes: ReadonlyMap<string, Purpose>;
  catalogue: Catalogue;
}

export async function readDepartmentTitles(database: Database): Promise<ReadonlyMap<string, Text>> {
  const rows = await database
    .selectFrom('registry.department')
    .select(['code', 'title_en', 'title_zh'])
    .execute();
  return new Map(rows.map(({ code, title_en, title_zh }) => [code, { zh: title_zh, en: title_en }]));
}

/** An exchange for its subject's eyes: nothing of officials, cases, clients, other subjects or values. */
export function present(entry: ExchangeEntry, { departments, purposes, catalogue }: Titles): Disclosure {
  const { id, time, operation, outcome, code } = entry;
  const dataset = catalogue.datasets.find(
    ({ name, version }) => name === entry.dataset && version === entry.version,
  );
  const titleOf = (name: string): Text | undefined => {
    const schema = dataset?.fields.get(name)?.schema;
    return schema && { zh: schema['x-zh'].title, en: schema.title };
  };
  return {
    id,
    time,
    department: named(entry.consumer, departments.get(entry.consumer)),
    dataset: named(entry.dataset, (dataset ?? catalogue.findNewest(entry.dataset))?.title),
    operation,
    purpose: entry.purpose === undefined ? null : named(entry.purpose, purposes.get(entry.purpose)?.title),
    fields: (entry.fields ?? []).map((name) => named(name, titleOf(name))),
    outcome,
    refusal: code === undefined ? null : named(code, errorTable[code]?.title),
  };
}

/** What is no longer known by a title goes by its code. */
function named(code: string, title: Text | undefined): Named {
  return { code, title: title ?? { zh: code, en: code } };
}
