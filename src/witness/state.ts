import { createHash, randomUUID } from 'node:crypto';
import { link, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder, writeDurably } from '../base/durable-file.ts';

/** The last checkpoint of each log that a witness has cosigned. */
export interface WitnessState {
  /** Null when it has none of this origin yet. */
  read(origin: string): Promise<KeptCheckpoint | null>;
  /**
   * Puts a checkpoint in the place of the one that was read, durably: a crash leaves the old one or the new one.
   *
   * @param version of the one that was read; 0 where there was none
   * @returns false when another took its place meanwhile, in this process or another one
   */
  replace(origin: string, version: number, note: string): Promise<boolean>;
  /** Resolves once all that can be read is durable: another process may be about to make it so. */
  settle(): Promise<void>;
}

export interface KeptCheckpoint {
  version: number;
  note: string;
}

/** How a log is named in files and addresses: its origin may have any character. */
export function originHash(origin: string): string {
  return createHash('sha256').update(origin).digest('hex');
}

/**
 * Keeps checkpoints as files of a folder, `<hash of the origin>.<version>`, each with the log's signature and the
 * witness's own. A version is made by `link`, which fails where there is one already, and the highest counts: that
 * makes it a compare-and-swap among any number of processes.
 *
 * @throws NodeJS.ErrnoException when the folder can't be read or written
 */
export function openWitnessState(folder: string): WitnessState {
  async function versionsOf(hash: string): Promise<number[]> {
    const names = await readdir(folder).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    });
    return names
      .filter((name) => name.startsWith(`${hash}.`) && /^[1-9]\d*$/.test(name.slice(hash.length + 1)))
      .map((name) => Number(name.slice(hash.length + 1)))
      .toSorted((a, b) => a - b);
  }

  return {
    settle: () => syncFolder(folder),
    async read(origin) {
      const hash = originHash(origin);
      for (;;) {
        const version = (await versionsOf(hash)).at(-1);
        if (version === undefined) return null;
        try {
          return { version, note: await readFile(join(folder, `${hash}.${version}`), 'utf8') };
        } catch (error) {
          // It may have been replaced, and removed, since the folder was read.
          if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        }
      }
    },

    async replace(origin, version, note) {
      const hash = originHash(origin);
      await mkdir(folder, { recursive: true });
      const unfinished = join(folder, `${hash}.${randomUUID()}`);
      const file = join(folder, `${hash}.${version + 1}`);
      try {
        await writeDurably(unfinished, note);
        try {
          await link(unfinished, file);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
          throw error;
        }
      } finally {
        await rm(unfinished, { force: true });
      }
      const versions = await versionsOf(hash);
      if (versions.at(-1) !== version + 1) {
        // Others went on from a later one, and what stood here was removed already.
        await rm(file, { force: true });
        return false;
      }
      await syncFolder(folder);
      for (const older of versions.filter((one) => one < version))
        await rm(join(folder, `${hash}.${older}`), { force: true });
      return true;
    },
  };
}
