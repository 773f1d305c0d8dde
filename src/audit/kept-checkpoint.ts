import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The last checkpoint that a gateway has seen, outside the database: what a restored backup is noticed by. */
export interface CheckpointFile {
  path: string;
  /** The signed note; null when none was kept yet. @throws NodeJS.ErrnoException when it can't be read */
  read(): string | null;
  /** Replaces it whole, durably: a crash leaves the old one or the new one. @throws NodeJS.ErrnoException */
  write(note: string): void;
}

export function checkpointFile(home: string): CheckpointFile {
  const path = join(home, 'log-checkpoint');
  return {
    path,
    read() {
      try {
        return readFileSync(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw error;
      }
    },
    write(note) {
      mkdirSync(dirname(path), { recursive: true });
      const unfinished = `${path}.${process.pid}`;
      const file = openSync(unfinished, 'w', 0o644);
      try {
        writeSync(file, note);
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      renameSync(unfinished, path);
    },
  };
}
