import { sql, type RawBuilder } from 'kysely';
import { endOf, isWithheld, type Withholding } from '../../audit/search/filter.ts';
import type { FoundEntry } from '../../audit/search/find-entries.ts';
import { findEntries } from '../../audit/search/find-entries.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Database } from '../../db/database.ts';
import { errorTable, type ErrorCode, type Text } from '../../base/error-table.ts';
import type { Purpose } from '../../grants/authority.ts';

/** What a disclosure needs of an exchange's entry. */
interface ExchangeEntry {
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
  /** How many exchanges of the page's range were left out, because their purpose is still confidential. */
  withheld: number;
  /** The index below which the next page looks; null when nothing is left that may be shown now. */
  next: number | null;
}

const dayMs = 24 * 60 * 60 * 1000;
/** How many that are withheld are counted, for a page. */
const maxCounted = 20_000;

/**
 * Finds the exchanges of a subject. Those of confidential purposes are left out by the database, so that neither pages nor
 * the time that they take tell of them.
 *
 * @param refs the subject's keyed hashes, plain and hidden
 */
export async function findExchanges(
  database: Database,
  subject: { dataset: string; refs: string[] },
  state: { purposes: ReadonlyMap<string, Purpose>; now: Date },
  page: { before: number | null; limit: number },
): Promise<ShownExchanges> {
  const withheld = withholdingOf(state);
  const filter = { subjectRefs: subject.refs, subjectDataset: subject.dataset, kind: 'exchange', withheld };
  const { entries, next } = await findEntries(database, filter, 'all', page);
  const range = { from: next ?? 0, before: page.before };
  return {
    shown: entries.flatMap(({ bytes }) => parseExchange(bytes) ?? []),
    withheld: await countWithheld(database, subject.refs, withheld, range),
    next,
  };
}

/** How long the exchanges of each purpose are withheld. A purpose that is not known is taken for a confidential one. */
function withholdingOf({
  purposes,
  now,
}: {
  purposes: ReadonlyMap<string, Purpose>;
  now: Date;
}): Withholding {
  return [...purposes.values()].map(({ code, confidentialDays }) => ({
    purpose: code,
    until: new Date(now.getTime() - confidentialDays * dayMs),
  }));
}

async function countWithheld(
  database: Database,
  refs: string[],
  withholding: Withholding,
  { from, before }: { from: number; before: number | null },
): Promise<number> {
  const range = (index: RawBuilder<unknown>): RawBuilder<unknown> =>
    sql`${index} >= ${from} and ${index} < ${endOf(before)}`;
  const { rows } = await sql<{ withheld: number }>`
    select count(*) as withheld from (
      select f.index from (
        select distinct s.index from audit.find_subject s
        where s.subject_ref in (select audit.subject_ref(r) from unnest(${refs}::text[]) r) and ${range(sql`s.index`)}
      ) s join audit.find f using (index) where f.kind = 'exchange' and ${isWithheld(withholding)}
      union all
      select f.index from audit.parsed f
      where f.index >= audit.indexed() and ${range(sql`f.index`)} and f.subjects && ${refs}::text[]
        and f.kind = 'exchange' and ${isWithheld(withholding)}
      limit ${maxCounted}) w`.execute(database);
  return rows[0]!.withheld;
}

/** What a disclosure tells of an entry; null where the entry is not what the gateway would have written. */
function parseExchange(bytes: FoundEntry['bytes']): ExchangeEntry | null {
  const entry = JSON.parse(bytes.toString()) as ExchangeEntry;
  const { fields = [], ...texts } = entry;
  const told = [texts.id, texts.time, texts.consumer, texts.dataset, texts.operation, texts.outcome];
  const isWhole = told.every(isText) && Array.isArray(fields) && fields.every(isText);
  return isWhole ? entry : null;
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
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
export function presentDisclosure(
  entry: ExchangeEntry,
  { departments, purposes, catalogue }: Titles,
): Disclosure {
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
