import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { exportLog } from '../../src/audit/export/log-folder.ts';
import { findLastCheckpoint } from '../../src/audit/stored-log.ts';
import { parseNote } from '../../src/transparency/note.ts';
import { parseCheckpoint } from '../../src/transparency/checkpoint.ts';
import { verifierKey } from '../../src/transparency/node/sign.ts';
import { connectionConfig } from '../../src/db/connection.ts';
import { homeKeyFiles, readLogKey } from '../../src/base/keys.ts';
import type { Rig } from '../helpers/rig.ts';
import { judgeRatios, type Outcome } from './report.ts';
import type { VerifyTurn } from './verify-log.ts';

const works = ['bare', 'verify'] as const;
const sources = ['export', 'database'] as const;

/** One turn over the log that the exchanges left. */
export interface VerifyMeasurement extends VerifyTurn {
  work: (typeof works)[number];
  source: (typeof sources)[number];
  round: number;
}

/** Verifies the log that the benchmark's gateway has left beside a program that takes SHA-256 of the same entries. */
export async function compareVerifier(
  rig: Rig,
  { rounds, say }: { rounds: number; say: (line: string) => void },
): Promise<VerifyMeasurement[]> {
  const client = new pg.Client(connectionConfig(rig.server.adminUrl, 'bench export'));
  await client.connect();
  try {
    const last = await findLastCheckpoint(client);
    if (last === null) return [];
    const { origin } = parseCheckpoint(parseNote(last.note).text);
    const folder = join(rig.folder, 'export');
    const { size } = await exportLog(client, folder, () => undefined);
    say(`verifying a log of ${size.toLocaleString('en')} entries`);
    const { key } = readLogKey(homeKeyFiles(join(rig.folder, 'keys-of-all')).LOG_KEY_FILE);
    const settings = {
      VERIFY_DATABASE_URL: rig.server.adminUrl,
      VERIFY_EXPORT: folder,
      VERIFY_KEY: verifierKey(origin, key!),
    };
    const measurements: VerifyMeasurement[] = [];
    for (let round = 0; round < rounds; round++)
      for (const source of sources)
        for (const work of round % 2 === 0 ? works : works.toReversed())
          measurements.push({ work, source, round, ...(await takeTurn(work, source, settings)) });
    return measurements;
  } finally {
    await client.end();
  }
}

async function takeTurn(work: string, source: string, settings: Record<string, string>): Promise<VerifyTurn> {
  const script = join(import.meta.dirname, 'verify-log.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [script, work, source], {
    env: { ...process.env, ...settings },
  });
  return JSON.parse(stdout) as VerifyTurn;
}

/** Entries a second of the verifier by those of the bare hashing, round by round. */
export function judgeVerifier(measurements: readonly VerifyMeasurement[]): Outcome[] {
  return sources.map((source) => {
    const rates = (work: string): number[] =>
      measurements
        .filter((one) => one.source === source && one.work === work)
        .toSorted((a, b) => a.round - b.round)
        .map(({ entries, seconds }) => entries / seconds);
    const bare = rates('bare');
    const name = `entries/s of "audit verify" against bare SHA-256 of the same, from ${source === 'export' ? 'an export' : 'the database'}`;
    return judgeRatios(
      { name, atLeast: 0.5 },
      rates('verify').map((rate, i) => rate / bare[i]!),
    );
  });
}
