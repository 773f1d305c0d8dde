import { sql, type RawBuilder } from 'kysely';
import type { Database } from '../../db/database.ts';
import { maxScanned, rangeOf, type Range } from '../search/filter.ts';
import { watchAll } from './rules.ts';
import type { Fact } from './tallies.ts';
import { type Hint } from './watches.ts';
import { type OfficeHours } from '../../base/office-hours.ts';
import { nextIndex } from '../next-index.ts';

/** Entries that one statement reads. */
const stepEntries = 2000;
/** How many entries the rules look at: what is more wants a shorter time. */
export const maxHintEntries = 300_000;

/** The exchanges that the rules look at: those of a time, of every department or of one. */
export interface HintSpan {
  from: Date;
  to: Date;
  consumer?: string | undefined;
}

/**
 * Reads exchanges from the log, in short statements, and has the rules look at each. What is kept is what the rules keep.
 *
 * @param most how many entries they look at
 * @param signal ends it between two statements
 * @returns what they found; null when there are more entries than the rules look at
 */
export async function findHints(
  database: Database,
  span: HintSpan,
  office: OfficeHours,
  { most = maxHintEntries, signal }: { most?: number; signal?: AbortSignal } = {},
): Promise<Hint[] | null> {
  const { rows } = await sql<Range & { entries: number; indexed: number }>`
    select r.*, ${sql.raw(nextIndex)} as entries,
      audit.indexed() as indexed
    from (${rangeOf(span, null)}) r`.execute(database);
  const { consumer } = span;
  const { low, strays: anyStrays, entries, indexed } = rows[0]!;
  if (anyStrays.length === maxScanned) return null;
  const end = Math.min(rows[0]!.end, entries);
  // What the search tables do not hold yet is looked through.
  const tail = consumer === undefined ? low : Math.min(end, Math.max(low, indexed));
  const { own, strays } =
    consumer === undefined
      ? { own: [], strays: anyStrays }
      : await listOwn(database, consumer, { low, end: tail, strays: anyStrays }, most);
  if (own.length + end - tail + strays.length > most) return null;
  const watch = watchAll(office);
  for (const step of stepsOf({ low, end, strays }, own, tail)) {
    signal?.throwIfAborted();
    for (const fact of await readFacts(database, span, step)) watch.take(fact);
  }
  return watch.end();
}

/**
 * Where the exchanges of a department stand, and what the search tables could not read: one more than the rules look at,
 * at most.
 */
async function listOwn(
  database: Database,
  consumer: string,
  { low, end, strays }: Range,
  most: number,
): Promise<{ own: number[]; strays: number[] }> {
  const inRange = (whose: RawBuilder<unknown>): RawBuilder<unknown> => sql`(select index from audit.find
    where ${whose} and index >= ${low} and index < ${end} order by index limit ${most + 1})`;
  const { rows } = await sql<{ own: number[]; strays: number[] }>`
    select coalesce((select json_agg(index order by index) from (
        ${inRange(sql`consumer = ${consumer}`)} union all ${inRange(sql`consumer is null and kind is null`)}) o), '[]') as own,
      coalesce((select json_agg(index order by index desc) from audit.find
        where index = any(${strays}::bigint[]) and (consumer = ${consumer} or kind is null)), '[]') as strays
    `.execute(database);
  return rows[0]!;
}

/**
 * The entries to read in the order of the log, each step as a condition on `e.index`: those listed, and all from `tail`
 * on.
 */
function stepsOf({ low, end, strays }: Range, own: number[], tail: number): RawBuilder<unknown>[] {
  const steps = (from: number, to: number, step: (start: number, stop: number) => RawBuilder<unknown>) =>
    Array.from({ length: Math.max(0, Math.ceil((to - from) / stepEntries)) }, (_, i) => {
      const start = from + i * stepEntries;
      return step(start, Math.min(to, start + stepEntries));
    });
  const listed = (indices: number[]): RawBuilder<unknown>[] =>
    steps(0, indices.length, (start, stop) => sql`e.index = any(${indices.slice(start, stop)}::bigint[])`);
  const inOrder = strays.toReversed();
  return [
    ...listed(inOrder.filter((index) => index < low)),
    ...listed(own),
    ...steps(tail, end, (start, stop) => sql`e.index >= ${start} and e.index < ${stop}`),
    ...listed(inOrder.filter((index) => index >= end)),
  ];
}

interface FactRow {
  index: number;
  at: Date;
  consumer: string;
  official: string | null;
  purpose: string | null;
  case_no: string | null;
  outcome: string;
  operation: string;
  subjects: number;
  run: number | null;
  absent: number | null;
}

async function readFacts(
  database: Database,
  { from, to, consumer }: HintSpan,
  step: RawBuilder<unknown>,
): Promise<Fact[]> {
  const { rows } = await sql<FactRow>`
    select e.index, j."time" as at, j.consumer, j.official ->> 'id' as official, j.purpose, j."case" as case_no,
      j.outcome, j.operation, coalesce(cardinality(j.subjects), 0) as subjects,
      (j.details ->> 'run')::int as run, (j.details ->> 'absent')::int as absent
    from audit.entry e
    cross join lateral json_to_record(convert_from(e.bytes, 'UTF8')::json) as j(
      kind text, "time" timestamptz, consumer text, official json, purpose text, "case" text, outcome text,
      operation text, subjects text[], details json)
    where ${step} and j.kind = 'exchange'
      and ${consumer === undefined ? sql`j.consumer is not null` : sql`j.consumer = ${consumer}`}
      and j."time" >= ${from} and j."time" < ${to}
    order by e.index`.execute(database);
  return rows.map(readFact);
}

function readFact({ index, at, consumer, official, purpose, case_no, outcome, ...row }: FactRow): Fact {
  const { operation, subjects, run, absent } = row;
  return {
    index,
    time: at,
    consumer,
    official,
    purpose,
    hasCase: case_no !== null,
    outcome,
    subjects,
    // A batch says how many of its subjects there were not.
    absent: absent ?? (outcome === 'absent' && operation !== 'search' ? 1 : 0),
    run: run ?? 0,
  };
}
