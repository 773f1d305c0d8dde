import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../base/errors.ts';
import { readCapped } from '../read-capped.ts';
import { successionsPath, type ReadLogFile } from '../tiles-source.ts';

const attempts = 4;
const firstWaitMs = 250;
const timeoutMs = 30_000;
/** An entry bundle has at most 256 entries of 65,535 bytes, each with its length. */
const maxFileBytes = 256 * 65_537;

/** The files of an export. Reading throws UserError when a file can't be read. */
export function folderFiles(folder: string): ReadLogFile {
  return (path) => {
    try {
      // Opening a file in another thread would take longer than reading it.
      return Promise.resolve(readFileSync(join(folder, path)));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return Promise.resolve(null);
      throw new UserError(`cannot read ${join(folder, path)} (${code})`, { cause: error });
    }
  };
}

/**
 * The log of a running gateway. A gateway that is away for a moment is asked again; reading throws UserError when it
 * stays away, or refuses.
 *
 * @param base the gateway's URL, below which `/log/` is
 * @param token gives the access token for entries; asked again when one was refused
 */
export function gatewayFiles(base: string, token: () => Promise<string>): ReadLogFile {
  let current: Promise<string> | undefined;

  async function ask(path: string): Promise<Response> {
    const headers: Record<string, string> = path.startsWith('tile/entries/')
      ? { 'accept-encoding': 'identity', authorization: `Bearer ${await (current ??= token())}` }
      : { 'accept-encoding': 'identity' };
    return fetch(`${base}/log/${path}`, { headers, signal: AbortSignal.timeout(timeoutMs) });
  }

  return async (path) => {
    // Kept checkpoints, and successions, are no part of what a gateway serves.
    if (path.startsWith('checkpoints/') || path === successionsPath) return null;
    let last = '';
    let refused = false;
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (attempt > 0) await sleep(firstWaitMs * 2 ** attempt);
      try {
        const response = await ask(path);
        if (response.ok) {
          const bytes = await readCapped(response, maxFileBytes);
          if (bytes === null) throw new UserError(`${base}/log/${path}: is larger than such a file can be`);
          return bytes;
        }
        await response.body?.cancel();
        last = `it answers ${response.status}`;
        if (response.status === 404) return null;
        if (response.status < 500 && response.status !== 429) {
          if (response.status !== 401 || refused) break;
          // The token may have ended meanwhile.
          [refused, current] = [true, undefined];
        }
      } catch (error) {
        if (error instanceof UserError) throw error;
        const { code } = (error as { cause?: { code?: unknown } }).cause ?? {};
        last = typeof code === 'string' ? code : (error as Error).message;
      }
    }
    throw new UserError(`${base}/log/${path}: ${last}${advice(last)}`);
  };
}

function advice(last: string): string {
  if (last.endsWith('401')) return '; the token is not valid, or no longer: take a new one';
  if (last.endsWith('403')) return "; entries are shown to the audit office's clients alone";
  return '';
}
