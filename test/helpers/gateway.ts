import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';
import pg from 'pg';
import type { Test } from 'tap';
import { buildApp } from '../../src/gateway/app.ts';
import { openCheckpoint } from '../../src/transparency/checkpoint.ts';
import { canonicalJson } from '../../src/base/canonical-json.ts';
import { rootOf } from '../../src/transparency/merkle.ts';
import { type Verifier } from '../../src/transparency/note.ts';
import { loadCatalogue } from '../../src/catalogue/catalogue.ts';
import { readConfig, type Config } from '../../src/base/config.ts';
import { openDatabase, type Database } from '../../src/db/database.ts';
import { openGateway, type Gateway } from '../../src/gateway/gateway.ts';
import { addGrant, type GrantTerms } from '../../src/grants/administer-grants.ts';
import { addClient } from '../../src/identity/departments-and-clients.ts';
import type { Keys } from '../../src/base/keys.ts';
import { verifierOf } from '../../src/transparency/node/sign.ts';

export const issuer = 'http://gateway.test';
export const logOrigin = 'onevisit.test/audit';
export const actor = { client: 'cli:tester@test' };
export const auditOfficeKeys = generateKeyPairSync('x25519');

export const keys: Keys = {
  token: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  log: generateKeyPairSync('ed25519').privateKey,
  logSecret: randomBytes(32),
  auditPublic: auditOfficeKeys.publicKey,
};

export interface TestDatabase {
  name: string;
  adminUrl: string;
  gatewayUrl: string;
  /** The owner's connection. */
  database: Database;
  pool: pg.Pool;
}

let counter = 0;

/** Clones the run's template: migrated, with the sandbox's registry, its personas and a small province. */
export async function createDatabase(t: Test): Promise<TestDatabase> {
  const { ONEVISIT_TEST_ADMIN_URL: adminUrl, ONEVISIT_TEST_GATEWAY_URL: gatewayUrl } = process.env;
  if (adminUrl === undefined || gatewayUrl === undefined)
    throw new Error('run tests by "npm test -- FILE": they need the PostgreSQL that it starts');
  const name = `test_${process.pid}_${++counter}`;
  await onServer(adminUrl, `create database ${name} template onevisit`);
  const urls = { adminUrl: withDatabase(adminUrl, name), gatewayUrl: withDatabase(gatewayUrl, name) };
  const { database, pool, close } = openDatabase(urls.adminUrl, 'test', { maxConnections: 4 });
  t.teardown(async () => {
    await close();
    await onServer(adminUrl, `drop database ${name} with (force)`);
  });
  return { name, ...urls, database, pool };
}

export function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

async function onServer(adminUrl: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: withDatabase(adminUrl, 'postgres') });
  await client.connect();
  // Several test files clone the template at once; PostgreSQL refuses while another one copies it.
  for (let attempt = 0; ; attempt++) {
    try {
      await client.query(statement);
      break;
    } catch (error) {
      if ((error as pg.DatabaseError).code !== '55006' || attempt > 100) throw error;
      await sleep(50);
    }
  }
  await client.end();
}

/** A clock that stands still until it is moved. */
export interface TestClock {
  now: () => Date;
  advance(ms: number): void;
}

export function createClock(start: Date = new Date()): TestClock {
  let ms = start.getTime();
  return { now: () => new Date(ms), advance: (by) => (ms += by) };
}

export interface TestGateway extends TestDatabase {
  gateway: Gateway;
  app: FastifyInstance;
  clock: TestClock;
  /** An access token of a client of the department; a new one when the clock has outlived the last. */
  token(department: string, roles?: string[]): Promise<string>;
  /** A read by POST; `headers` of null leave one out. */
  read(dataset: string, body: unknown, options?: AskOptions): Promise<LightMyRequestResponse>;
  /** Any data request by POST, as `read`. */
  ask(
    operation: string,
    dataset: string,
    body: unknown,
    options?: AskOptions,
  ): Promise<LightMyRequestResponse>;
  /** Makes a grant that lasts, of which the gateway knows; gives its id. */
  grant(
    terms: Omit<GrantTerms, 'plainFields' | 'validFrom' | 'validUntil'> & { plainFields?: string[] },
  ): Promise<string>;
  /** The entry that an answer names. */
  entryOf(response: LightMyRequestResponse): Promise<Record<string, unknown>>;
}

export interface AskOptions {
  token?: string | null;
  purpose?: string | null;
  headers?: Record<string, string>;
  version?: number;
}

/** A little less than tokens live. */
const tokenLifetimeMs = 9 * 60 * 1000;

/** A gateway on a database of its own, closed at the end of the test. Asks as civil-affairs unless told. */
export async function startGateway(
  t: Test,
  options: { config?: Partial<Config>; database?: TestDatabase } = {},
): Promise<TestGateway> {
  const database = options.database ?? (await createDatabase(t));
  const clock = createClock();
  const config = {
    ...readConfig('home', {
      LOG_LEVEL: 'debug',
      // The clock stands still, so that nothing would come back; tests of limits set their own.
      RATE_LIMIT: '0',
      TOKEN_RATE_LIMIT: '0',
      LOG_ORIGIN: logOrigin,
      ONEVISIT_HOME: join(dirname(process.env.ONEVISIT_TEST_LOGS!), 'homes', database.name),
    }),
    embedded: false,
    ...options.config,
  };
  const gateway = await openGateway({
    config,
    keys,
    issuer,
    databaseUrl: database.gatewayUrl,
    catalogue: loadCatalogue(),
    now: clock.now,
  });
  const logs = createWriteStream(join(process.env.ONEVISIT_TEST_LOGS!, `${database.name}.log`), {
    flags: 'a',
  });
  const app = await buildApp(gateway, logs);
  t.teardown(async () => {
    logs.write(await gateway.metrics.registry.metrics());
    await app.close();
    await gateway.close();
    await new Promise((resolve) => logs.end(resolve));
  });

  const tokens = new Map<string, { token: Promise<string>; untilMs: number }>();
  async function newToken(department: string, roles: string[]): Promise<string> {
    const { clientId, clientSecret } = await addClient(database.database, actor, { department, roles });
    await gateway.exchanges.authority.refresh();
    return tokenFrom(app, { clientId, clientSecret });
  }
  function token(department: string, roles: string[] = ['exchange']): Promise<string> {
    const key = `${department} ${roles.join(' ')}`;
    const nowMs = clock.now().getTime();
    let known = tokens.get(key);
    if (known === undefined || known.untilMs < nowMs) {
      known = { token: newToken(department, roles), untilMs: nowMs + tokenLifetimeMs };
      tokens.set(key, known);
    }
    return known.token;
  }

  async function ask(
    operation: string,
    dataset: string,
    body: unknown,
    { token: given, purpose = 'marriage-registration', headers = {}, version = 1 }: AskOptions = {},
  ): Promise<LightMyRequestResponse> {
    const bearer = given === undefined ? await token('civil-affairs') : given;
    return app.inject({
      method: 'POST',
      url: `/v${version}/${dataset}/${operation}`,
      headers: {
        'content-type': 'application/json',
        ...(bearer !== null && { authorization: `Bearer ${bearer}` }),
        ...(purpose !== null && { 'exchange-purpose': purpose }),
        ...headers,
      },
      payload: typeof body === 'string' ? body : JSON.stringify(body),
    });
  }

  return {
    ...database,
    gateway,
    app,
    clock,
    token,
    ask,
    read: (dataset, body, asked) => ask('read', dataset, body, asked),
    async grant(terms) {
      const { id } = await addGrant(database.database, gateway.catalogue, actor, {
        plainFields: [],
        validFrom: new Date(0),
        validUntil: new Date('2100-01-01'),
        ...terms,
      });
      await gateway.exchanges.authority.refresh();
      return id;
    },
    async entryOf(response) {
      const index = Number(response.headers['exchange-entry']);
      const { rows } = await database.pool.query<{ bytes: Buffer }>(
        'select bytes from audit.entry where index = $1',
        [index],
      );
      return JSON.parse(rows[0]!.bytes.toString()) as Record<string, unknown>;
    },
  };
}

/** A fresh access token for a client's credentials. */
export async function tokenFrom(
  app: FastifyInstance,
  { clientId, clientSecret }: { clientId: string; clientSecret: string },
): Promise<string> {
  const response = await app.inject({
    method: 'POST',
    url: '/oauth/token',
    headers: {
      authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    payload: 'grant_type=client_credentials',
  });
  return response.json<{ access_token: string }>().access_token;
}

/**
 * Checks the whole audit log: indices without gaps, every leaf hash recomputed from the stored bytes, the bytes
 * canonical, and the search tables, once they have caught up, equal to what the entries say; full tiles and the
 * chain of checkpoints as these leaves have them.
 *
 * @param log whose checkpoints they are, where not the tests' own
 * @returns the entries
 */
export async function checkAuditLog(
  t: Test,
  { pool }: TestDatabase,
  log = { origin: logOrigin, key: keys.log },
): Promise<Record<string, unknown>[]> {
  const { rows } = await pool.query<{ index: number; bytes: Buffer; leaf_hash: Buffer }>(
    'select index, bytes, leaf_hash from audit.entry order by index',
  );
  const entries = rows.map((row) => JSON.parse(row.bytes.toString()) as Record<string, unknown>);
  const faults: string[] = [];
  for (const [i, { index, bytes, leaf_hash: stored }] of rows.entries()) {
    if (index !== i) faults.push(`index ${index} where ${i} is due`);
    const hash = createHash('sha256').update(Uint8Array.of(0)).update(bytes).digest();
    if (!hash.equals(stored)) faults.push(`leaf hash of ${index}`);
    if (canonicalJson(entries[i]) !== bytes.toString()) faults.push(`bytes of ${index} are not canonical`);
  }
  await caughtUp(pool, rows.length);
  const { rows: found } = await pool.query<Record<string, unknown> & { index: number; subjects: string[] }>(
    `select f.*, coalesce(s.subjects, '{}') as subjects from audit.find f left join (
       select index, array_agg(encode(subject_ref, 'base64')) as subjects from audit.find_subject group by index
     ) s using (index) order by index`,
  );
  if (found.length !== entries.length) faults.push(`${found.length} rows in audit.find`);
  for (const [i, row] of found.entries()) {
    const entry = entries[i]!;
    const official = entry.official as { id: string } | undefined;
    const expected = {
      exchange: entry.id,
      consumer: entry.consumer ?? null,
      provider: entry.provider ?? null,
      dataset: entry.dataset ?? null,
      purpose: entry.purpose ?? null,
      outcome: entry.outcome ?? null,
      official: official?.id ?? null,
      case_no: entry.case ?? null,
      kind: entry.kind,
    };
    for (const [column, value] of Object.entries(expected))
      if (row[column] !== value) faults.push(`audit.find.${column} of ${i}`);
    if ((row.at as Date).toISOString() !== entry.time) faults.push(`audit.find.at of ${i}`);
    const trace = (row.trace as string | null)?.replaceAll('-', '');
    if (trace !== (entry.trace_id as string | undefined)) faults.push(`audit.find.trace of ${i}`);
    const subjects = [...new Set((entry.subjects as string[] | undefined) ?? [])];
    const refs = subjects.map((ref) => Buffer.from(ref, 'base64url').toString('base64')).sort();
    if (JSON.stringify([...row.subjects].sort()) !== JSON.stringify(refs)) faults.push(`subjects of ${i}`);
  }
  const verifier = verifierOf(log.origin, log.key);
  const leaves = rows.map((row) => row.leaf_hash);
  faults.push(...(await treeFaults(pool, leaves, verifier)));
  t.same(faults, [], `the audit log of ${rows.length} entries is whole`);
  return entries;
}

/** Every kept tile against the leaves, every checkpoint against the leaves, its own note and the one before it. */
async function treeFaults(pool: pg.Pool, leaves: Buffer[], verifier: Verifier): Promise<string[]> {
  const faults: string[] = [];
  const { rows: tiles } = await pool.query<{ level: number; n: number; hashes: Buffer; root: Buffer }>(
    'select level, n, hashes, root from audit.tile order by level, n',
  );
  for (const { level, n, hashes, root } of tiles) {
    const span = 256 ** level;
    const roots = Array.from({ length: 256 }, (_, i) =>
      rootOf(leaves.slice((n * 256 + i) * span, (n * 256 + i + 1) * span)),
    );
    if (!Buffer.concat(roots).equals(hashes) || !root.equals(rootOf(roots)))
      faults.push(`tile ${level}/${n}`);
  }
  const { rows: checkpoints } = await pool.query<{
    size: number;
    previous_size: number;
    root: Buffer;
    note: string;
  }>('select size, previous_size, root, note from audit.checkpoint order by size');
  let previous = 0;
  for (const { size, previous_size: before, root, note } of checkpoints) {
    const signed = openCheckpoint(note, [verifier]);
    if (size > leaves.length || !root.equals(rootOf(leaves.slice(0, size))))
      faults.push(`checkpoint ${size}`);
    if (signed.size !== size || !root.equals(signed.root)) faults.push(`note of checkpoint ${size}`);
    if (before !== previous) faults.push(`checkpoint ${size} continues ${before}, not ${previous}`);
    previous = size;
  }
  return faults;
}

/** Waits for the index stage; takes its steps itself where no gateway runs. */
async function caughtUp(pool: pg.Pool, entries: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const { rows } = await pool.query<{ indexed: number }>('select audit.indexed() as indexed');
    if (rows[0]!.indexed >= entries) return;
    await pool.query('select audit.index_entries(2000)');
    await sleep(20);
  }
}
