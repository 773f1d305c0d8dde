import { openAppender, type Appender } from '../audit/append.ts';
import { encodeEntry } from '../audit/entry.ts';
import { deriveLogSecrets } from '../audit/subjects.ts';
import { readIndexLag, startIndexStage } from '../audit/search/index-stage.ts';
import { openLogKeys, type LogKeys } from '../audit/log-keys.ts';
import { recordUnderAuthority } from '../audit/record.ts';
import { createSealer } from '../audit/sealing/seal.ts';
import { verifierOf } from '../transparency/node/sign.ts';
import { readTreeState } from '../audit/stored-log.ts';
import type pg from 'pg';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { Config } from '../base/config.ts';
import { connectionConfig } from '../db/connection.ts';
import { openConnections, type Connections } from './connections.ts';
import { openDatabase, type Database } from '../db/database.ts';
import { listPendingMigrations } from '../db/migrate.ts';
import type { ExchangeContext } from '../exchange/exchange.ts';
import type { ServedDataset } from '../exchange/operation.ts';
import { createProjections } from '../exchange/projection.ts';
import { createCalendar } from '../base/calendar.ts';
import { followAuthority, type AuthorityView } from '../grants/authority.ts';
import { createIdRuns } from '../exchange/id-runs.ts';
import { openLimits } from '../grants/limits.ts';
import type { Keys } from '../base/keys.ts';
import { createMetrics, type Metrics } from '../http/metrics.ts';
import type { Readiness } from '../routes/operations.ts';
import { logFault, maxAuditLagSeconds, openPublishing } from './publishing.ts';
import { createRecordReader } from '../records/read.ts';
import { createRecordSearch } from '../records/search.ts';

/** The parts of a running gateway, connected. `buildApp` puts HTTP in front of them. */
export interface Gateway {
  config: Config;
  keys: Keys;
  /** The public base URL: issuer and audience of tokens. */
  issuer: string;
  catalogue: Catalogue;
  /** Where departments govern: registers are read, and acts on them carried out. */
  registry: Database;
  /** Where auditors' searches run, and tiles are read. */
  searches: Database;
  searchPool: pg.Pool;
  exchanges: ExchangeContext;
  served: ServedDataset[];
  metrics: Metrics;
  readiness: () => Promise<Readiness>;
  /** The keys of the audit log's checkpoints. */
  logKeys: LogKeys;
  /** A checkpoint's note with the signatures of the witnesses that have cosigned it so far. */
  cosigned: (note: string) => string;
  /** From now on readiness says no; everything else goes on. */
  drain(): void;
  close(): Promise<void>;
}

export interface GatewayOptions {
  config: Config;
  keys: Keys;
  issuer: string;
  /** The gateway's role's connection. */
  databaseUrl: string;
  catalogue: Catalogue;
  now?: () => Date;
  /** Hears of what somebody must look at. */
  alarm?: (message: string, error?: unknown) => void;
}

/**
 * Connects the parts of a gateway.
 *
 * @throws UserError when the database can't be followed
 */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { pool, close } = openDatabase(options.databaseUrl, 'onevisit authority', { maxConnections: 2 });
  try {
    const listenConfig = connectionConfig(options.databaseUrl, 'onevisit listen');
    const authority = await followAuthority(pool, listenConfig);
    let logState = (): string => 'ok';
    const gateway = assembleGateway(options, authority, () => logState());
    const indexing = startIndexStage(pool, gateway.metrics.indexFailed);
    const publishing = openPublishing(options, gateway);
    logState = publishing.state;
    return {
      ...gateway,
      cosigned: publishing.cosigned,
      async close() {
        await indexing.stop();
        await publishing.close();
        await gateway.close();
        await authority.close();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Puts the parts together around a view of the authority; connections open when first used.
 *
 * @param logState what readiness says of the log: "ok" while all is well
 */
export function assembleGateway(
  options: GatewayOptions,
  authority: AuthorityView,
  logState: () => string = () => 'ok',
): Gateway {
  const { config, keys, issuer, databaseUrl, catalogue } = options;
  const connections = openConnections(databaseUrl);
  const { database, pool } = connections.main;
  const metrics = createMetrics(lagsOf(pool), () => logState() === logFault);
  const exchanges = assembleExchanges(options, authority, connections, metrics);
  const served = catalogue.datasets.map((dataset) => ({
    dataset,
    records: createRecordReader(connections.records, connections.bulk, dataset),
    search: createRecordSearch(connections.find, dataset),
    cursorKey: exchanges.secrets.cursorKey,
    project: createProjections(dataset),
  }));
  let draining = false;

  return {
    config,
    keys,
    issuer,
    catalogue,
    registry: connections.govern,
    searches: connections.search.database,
    searchPool: connections.search.pool,
    exchanges,
    served,
    metrics,
    logKeys: openLogKeys(verifierOf(config.logOrigin, keys.log)),
    cosigned: (note) => note,
    async readiness() {
      const checks = {
        process: draining ? 'draining' : 'ok',
        ...(await checkDatabase(database, pool)),
        audit_log: logState(),
      };
      return { ready: Object.values(checks).every((check) => check === 'ok'), checks };
    },
    drain() {
      draining = true;
    },
    async close() {
      await exchanges.log.close();
      await exchanges.limits.close();
      await connections.close();
    },
  };
}

/** What an exchange works with. */
function assembleExchanges(
  { config, keys, now = () => new Date() }: GatewayOptions,
  authority: AuthorityView,
  connections: Connections,
  metrics: Metrics,
): ExchangeContext {
  const log = openAppender(connections.append, metrics.appended);
  return {
    limits: openLimits(connections.limits, createCalendar(config.timeZone)),
    idRuns: createIdRuns(),
    authority,
    log,
    secrets: deriveLogSecrets(keys.logSecret),
    sealer: createSealer({
      auditPublicKey: keys.auditPublic,
      now,
      enter: (entry) => enterKey(log, authority, entry),
    }),
    now,
  };
}

/** How many entries the search tables, and the last checkpoint, do not hold yet. */
function lagsOf(pool: pg.Pool): Parameters<typeof createMetrics>[0] {
  return {
    index: async () => (await readIndexLag(pool)).entries,
    checkpoint: async () => {
      const { entries, last } = await readTreeState(pool);
      return entries - (last?.size ?? 0);
    },
  };
}

async function enterKey(
  log: Appender,
  authority: AuthorityView,
  entry: Parameters<typeof encodeEntry>[0],
): Promise<void> {
  const leaf = encodeEntry(entry);
  await recordUnderAuthority(log, authority, () => Promise.resolve({ leaf, result: undefined }));
}

async function checkDatabase(
  database: Database,
  pool: Parameters<typeof readIndexLag>[0],
): Promise<Record<'database' | 'migrations' | 'audit_lag', string>> {
  try {
    const lag = await readIndexLag(pool);
    const pending = await listPendingMigrations(database).catch(() => ['a newer schema']);
    return {
      database: 'ok',
      migrations: pending.length === 0 ? 'ok' : 'differ from the program',
      audit_lag:
        lag.entries >= 0 && lag.oldestSeconds <= maxAuditLagSeconds ? 'ok' : 'search tables are behind',
    };
  } catch {
    return { database: 'unreachable', migrations: 'unknown', audit_lag: 'unknown' };
  }
}
