/** For tests of checkpoints: a log that is published in parts. */
import type { Test } from 'tap';
import { checkpointFile, type CheckpointFile } from '../../src/audit/publishing/checkpoint-file.ts';
import { openLogKeys } from '../../src/audit/log-keys.ts';
import { startPublishStage } from '../../src/audit/publishing/publish-stage.ts';
import { verifierOf } from '../../src/transparency/node/sign.ts';
import { openDatabase } from '../../src/db/database.ts';
import { createDatabase, type TestDatabase } from './database.ts';
import { keys, logOrigin } from './keys.ts';
import { fillTo } from './log.ts';
import { until } from './until.ts';

export const verifiers = [verifierOf(logOrigin, keys.log)];

/** A log whose entries came in parts, each part published: the sizes are those of its checkpoints. */
export async function createPublishedLog(
  t: Test,
  sizes: number[],
): Promise<{ test: TestDatabase; file: CheckpointFile; grow: (size: number) => Promise<void> }> {
  const test = await createDatabase(t);
  const file = checkpointFile(t.testdir(), verifiers[0]!);
  const published = async (): Promise<number> =>
    (await test.pool.query<{ size: number }>('select max(size) as size from audit.checkpoint')).rows[0]!.size;

  /** Appends entries up to a size, and publishes them. */
  async function grow(size: number): Promise<void> {
    const { pool, close } = openDatabase(test.gatewayUrl, 'test publish', { maxConnections: 1 });
    const stage = startPublishStage({
      pool,
      key: keys.log,
      keys: openLogKeys(verifiers[0]!),
      fileOf: () => file,
      onFault: (fault) => t.fail(fault),
      onFailure: (error) => t.fail(String(error)),
    });
    await fillTo(test, size);
    await until(`a checkpoint of ${size}`, async () => (await published()) === size);
    await stage.stop();
    await close();
  }

  for (const size of sizes) await grow(size);
  return { test, file, grow };
}
