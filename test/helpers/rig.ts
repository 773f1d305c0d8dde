/** For stress tests and benchmarks: a PostgreSQL of their own with gateway processes on it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase, type Database } from '../../src/db/database.ts';
import type { EmbeddedServer } from '../../src/db/embedded.ts';
import { addClient } from '../../src/identity/departments-and-clients.ts';
import { homeKeyFiles, makeMissingKeys } from '../../src/base/keys.ts';
import { citizens, type Province } from '../../src/sandbox/province.ts';
import { openFilledServer } from './filled-server.ts';

export const actor = { client: 'cli:stress@test' };
const issuer = 'http://gateway.test';
const cli = join(import.meta.dirname, '..', '..', 'src', 'onevisit.js');
/** The flags that its first line has Node run with. */
const nodeFlags = readFileSync(cli, 'utf8')
  .split('\n', 1)[0]!
  .split(' ')
  .filter((word) => word.startsWith('--'));
const smallProvince = { seed: 3, citizens: 2000, enterprises: 100 };

/** A PostgreSQL with the sandbox's data, and gateway processes on it. */
export interface Rig {
  folder: string;
  server: EmbeddedServer;
  database: Database;
  ids: string[];
  /** Starts a gateway process of its own home, as `npm start` does; resolves to its URL when it listens. */
  startGateway(more?: {
    nodeFlags: string[];
    env: NodeJS.ProcessEnv;
  }): Promise<{ url: string; process: ChildProcess }>;
  /** An access token of a new client, of civil-affairs unless told. */
  newToken(url: string, client?: { department: string; roles: string[] }): Promise<string>;
  /** SQL as the owner, on a connection of its own, so that it works after the server was ended. */
  query<T extends object>(text: string, values?: unknown[]): Promise<T[]>;
  close(): Promise<void>;
}

export async function openRig(
  province: Province = smallProvince,
  settings: Record<string, string> = {},
): Promise<Rig> {
  const folder = mkdtempSync(join(tmpdir(), 'onevisit-stress-'));
  chmodSync(folder, 0o711);
  const server = await openFilledServer(folder, province, settings);
  makeMissingKeys(join(folder, 'keys-of-all'));
  const { database, pool, close } = openDatabase(server.adminUrl, 'stress', { maxConnections: 4 });
  const children: ChildProcess[] = [];
  let homes = 0;

  return {
    folder,
    server,
    database,
    ids: [...citizens(province)].map((citizen) => citizen.id),
    startGateway(more = { nodeFlags: [], env: {} }) {
      const env = {
        ...process.env,
        NODE_COMPILE_CACHE: undefined,
        ...homeKeyFiles(join(folder, 'keys-of-all')),
        DATABASE_URL: server.gatewayUrl,
        ONEVISIT_HOME: join(folder, `home-${++homes}`),
        ISSUER: issuer,
        LOG_ORIGIN: 'onevisit.test/audit',
        LOG_LEVEL: 'fatal',
        RATE_LIMIT: '0',
        TOKEN_RATE_LIMIT: '0',
        PORT: '0',
      };
      const child = spawn(process.execPath, [...nodeFlags, ...more.nodeFlags, cli, 'serve'], {
        env: { ...env, ...more.env },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      children.push(child);
      return new Promise((resolve, reject) => {
        let output = '';
        child.stdout.on('data', (chunk: Buffer) => {
          output += chunk.toString();
          const url = /listening on (\S+)/.exec(output)?.[1];
          if (url !== undefined) resolve({ url, process: child });
        });
        child.once('exit', (code) => reject(new Error(`the gateway ended with ${code}`)));
      });
    },
    async newToken(url, client = { department: 'civil-affairs', roles: ['exchange'] }) {
      const { clientId, clientSecret } = await addClient(database, actor, client);
      const credentials = Buffer.from(`${clientId}:${clientSecret}`).toString('base64');
      for (let attempt = 0; attempt < 100; attempt++) {
        const response = await fetch(`${url}/oauth/token`, {
          method: 'POST',
          headers: {
            authorization: `Basic ${credentials}`,
            'content-type': 'application/x-www-form-urlencoded',
          },
          body: 'grant_type=client_credentials',
        });
        if (response.ok) return ((await response.json()) as { access_token: string }).access_token;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error('no token');
    },
    async query<T extends object>(text: string, values: unknown[] = []): Promise<T[]> {
      const { rows } = await pool.query<T>(text, values);
      return rows;
    },
    async close() {
      for (const child of children) child.kill('SIGKILL');
      await close();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What one request came to. */
export interface Answered {
  status: number;
  code: string | null;
  exchangeId: string | null;
  entry: number | null;
  released: boolean;
}

/** Asks for a record. @throws TypeError when the connection breaks */
export function requestRecord(url: string, token: string, id: string): Promise<Response> {
  return fetch(`${url}/v1/citizens/read`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'exchange-purpose': 'marriage-registration',
    },
    body: JSON.stringify({ id, fields: ['name', 'phone'] }),
  });
}

/** Asks for a record; a connection that breaks is status 0. */
export async function ask(url: string, token: string, id: string): Promise<Answered> {
  try {
    const response = await requestRecord(url, token, id);
    const body = (await response.json()) as { code?: string; name?: string };
    const entry = response.headers.get('exchange-entry');
    return {
      status: response.status,
      code: body.code ?? null,
      exchangeId: response.headers.get('exchange-id'),
      entry: entry === null ? null : Number(entry),
      released: body.name !== undefined,
    };
  } catch {
    return { status: 0, code: null, exchangeId: null, entry: null, released: false };
  }
}

/**
 * Holds the answers against the log: indices without gap, each answered exchange at the index that its answer
 * named and nowhere else, and no data without an entry.
 *
 * @returns the faults
 */
export async function checkAnswers(rig: Rig, answers: readonly Answered[]): Promise<string[]> {
  const faults: string[] = [];
  const [log] = await rig.query<{ entries: number; last: number; exchanges: number; ids: number }>(
    `select count(*) as entries, max(index) as last,
       count(*) filter (where convert_from(bytes, 'UTF8')::jsonb ->> 'kind' = 'exchange') as exchanges,
       count(distinct convert_from(bytes, 'UTF8')::jsonb ->> 'id') as ids
     from audit.entry`,
  );
  if (log!.entries !== log!.last + 1)
    faults.push(`${log!.entries} entries, but the last index is ${log!.last}`);
  if (log!.ids !== log!.entries) faults.push('an id is in the log twice');
  const rows = await rig.query<{ index: number; id: string }>(
    `select index, convert_from(bytes, 'UTF8')::jsonb ->> 'id' as id from audit.entry`,
  );
  const indexOf = new Map(rows.map((row) => [row.id, row.index]));
  for (const { exchangeId, entry, released, status } of answers) {
    if (released && entry === null) faults.push('data were released without an entry');
    if (entry !== null && indexOf.get(exchangeId!) !== entry)
      faults.push(`${exchangeId} (${status}) is not at ${entry}`);
  }
  return faults;
}
