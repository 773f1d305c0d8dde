import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Database } from '../../db/database.ts';
import { nextIndex } from '../next-index.ts';
import { rangeOf, type Range } from './filter.ts';

/** Which exchanges count as a use: those of a dataset in one version, refused ones too. */
export interface UseFilter {
  dataset: string;
  version: number;
  /** Only those that name this field; null for all. */
  field: string | null;
  /** Only those from this time on; null for all. */
  from: Date | null;
}

/** How a department used it. */
export interface ConsumerUse {
  consumer: string;
  exchanges: number;
  /** Time of the last one, RFC 3339. */
  last: string;
  /** How many by each way to ask. */
  operations: Record<string, number>;
  /** How many named each field. */
  fields: Record<string, number>;
}

/** Entries of the dataset that one statement reads. */
const stepEntries = 5000;
/** Entries that one step takes into the search tables where no gateway does. */
const indexStepEntries = 2000;
const pauseMs = 50;

/**
 * Counts by department who used a dataset's version, in short statements: each reads a bounded number of entries, and
 * what is kept is no more than the counts. The search tables are brought up to the log first, as a gateway would.
 *
 * @param onProgress hears how much of the log is read
 * @returns departments by their code; those that did not use it are not among them
 */
export async function countUses(
  database: Database,
  filter: UseFilter,
  onProgress: (done: number, total: number) => void = () => undefined,
): Promise<ConsumerUse[]> {
  await indexLog(database);
  const { low, end } = await readBounds(database, filter);
  const uses = new Map<string, Sum>();
  for (let next: number | null = low; next !== null;) {
    onProgress(next - low, end - low);
    const step = await countNextUses(database, filter, next, end);
    for (const row of step.rows) addToUses(uses, row);
    next = step.next;
  }
  return [...uses]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([consumer, { exchanges, last, operations, fields }]) => ({
      consumer,
      exchanges,
      last: last.toISOString(),
      operations: byCount(operations),
      fields: byCount(fields),
    }));
}

/** Waits for the search tables to have what the log has now, and takes the steps itself where nobody else does. */
async function indexLog(database: Database): Promise<void> {
  const { rows } = await sql<{ entries: number }>`
    select ${sql.raw(nextIndex)} as entries`.execute(database);
  for (let indexed = 0; indexed < rows[0]!.entries;) {
    const step = await sql<{ taken: number }>`
      select audit.index_entries(${indexStepEntries}) as taken`.execute(database);
    if (step.rows[0]!.taken < 0) await sleep(pauseMs);
    const mark = await sql<{ indexed: number }>`select audit.indexed() as indexed`.execute(database);
    indexed = mark.rows[0]!.indexed;
  }
}

/** Where to begin and end. */
async function readBounds(database: Database, { from }: UseFilter): Promise<{ low: number; end: number }> {
  const { rows } = await sql<Range & { indexed: number }>`
    select r.*, audit.indexed() as indexed from (${rangeOf({ from: from ?? undefined }, null)}) r`.execute(
    database,
  );
  const { low, strays, indexed } = rows[0]!;
  return { low: Math.min(low, ...strays), end: indexed };
}

/** Counts of one step: of an operation (`field` null), or of a field. */
interface Counted {
  consumer: string;
  operation: string | null;
  field: string | null;
  count: number;
  last: Date;
}

/** Counts the next entries from an index on. `next` is where the step after it begins; null when this was the last. */
async function countNextUses(
  database: Database,
  { dataset, version, field, from }: UseFilter,
  start: number,
  end: number,
): Promise<{ rows: Counted[]; next: number | null }> {
  const { rows } = await sql<Counted & { scanned: number; highest: number | null }>`
    with scanned as materialized (
      select f.index, f.at, f.consumer from audit.find f
      where f.dataset = ${dataset} and f.index >= ${start} and f.index < ${end}
      order by f.index limit ${stepEntries}
    ), read as materialized (
      select s.consumer, s.at, j.kind, j.version, j.operation, array(
        select json_array_elements_text(case json_typeof(j.fields) when 'array' then j.fields else '[]' end)
        union
        select json_object_keys(case json_typeof(j.details -> 'where') when 'object' then j.details -> 'where' else '{}' end)
        ) as fields
      from scanned s join audit.entry e using (index)
      cross join lateral json_to_record(convert_from(e.bytes, 'UTF8')::json) as j(
        kind text, version text, operation text, fields json, details json)
    ), used as materialized (
      select * from read
      where kind = 'exchange' and version = ${String(version)} and consumer is not null
        and (${field}::text is null or ${field}::text = any(fields))
        and (${from}::timestamptz is null or at >= ${from}::timestamptz)
    ), counted as (
      select consumer, operation, null::text as field, count(*) as count, max(at) as last
      from used group by consumer, operation
      union all
      select u.consumer, null, x, count(*), max(u.at)
      from used u cross join lateral unnest(u.fields) x group by u.consumer, x
    )
    select c.*, s.scanned, s.highest
    from (select count(*) as scanned, max(index) as highest from scanned) s left join counted c on true`.execute(
    database,
  );
  const { scanned, highest } = rows[0]!;
  return {
    rows: rows.filter(({ consumer }) => consumer !== null),
    next: scanned < stepEntries ? null : highest! + 1,
  };
}

/** A department's counts while they are added up. */
interface Sum {
  exchanges: number;
  last: Date;
  operations: Map<string, number>;
  fields: Map<string, number>;
}

function addToUses(uses: Map<string, Sum>, { consumer, operation, field, count, last }: Counted): void {
  const sum = uses.get(consumer) ?? { exchanges: 0, last, operations: new Map(), fields: new Map() };
  uses.set(consumer, sum);
  if (last > sum.last) sum.last = last;
  if (field !== null) sum.fields.set(field, (sum.fields.get(field) ?? 0) + count);
  else {
    sum.exchanges += count;
    if (operation !== null) sum.operations.set(operation, (sum.operations.get(operation) ?? 0) + count);
  }
}

/** What was used most comes first. */
function byCount(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)));
}
