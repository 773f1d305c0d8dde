/** For tests of a gateway: one on a database of its own, and ways to ask it. */
import { createWriteStream } from 'node:fs';
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';
import type { Test } from 'tap';
import { readConfig, type Config } from '../../src/base/config.ts';
import { loadCatalogue } from '../../src/catalogue/catalogue.ts';
import { buildApp } from '../../src/gateway/app.ts';
import { openGateway, type Gateway } from '../../src/gateway/gateway.ts';
import { addGrant, type GrantTerms } from '../../src/grants/administer-grants.ts';
import { addClient } from '../../src/identity/departments-and-clients.ts';
import { tokenFrom } from './clients.ts';
import { createDatabase, type TestDatabase } from './database.ts';
import { actor, issuer, keys, logOrigin } from './keys.ts';
import { gatewayHome, logFile } from './server.ts';

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
      ONEVISIT_HOME: gatewayHome(database.name),
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
  const logs = createWriteStream(logFile(database.name), { flags: 'a' });
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
