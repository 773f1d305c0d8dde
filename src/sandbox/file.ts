import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../base/errors.ts';
import type { Persona } from './personas.ts';

/** `sandbox.json` in the home: what a newcomer, or a test, needs to ask the sandbox. */
export interface SandboxFile {
  base_url: string;
  clients: SandboxClient[];
  personas: Persona[];
}

export interface SandboxClient {
  department: string;
  roles: string[];
  client_id: string;
  client_secret: string;
}

const fileName = 'sandbox.json';

/** @throws UserError when there is none, or it is not readable */
export function readSandboxFile(home: string): SandboxFile {
  const file = findSandboxFile(home);
  if (file === null)
    throw new UserError(
      `there is no sandbox in ${home}: start one with "npm start", or set ONEVISIT_HOME to its home`,
    );
  return file;
}

/** Null when the home has none. @throws UserError when it is damaged */
export function findSandboxFile(home: string): SandboxFile | null {
  const path = join(home, fileName);
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new UserError(`cannot read ${path} (${(error as NodeJS.ErrnoException).code})`, { cause: error });
  }
  try {
    return JSON.parse(content) as SandboxFile;
  } catch (error) {
    throw new UserError(`${path} is not JSON; delete it and start the sandbox again to have it made anew`, {
      cause: error,
    });
  }
}

/** Replaces the file as a whole, readable for its owner alone: it holds secrets. */
export function writeSandboxFile(home: string, content: SandboxFile): void {
  const path = join(home, fileName);
  const unfinished = `${path}.partial`;
  writeFileSync(unfinished, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  renameSync(unfinished, path);
}
