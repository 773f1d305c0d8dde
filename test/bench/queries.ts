import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { EntryFilter, Visibility } from '../../src/audit/search/filter.ts';
import { migrate } from '../../src/audit/migrate.ts';
import { findEntries } from '../../src/audit/search/find-entries.ts';
import { connectionConfig } from '../../src/db/connection.ts';
import type { Tables } from '../../src/db/tables.ts';
import type { Rig } from '../helpers/rig.ts';
import { fillLog, madeLog, subjectOf } from './made-log.ts';
import { judgeRatios, markdown, median, type Outcome } from './report.ts';

/** What one search took in a log, the median of as many values as are sought, in milliseconds. */
export interface QueryMeasurement {
  query: string;
  /** How many entries the log has. */
  entries: number;
  /** Round 0 is the first time that anybody asked. */
  round: number;
  ms: number;
  /** The slowest of them. */
  maxMs: number;
}

interface Search {
  filter: EntryFilter;
  visibility?: Visibility;
  before?: number;
}

const smallLog = 1000;
const limit = 50;
const fillTimeoutMs = 3_600_000;

/** The searches, for one of the values that are sought in a log of this many entries. */
function searchesOf(value: number, entries: number): Record<string, Search> {
  const at = (share: number): Date => new Date(madeLog.from + Math.floor(entries * share) * 1000);
  const share = (value + madeLog.sought) / (2 * madeLog.sought);
  const somewhere = Math.floor(entries * share);
  const time = { from: at(0.25), to: at(0.75) };
  const [consumer, provider, dataset] = [value % 7, value % 5, value % 6];
  const filters: Record<string, EntryFilter> = {
    consumer: { consumer: `department-${consumer}` },
    provider: { provider: `department-${provider}` },
    dataset: { dataset: `dataset-${dataset}` },
    official: { official: `official-${value}` },
    case: { caseNo: `case-${value}` },
    subject: { subjectRefs: [subjectOf(value)], subjectDataset: 'dataset-0' },
  };
  return {
    'no filter': { filter: {}, before: somewhere },
    'from a time on': { filter: { from: at(share / 2) }, before: somewhere },
    'up to a time': { filter: { to: at(share) } },
    ...Object.fromEntries(Object.entries(filters).map(([name, filter]) => [name, { filter }])),
    ...Object.fromEntries(
      Object.entries(filters).map(([name, filter]) => [
        `${name} and time`,
        { filter: { ...filter, ...time } },
      ]),
    ),
    "a consumer's own": { filter: {}, visibility: { consumer: `department-${consumer}` }, before: somewhere },
    "a provider's own": { filter: {}, visibility: { provider: `department-${provider}` }, before: somewhere },
  };
}

/** A log, and the connection by which it is searched: the gateway's own role and limits. */
interface SearchedLog {
  entries: number;
  database: Kysely<Tables>;
}

/**
 * Makes two logs, and takes the time of the same searches in both, by turns.
 *
 * @param entries of the larger log
 * @throws Error when a search finds another entry than it should, or fewer
 */
export async function compareQueries(
  rig: Rig,
  options: { entries: number; rounds: number; say: (line: string) => void; interrupted: AbortSignal },
): Promise<QueryMeasurement[]> {
  const { entries, rounds, say, interrupted } = options;
  const logs: SearchedLog[] = [];
  try {
    for (const size of [smallLog, entries]) {
      say(`making a log of ${size.toLocaleString('en')} entries`);
      logs.push(await makeLog(rig, size, { say, interrupted }));
    }
    const found: QueryMeasurement[] = [];
    for (let round = 0; round <= rounds; round++) {
      interrupted.throwIfAborted();
      const taken = await takeRound(round % 2 === 0 ? logs : logs.toReversed(), round);
      found.push(...taken);
      say(`round ${round}: ${taken.length} searches of ${madeLog.sought} values`);
    }
    return found;
  } finally {
    for (const { database } of logs) await database.destroy();
  }
}

async function makeLog(
  rig: Rig,
  entries: number,
  progress: { say: (line: string) => void; interrupted: AbortSignal },
): Promise<SearchedLog> {
  const name = `log_${entries}`;
  await rig.query(`create database ${name}`);
  const [adminUrl, gatewayUrl] = [rig.server.adminUrl, rig.server.gatewayUrl].map((url) => {
    const other = new URL(url);
    other.pathname = `/${name}`;
    return other.href;
  }) as [string, string];
  await migrate(adminUrl);
  const client = new pg.Client(
    connectionConfig(adminUrl, 'bench log', {
      statement_timeout: fillTimeoutMs,
      query_timeout: fillTimeoutMs,
    }),
  );
  await client.connect();
  try {
    await fillLog(client, entries, progress);
  } finally {
    await client.end();
  }
  const pool = new pg.Pool({ ...connectionConfig(gatewayUrl, 'bench search'), max: 1 });
  return { entries, database: new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }) };
}

/** Every search for every value, in one log after the other. */
async function takeRound(logs: readonly SearchedLog[], round: number): Promise<QueryMeasurement[]> {
  const times = new Map<string, { query: string; entries: number; ms: number[] }>();
  for (let value = 0; value < madeLog.sought; value++)
    for (const { entries, database } of logs)
      for (const [query, search] of Object.entries(searchesOf(value, entries))) {
        const ms = await timeSearch(database, query, search);
        const key = `${query} ${entries}`;
        if (!times.has(key)) times.set(key, { query, entries, ms: [] });
        times.get(key)!.ms.push(ms);
      }
  return [...times.values()].map(({ query, entries, ms }) => ({
    query,
    entries,
    round,
    ms: median(ms),
    maxMs: Math.max(...ms),
  }));
}

async function timeSearch(database: Kysely<Tables>, query: string, search: Search): Promise<number> {
  const { filter, visibility = 'all', before = null } = search;
  const startedAt = performance.now();
  const page = await findEntries(database, filter, visibility, { before, limit }).catch((error: unknown) => {
    throw new Error(`${query}: ${(error as Error).message}`);
  });
  const ms = performance.now() - startedAt;
  const least = Math.min(limit, madeLog.entriesEach / 2) - 5;
  const { length } = page.entries;
  if (length < least) throw new Error(`${query}: ${length} entries were found, at least ${least} are there`);
  for (const { bytes } of page.entries) {
    const entry = JSON.parse(bytes.toString()) as { consumer?: string; official?: { id: string } };
    if (filter.consumer !== undefined && entry.consumer !== filter.consumer)
      throw new Error(`${query}: an entry of ${entry.consumer} was found`);
    if (filter.official !== undefined && entry.official?.id !== filter.official)
      throw new Error(`${query}: an entry of ${entry.official?.id} was found`);
  }
  return ms;
}

const isWarm = ({ round }: QueryMeasurement): boolean => round > 0;

/** How much longer each search takes in the larger log, round by round. */
function ratiosOf(found: readonly QueryMeasurement[], query: string): number[] {
  const own = found.filter((one) => one.query === query).filter(isWarm);
  const [small, large] = [Math.min, Math.max].map((pick) => {
    const entries = pick(...own.map((one) => one.entries));
    return own.filter((one) => one.entries === entries).toSorted((a, b) => a.round - b.round);
  });
  return large!.map((one, i) => one.ms / small![i]!.ms);
}

const queriesOf = (found: readonly QueryMeasurement[]): string[] => [
  ...new Set(found.map(({ query }) => query)),
];

/** Holds the search that suffers most from the larger log against what it may. */
export function judgeQueries(found: readonly QueryMeasurement[]): Outcome {
  const ratios = queriesOf(found).map((query) => ({ query, values: ratiosOf(found, query) }));
  const [worst] = ratios.toSorted((a, b) => median(b.values) - median(a.values));
  const largest = Math.max(0, ...found.map(({ entries }) => entries));
  const name = worst === undefined ? '' : `, the worst of ${ratios.length}: ${worst.query}`;
  return judgeRatios(
    {
      name: `search of the log, ${largest.toLocaleString('en')} entries against ${smallLog.toLocaleString('en')}${name}`,
      atMost: 2,
    },
    worst?.values ?? [],
  );
}

/** What each search took in either log, medians of the rounds, as a table in Markdown. */
export function queriesTable(found: readonly QueryMeasurement[]): string {
  const sizes = [...new Set(found.map(({ entries }) => entries))].sort((a, b) => a - b);
  const rows = queriesOf(found).map((query) => {
    const own = found.filter((one) => one.query === query);
    const at = (entries: number, pick: (one: QueryMeasurement) => boolean): string =>
      median(own.filter((one) => one.entries === entries && pick(one)).map(({ ms }) => ms)).toFixed(2);
    return [
      query,
      ...sizes.map((entries) => at(entries, isWarm)),
      median(ratiosOf(found, query)).toFixed(2),
      at(sizes.at(-1)!, (one) => !isWarm(one)),
    ];
  });
  const columns = sizes.map((entries) => `${entries.toLocaleString('en')}: ms`);
  return markdown(['search of a page of 50', ...columns, 'ratio', 'first time: ms'], rows);
}
