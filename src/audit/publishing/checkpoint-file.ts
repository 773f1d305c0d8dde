import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder, writeDurably } from '../../base/durable-file.ts';

/** The last checkpoint that a gateway has seen, outside the database: what a restored backup is noticed by. */
export interface CheckpointFile {
  path: string;
  /** The signed note; null when none was kept yet. @throws NodeJS.ErrnoException when it can't be read */
  read(): string | null;
  /** Replaces it whole, durably: a crash leaves the old one or the new one. @throws NodeJS.ErrnoException */
  write(note: string): Promise<void>;
}

/** The file of one log and key: a home may have seen others, of a sandbox say. */
export function checkpointFile(home: string, { keyId }: { keyId: number }): CheckpointFile {
  const path = join(home, `log-checkpoint-${keyId.toString(16).padStart(8, '0')}`);
  return {
    path,
    read() {
      try {
        return readFileSync(path, 'utf8');
      } catch (error) {
        if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
        throw error;
      }
    },
    async write(note) {
      await mkdir(home, { recursive: true });
      const unfinished = `${path}.${randomUUID()}`;
      try {
        await writeDurably(unfinished, note);
        await rename(unfinished, path);
      } catch (error) {
        await rm(unfinished, { force: true });
        throw error;
      }
      await syncFolder(home);
    },
  };
}
