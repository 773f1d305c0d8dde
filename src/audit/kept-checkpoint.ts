import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

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
        const file = await open(unfinished, 'wx', 0o644);
        try {
          await file.writeFile(note);
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(unfinished, path);
      } catch (error) {
        await rm(unfinished, { force: true });
        throw error;
      }
      const folder = await open(home);
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    },
  };
}
