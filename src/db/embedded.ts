import { existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { UserError } from '../base/errors.ts';
import { findFreePort } from './free-port.ts';
import { connectionConfig } from './connection.ts';
import { findAccount, giveTo, prepareBinaries, runAs, type Account, type Binaries } from './embedded-host.ts';
import { findPlace, readSecrets, type Secrets } from './embedded-home.ts';

/** A PostgreSQL of the gateway's own, whose data lie in a home folder. */
export interface EmbeddedServer {
  /** The superuser's connection to the database. */
  adminUrl: string;
  /** The gateway's role's connection; its password is set by `setGatewayPassword`. */
  gatewayUrl: string;
  gatewayPassword: string;
  /** False when another process owns the server, which it stops when it ends. */
  owned: boolean;
  /** Ends the server when this process owns it. */
  stop(): Promise<void>;
}

const databaseName = 'onevisit';
/** Held by the process that ends the server; a gateway that was killed loses it with its connection. */
const ownerLock = [7103, 100];
const startAttempts = 20;

/**
 * Starts the PostgreSQL of a home, or finds the one that a killed process left running.
 *
 * @param home the folder that keeps it; made when missing
 * @param settings of the server, beside or in place of those that a sandbox has
 * @throws UserError when the binaries or the folder can't be used
 */
export async function openEmbedded(
  home: string,
  settings: Record<string, string> = {},
): Promise<EmbeddedServer> {
  mkdirSync(home, { recursive: true, mode: 0o711 });
  const secrets = readSecrets(join(home, 'postgres.json'));
  const account = await findAccount();
  const binaries = await prepareBinaries(account);
  const place = findPlace(home, account);
  const data = join(place, 'data');
  if (!existsSync(data)) await initialise(place, binaries, account, secrets);

  const server = { place, data, binaries, account, secrets, settings };
  let { client, port } = await adoptOrStart(server, null);
  const owned = await takeOwnership(client);
  let stopping = false;
  let restarting: Promise<void> | null = null;
  if (owned) watch();
  else await client.end();

  function url(user: string, password: string): string {
    return `postgresql://${user}:${password}@127.0.0.1:${port}/${databaseName}`;
  }

  /** A server that ends while the gateway runs is started again on its port. */
  function watch(): void {
    client.once('end', () => {
      if (!stopping) restarting = restart();
    });
  }
  async function restart(): Promise<void> {
    while (!stopping) {
      try {
        ({ client } = await adoptOrStart(server, port));
        await takeOwnership(client);
        watch();
        return;
      } catch {
        await sleep(500);
      }
    }
  }

  return {
    adminUrl: url('postgres', secrets.password),
    gatewayUrl: url('onevisit_gateway', secrets.gatewayPassword),
    gatewayPassword: secrets.gatewayPassword,
    owned,
    async stop() {
      if (!owned || stopping) return;
      stopping = true;
      await restarting;
      await stopServer(server);
    },
  };
}

interface Server {
  place: string;
  data: string;
  binaries: Binaries;
  account: Account | null;
  secrets: Secrets;
  settings: Record<string, string>;
}

async function stopServer({ place, data, binaries, account }: Server): Promise<void> {
  if (readPostmaster(data) === null) return;
  const options = [`--pgdata=${data}`, '--mode=fast', '--wait', '--timeout=8', '--silent'];
  await runAs(account, place, binaries.pg_ctl, ['stop', ...options]);
}

/** Connects to the server that runs on the data, or starts one; a server still dying is waited for. */
async function adoptOrStart(
  server: Server,
  fixedPort: number | null,
): Promise<{ client: pg.Client; port: number }> {
  let lastError: unknown;
  for (let attempt = 0; attempt < startAttempts; attempt++) {
    const running = readPostmaster(server.data);
    const port = running ?? fixedPort ?? (await findFreePort('127.0.0.1'));
    try {
      if (running === null) await startServer(server, port);
      return { client: await connectAsAdmin(port, server.secrets), port };
    } catch (error) {
      lastError = error;
      await sleep(250);
    }
  }
  const log = join(server.place, 'server.log');
  throw new UserError(`the embedded PostgreSQL does not start; its own log is ${log}`, { cause: lastError });
}

async function startServer(server: Server, port: number): Promise<void> {
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: "''",
    max_connections: '100',
    shared_buffers: '128MB',
    // The server's own log holds neither statements nor values: they may be personal data.
    log_error_verbosity: 'terse',
    log_min_error_statement: 'panic',
    log_parameter_max_length_on_error: '0',
    ...server.settings,
    port: String(port),
  };
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  const log = join(server.place, 'server.log');
  await runAs(server.account, server.place, server.binaries.pg_ctl, [
    'start',
    `--pgdata=${server.data}`,
    `--log=${log}`,
    '--wait',
    '--timeout=30',
    '--silent',
    `--options=${options.join(' ')}`,
  ]);
}

/** Opens the lasting connection that says whose server this is, and makes the database at first. */
async function connectAsAdmin(port: number, secrets: Secrets): Promise<pg.Client> {
  const base = `postgresql://postgres:${secrets.password}@127.0.0.1:${port}/postgres`;
  const client = new pg.Client(
    connectionConfig(base, 'onevisit embedded', { idle_in_transaction_session_timeout: 0 }),
  );
  client.on('error', () => undefined);
  await client.connect();
  const found = await client.query('select 1 from pg_database where datname = $1', [databaseName]);
  if (found.rowCount === 0) await client.query(`create database ${databaseName}`);
  return client;
}

async function takeOwnership(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ taken: boolean }>(
    'select pg_try_advisory_lock($1, $2) as taken',
    ownerLock,
  );
  return rows[0]!.taken;
}

/** The port of the server that runs on the data (postmaster.pid, fourth line); null when none does. */
function readPostmaster(data: string): number | null {
  let lines: string[];
  try {
    lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return null;
  }
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  if (!Number.isInteger(pid) || pid <= 1 || !Number.isInteger(port) || port <= 0) return null;
  return isServerOf(data, pid) ? port : null;
}

/** A number in postmaster.pid may meanwhile be another process's; then the file is in PostgreSQL's way. */
function isServerOf(data: string, pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  if (!existsSync('/proc/self/cwd')) return true;
  try {
    if (readlinkSync(`/proc/${pid}/cwd`) === data) return true;
  } catch (error) {
    // A process that ended but was not reaped has no folder any more.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return true;
  }
  rmSync(join(data, 'postmaster.pid'), { force: true });
  return false;
}

/** A data folder that is there is whole: it gets its name only when initdb has finished. */
async function initialise(
  place: string,
  binaries: Binaries,
  account: Account | null,
  secrets: Secrets,
): Promise<void> {
  const unfinished = join(place, 'data.new');
  const passwordFile = join(place, 'initdb-password');
  await rm(unfinished, { recursive: true, force: true });
  writeFileSync(passwordFile, `${secrets.password}\n`, { mode: 0o600 });
  giveTo(account, passwordFile);
  try {
    await runAs(account, place, binaries.initdb, [
      `--pgdata=${unfinished}`,
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--data-checksums',
      '--no-sync',
    ]);
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rename(unfinished, join(place, 'data'));
}
