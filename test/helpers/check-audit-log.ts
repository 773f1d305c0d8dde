/** For tests that append to the audit log: whether all of it is whole afterwards. */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Test } from 'tap';
import { canonicalJson } from '../../src/base/canonical-json.ts';
import { openCheckpoint } from '../../src/transparency/checkpoint.ts';
import { rootOf } from '../../src/transparency/merkle.ts';
import { verifierOf } from '../../src/transparency/node/sign.ts';
import type { Verifier } from '../../src/transparency/note.ts';
import type { TestDatabase } from './database.ts';
import { keys, logOrigin } from './keys.ts';

/**
 * Checks the whole audit log: indices without gaps, every leaf hash recomputed from the stored bytes, the bytes
 * canonical, and the search tables, once they have caught up, equal to what the entries say; full tiles and the
 * chain of checkpoints as these leaves have them.
 *
 * @param log whose checkpoints they are, where not the tests' own
 * @returns the entries
 */
export async function checkAuditLog(
  t: Test,
  { pool }: TestDatabase,
  log = { origin: logOrigin, key: keys.log },
): Promise<Record<string, unknown>[]> {
  const { rows } = await pool.query<{ index: number; bytes: Buffer; leaf_hash: Buffer }>(
    'select index, bytes, leaf_hash from audit.entry order by index',
  );
  const entries = rows.map((row) => JSON.parse(row.bytes.toString()) as Record<string, unknown>);
  const faults: string[] = [];
  for (const [i, { index, bytes, leaf_hash: stored }] of rows.entries()) {
    if (index !== i) faults.push(`index ${index} where ${i} is due`);
    const hash = createHash('sha256').update(Uint8Array.of(0)).update(bytes).digest();
    if (!hash.equals(stored)) faults.push(`leaf hash of ${index}`);
    if (canonicalJson(entries[i]) !== bytes.toString()) faults.push(`bytes of ${index} are not canonical`);
  }
  await caughtUp(pool, rows.length);
  const { rows: found } = await pool.query<Record<string, unknown> & { index: number; subjects: string[] }>(
    `select f.*, coalesce(s.subjects, '{}') as subjects from audit.find f left join (
       select index, array_agg(encode(subject_ref, 'base64')) as subjects from audit.find_subject group by index
     ) s using (index) order by index`,
  );
  if (found.length !== entries.length) faults.push(`${found.length} rows in audit.find`);
  for (const [i, row] of found.entries()) {
    const entry = entries[i]!;
    const official = entry.official as { id: string } | undefined;
    const expected = {
      exchange: entry.id,
      consumer: entry.consumer ?? null,
      provider: entry.provider ?? null,
      dataset: entry.dataset ?? null,
      purpose: entry.purpose ?? null,
      outcome: entry.outcome ?? null,
      official: official?.id ?? null,
      case_no: entry.case ?? null,
      kind: entry.kind,
    };
    for (const [column, value] of Object.entries(expected))
      if (row[column] !== value) faults.push(`audit.find.${column} of ${i}`);
    if ((row.at as Date).toISOString() !== entry.time) faults.push(`audit.find.at of ${i}`);
    const trace = (row.trace as string | null)?.replaceAll('-', '');
    if (trace !== (entry.trace_id as string | undefined)) faults.push(`audit.find.trace of ${i}`);
    const subjects = [...new Set((entry.subjects as string[] | undefined) ?? [])];
    const refs = subjects.map((ref) => Buffer.from(ref, 'base64url').toString('base64')).sort();
    if (JSON.stringify([...row.subjects].sort()) !== JSON.stringify(refs)) faults.push(`subjects of ${i}`);
  }
  const verifier = verifierOf(log.origin, log.key);
  const leaves = rows.map((row) => row.leaf_hash);
  faults.push(...(await treeFaults(pool, leaves, verifier)));
  t.same(faults, [], `the audit log of ${rows.length} entries is whole`);
  return entries;
}

/** Every kept tile against the leaves, every checkpoint against the leaves, its own note and the one before it. */
async function treeFaults(pool: pg.Pool, leaves: Buffer[], verifier: Verifier): Promise<string[]> {
  const faults: string[] = [];
  const { rows: tiles } = await pool.query<{ level: number; n: number; hashes: Buffer; root: Buffer }>(
    'select level, n, hashes, root from audit.tile order by level, n',
  );
  for (const { level, n, hashes, root } of tiles) {
    const span = 256 ** level;
    const roots = Array.from({ length: 256 }, (_, i) =>
      rootOf(leaves.slice((n * 256 + i) * span, (n * 256 + i + 1) * span)),
    );
    if (!Buffer.concat(roots).equals(hashes) || !root.equals(rootOf(roots)))
      faults.push(`tile ${level}/${n}`);
  }
  const { rows: checkpoints } = await pool.query<{
    size: number;
    previous_size: number;
    root: Buffer;
    note: string;
  }>('select size, previous_size, root, note from audit.checkpoint order by size');
  let previous = 0;
  for (const { size, previous_size: before, root, note } of checkpoints) {
    const signed = openCheckpoint(note, [verifier]);
    if (size > leaves.length || !root.equals(rootOf(leaves.slice(0, size))))
      faults.push(`checkpoint ${size}`);
    if (signed.size !== size || !root.equals(signed.root)) faults.push(`note of checkpoint ${size}`);
    if (before !== previous) faults.push(`checkpoint ${size} continues ${before}, not ${previous}`);
    previous = size;
  }
  return faults;
}

/** Waits for the index stage; takes its steps itself where no gateway runs. */
async function caughtUp(pool: pg.Pool, entries: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const { rows } = await pool.query<{ indexed: number }>('select audit.indexed() as indexed');
    if (rows[0]!.indexed >= entries) return;
    await pool.query('select audit.index_entries(2000)');
    await sleep(20);
  }
}
