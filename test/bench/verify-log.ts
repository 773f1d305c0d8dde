/**
 * One turn of the verifier's benchmark, in a process of its own: `node verify-log.ts bare|verify database|export`,
 * with the database, the folder of the export and the verifier key in the environment. Writes JSON to stdout.
 */
import { hash } from 'node:crypto';
import pg from 'pg';
import { databaseSource } from '../../src/audit/database-source.ts';
import { folderFiles } from '../../src/transparency/node/log-files.ts';
import { parseVerifierKey } from '../../src/transparency/note.ts';
import { tilesSource } from '../../src/transparency/tiles-source.ts';
import { verifyLog, type LogSource } from '../../src/transparency/verify-log.ts';
import { connectionConfig } from '../../src/db/connection.ts';

/** What a turn took, from the first read to the last hash. */
export interface VerifyTurn {
  entries: number;
  seconds: number;
  /** Resident memory at its most, in MB. */
  maxMemoryMb: number;
}

const [work = '', from = ''] = process.argv.slice(2);
const { VERIFY_DATABASE_URL = '', VERIFY_EXPORT = '', VERIFY_KEY = '' } = process.env;
const verifiers = [parseVerifierKey(VERIFY_KEY)];
const client = new pg.Client(connectionConfig(VERIFY_DATABASE_URL, 'bench verify'));
await client.connect();
try {
  const source = from === 'database' ? databaseSource(client) : tilesSource(folderFiles(VERIFY_EXPORT));
  const startedAt = performance.now();
  const entries = await (work === 'bare' ? hashBarely(source) : verify(source));
  const seconds = (performance.now() - startedAt) / 1000;
  const maxMemoryMb = Math.round(process.resourceUsage().maxRSS / 1024);
  console.log(JSON.stringify({ entries, seconds, maxMemoryMb } satisfies VerifyTurn));
} finally {
  await client.end();
}

/** What the peer does: it reads the same entries, and takes SHA-256 of each in the fastest way that Node has. */
async function hashBarely(source: LogSource): Promise<number> {
  let entries = 0;
  for await (const { leaves } of source.tiles(await source.size(verifiers)))
    for (const leaf of leaves) {
      if (leaf === null) throw new Error('an entry is missing');
      hash('sha256', leaf, 'binary');
      entries++;
    }
  return entries;
}

/** The whole of it: leaves, tiles, checkpoints with their signatures. */
async function verify(source: LogSource): Promise<number> {
  const { entries, findings } = await verifyLog(source, { verifiers });
  if (findings.length > 0) throw new Error(findings[0]!.what);
  return entries;
}
