import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { sql } from 'kysely';
import { buildApp, buildOperationsApp } from './app.ts';
import { deriveLogSecrets } from '../audit/subjects.ts';
import { loadCatalogue, type Catalogue } from '../catalogue/catalogue.ts';
import { checkRelations } from '../catalogue/relations.ts';
import { ConfigError, type Config } from '../base/config.ts';
import { openDatabase } from '../db/database.ts';
import { openEmbedded, type EmbeddedServer } from '../db/embedded.ts';
import { migrate } from '../audit/migrate.ts';
import { listPendingMigrations, setGatewayPassword } from '../db/migrate.ts';
import { rememberSettings } from '../db/settings.ts';
import { UserError } from '../base/errors.ts';
import { openGateway, type Gateway } from './gateway.ts';
import { holdPort, listen, portOf } from './listen.ts';
import { keyId, makeMissingKeys, readKeys, type Keys } from '../base/keys.ts';

/** How long readiness says no before the gateway stops listening, so that load balancers take note. */
const drainMs = 1000;
/** After this, what is still at work is given up. */
const stopWithinMs = 9000;
const giveBackMs = 500;

/**
 * Runs a gateway until a signal ends it.
 *
 * @param say hears what a person at the terminal should know
 * @throws UserError, ConfigError when it can't start
 */
export async function serve(config: Config, say: (line: string) => void): Promise<void> {
  const stopping = stopSignal();
  const catalogue = loadCatalogue();
  const place = { host: config.host, port: config.port, setting: 'PORT' };
  const held = config.port === 0 ? await holdPort(place) : null;
  const port = held === null ? config.port : portOf(held);
  const baseUrl = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;
  const issuer = config.issuer ?? baseUrl;
  let embedded: EmbeddedServer | null = null;
  try {
    if (config.embedded) embedded = await startEmbedded(config, { catalogue, baseUrl, issuer, say });
    const keys = config.keys ?? requireKeys(config);
    const databaseUrl = embedded?.gatewayUrl ?? config.databaseUrl!;
    await checkFit(databaseUrl, catalogue, {
      ISSUER: issuer,
      LOG_ORIGIN: config.logOrigin,
      ...keyIds(keys),
    });
    const apps: FastifyInstance[] = [];
    const gateway = await openGateway({
      config,
      keys,
      issuer,
      databaseUrl,
      catalogue,
      alarm(message, error) {
        if (apps[0] === undefined) process.stderr.write(`onevisit: ${message}\n`);
        else apps[0].log.error(error === undefined ? {} : { err: error }, message);
      },
    });
    try {
      apps.push(await listen(await buildApp(gateway), place, held));
      if (config.opsPort !== null) {
        const opsPlace = { host: config.host, port: config.opsPort, setting: 'OPS_PORT' };
        const operations = await listen(await buildOperationsApp(gateway), opsPlace);
        apps.push(operations);
        say(`Health and metrics on port ${portOf(operations.server)}`);
      }
      say(
        embedded === null
          ? `OneVisit serves ${issuer}, listening on ${baseUrl}`
          : (await import('../sandbox/welcome.ts')).welcome(config, baseUrl),
      );
      await stopping;
      say('Stopping: exchanges in work are finished');
    } finally {
      await shutDown(gateway, apps);
    }
  } finally {
    held?.close();
    await embedded?.stop();
  }
}

/** Starts, migrates and fills the embedded database, and makes the keys that are missing. */
async function startEmbedded(
  config: Config,
  options: { catalogue: Catalogue; baseUrl: string; issuer: string; say: (line: string) => void },
): Promise<EmbeddedServer> {
  const { catalogue, baseUrl, issuer, say } = options;
  say('Starting the embedded PostgreSQL');
  const server = await openEmbedded(config.home);
  try {
    if (!server.owned)
      throw new UserError(`another gateway runs in ${config.home}; set ONEVISIT_HOME to another folder`);
    makeMissingKeys(config.home);
    await migrate(server.adminUrl);
    await setGatewayPassword(server.adminUrl, server.gatewayPassword);
    if (config.issuer === null) await followListenUrl(server.adminUrl, issuer);
    // The sandbox's people, and what loads records, would take memory from gateways that have none.
    const { seedSandbox } = await import('../sandbox/seed.ts');
    await seedSandbox({ home: config.home, adminUrl: server.adminUrl, baseUrl, catalogue, say });
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/**
 * Without ISSUER an embedded gateway's issuer is where it listens, and that may change from start to start. An
 * issuer that was set once stays remembered.
 */
async function followListenUrl(adminUrl: string, issuer: string): Promise<void> {
  const { database, close } = openDatabase(adminUrl, 'onevisit', { maxConnections: 1 });
  try {
    const keys = ['ISSUER', 'ISSUER is the listen URL'];
    const rows = await database
      .selectFrom('registry.setting')
      .select('key')
      .where('key', 'in', keys)
      .execute();
    const wasSet = rows.length === 1;
    if (wasSet) return;
    await database
      .insertInto('registry.setting')
      .values(keys.map((key) => ({ key, value: issuer })))
      .onConflict((conflict) => conflict.column('key').doUpdateSet({ value: issuer }))
      .execute();
  } finally {
    await close();
  }
}

function requireKeys(config: Config): Keys {
  const { keys, faults } = readKeys(config.keyFiles);
  if (keys === null) throw new ConfigError(faults);
  return keys;
}

/** What is remembered of the keys: names that tell nothing of them. */
function keyIds(keys: Keys): Record<string, string> {
  return {
    TOKEN_KEY_FILE: keyId(keys.token),
    LOG_KEY_FILE: keyId(keys.log),
    LOG_SECRET_FILE: createHash('sha256')
      .update(deriveLogSecrets(keys.logSecret).subjectKeyId)
      .digest('base64url'),
    AUDIT_PUBLIC_KEY_FILE: keyId(keys.auditPublic),
  };
}

/** Whether this program and its settings can run on the database. @throws UserError when not */
async function checkFit(url: string, catalogue: Catalogue, settings: Record<string, string>): Promise<void> {
  const { database, close } = openDatabase(url, 'onevisit start', { maxConnections: 1 });
  try {
    const pending = await listPendingMigrations(database);
    if (pending.length > 0)
      throw new UserError(`the database lacks ${pending.length} migrations: run "onevisit migrate"`);
    const { rows } = await sql<{ fsync: string }>`show fsync`.execute(database);
    if (rows[0]?.fsync !== 'on')
      throw new UserError('PostgreSQL runs with fsync = off: an entry would not be durable; switch it on');
    await checkRelations(database, catalogue);
    await rememberSettings(database, settings);
  } finally {
    await close();
  }
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
}

/** Readiness says no for a moment, then nothing new is taken, then what is at work is finished. */
async function shutDown(gateway: Gateway, apps: FastifyInstance[]): Promise<void> {
  // Clients that keep their connections don't hold it up; what was leased of the day's quotas is given back all the same.
  setTimeout(() => {
    const given = Promise.race([gateway.exchanges.limits.close(), sleep(giveBackMs)]);
    void given.finally(() => process.exit(0));
  }, stopWithinMs).unref();
  gateway.drain();
  if (apps.length > 0) await sleep(drainMs);
  await Promise.all(apps.map((app) => app.close()));
  await gateway.close();
}
