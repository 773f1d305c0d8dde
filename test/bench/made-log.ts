import { createHash } from 'node:crypto';
import type pg from 'pg';
import { encodeEntry } from '../../src/audit/entry.ts';

/** A made-up log of one entry a second, which holds the same few seldom values whatever its size. */
export const madeLog = {
  /** When its first entry was made. */
  from: Date.parse('2026-01-01T00:00:00Z'),
  /** Officials, cases and subjects that are sought: so many of each. */
  sought: 16,
  /** The entries of each of them, spread evenly over the log. */
  entriesEach: 60,
} as const;

/** The subject that is sought, as entries name it. */
export function subjectOf(value: number): string {
  return createHash('md5').update(`subject-${value}`).digest('base64url');
}

const partitionEntries = 4_194_304;
const chunk = 200_000;
const placeholder = /"@(\w+)@"/;

/** The bytes of an entry, as a read of three fields leaves them, with the name of a column where they differ. */
const template = encodeEntry({
  kind: 'exchange',
  id: '@id@',
  time: new Date(0),
  trace_id: '0af7651916cd43dd8448eb211c80319c',
  consumer: '@consumer@',
  client: 'd1c2b7a0-6f4e-4a3b-9c58-0b1f4b6f2d10',
  official: { id: '@official@', proof: 'asserted' },
  provider: '@provider@',
  dataset: '@dataset@',
  version: 2,
  operation: 'read',
  purpose: '@purpose@',
  case: '@case_no@',
  grants: ['7a3f6f0e-8e7b-4f57-9a3e-5f6f1f0c9b52'],
  fields: ['name', 'phone', 'birth_date'],
  subjects: ['@subject@'],
  sealed: 'k'.repeat(171),
  data_key: '3b1f0c9a52d8e4f7',
  subject_key: '9f86d081884c7d65',
  outcome: 'released',
  records: 1,
  body: 'b'.repeat(43),
})
  .bytes.toString()
  .replace('1970-01-01T00:00:00.000Z', '@time@');

/** The template as an SQL expression of the columns. */
const bytesExpression = template
  .split(placeholder)
  .map((part, i) => (i % 2 === 0 ? `'${part}'` : `to_json(m.${part}::text)::text`))
  .join(', ');

const made = `
  select n, 'official-' || who as official, 'case-' || who as case_no, 'department-' || n % 7 as consumer,
    'department-' || n % 5 as provider, 'dataset-' || n % 6 as dataset, 'purpose-' || n % 9 as purpose,
    to_timestamp($4::bigint + n) as at, md5('id' || n)::uuid as id, decode(md5('subject-' || who), 'hex') as subject_ref
  from (select n, case when n % $3::bigint = 0 and n / $3 < ${madeLog.sought * madeLog.entriesEach}
                    then n / $3 % ${madeLog.sought} else ${madeLog.sought} + n % 99991 end as who
        from generate_series($1::bigint, $2::bigint - 1) n) numbered`;

/**
 * Fills a log up to a number of entries, its search tables too.
 *
 * @param client of the owner of a migrated database that no gateway works on
 */
export async function fillLog(
  client: pg.ClientBase,
  size: number,
  { say, interrupted }: { say: (line: string) => void; interrupted: AbortSignal },
): Promise<void> {
  await client.query('select audit.index_entries(100000)');
  // The entries of the migrations, which came today, begin the log.
  await client.query('update audit.find set at = to_timestamp($1), so_far = to_timestamp($1)', [
    madeLog.from / 1000,
  ]);
  const indexed = await client.query<{ next: number }>('select audit.indexed() as next');
  const stride = Math.max(1, Math.floor(size / (madeLog.sought * madeLog.entriesEach)));
  for (let n = 0; n * partitionEntries < size; n++)
    await client.query('select audit.make_partition($1)', [n]);
  await client.query("set maintenance_work_mem = '1GB'; set synchronous_commit = off");
  const indexes = await dropIndexes(client);
  for (let from = indexed.rows[0]!.next; from < size; from += chunk) {
    interrupted.throwIfAborted();
    if (from % 2_000_000 < chunk && size > chunk) say(`${from.toLocaleString('en')} entries`);
    await client.query(
      `with made as materialized (${made}),
         whole as materialized (
           select m.*, convert_to(concat(${bytesExpression}), 'UTF8') as bytes
           from (select made.*, rtrim(translate(encode(subject_ref, 'base64'), '+/', '-_'), '=') as subject,
                   to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS".000Z"') as time from made) m),
         entries as (
           insert into audit.entry select n, bytes, sha256('\\x00' || bytes) from whole),
         subjects as (insert into audit.find_subject select subject_ref, n from made order by 1, 2)
       insert into audit.find
         select n, at, id, consumer, provider, dataset, purpose, 'released', official, case_no, 'exchange', null, at
         from made`,
      [from, Math.min(from + chunk, size), stride, madeLog.from / 1000],
    );
  }
  for (const index of indexes) {
    interrupted.throwIfAborted();
    await client.query(index);
  }
  await client.query('vacuum analyze audit.find, audit.find_subject, audit.entry');
}

/** Indexes are made faster over what is there. @returns the statements that make them again */
async function dropIndexes(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ name: string; statement: string }>(
    `select format('%I.%I', schemaname, indexname) as name, indexdef as statement from pg_indexes
     where schemaname = 'audit' and tablename = 'find' and indexname <> 'find_pkey'`,
  );
  for (const { name } of rows) await client.query(`drop index ${name}`);
  await client.query('alter table audit.find_subject drop constraint find_subject_pkey');
  return [
    ...rows.map(({ statement }) => statement),
    'alter table audit.find_subject add constraint find_subject_pkey primary key (subject_ref, index)',
  ];
}
