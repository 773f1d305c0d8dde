import { startCosignStage } from '../audit/publishing/cosign-stage.ts';
import { checkpointFile } from '../audit/publishing/checkpoint-file.ts';
import type { LogKeys } from '../audit/log-keys.ts';
import { emptyRoot } from '../transparency/merkle.ts';
import { NoteError } from '../transparency/note.ts';
import { startPublishStage } from '../audit/publishing/publish-stage.ts';
import { signCheckpoint } from '../transparency/node/sign.ts';
import { parseWitness, WitnessError, type WitnessAddress } from '../audit/publishing/witness-client.ts';
import { ConfigError, type Config } from '../base/config.ts';
import { openDatabase } from '../db/database.ts';
import type { Keys } from '../base/keys.ts';
import type { Metrics } from '../http/metrics.ts';

/** How far the stages behind the log may be before readiness says no. */
export const maxAuditLagSeconds = 30;
const alarmEveryMs = 60_000;
/** What readiness says while nothing is signed. */
export const logFault = 'nothing is signed: see the log';

export interface PublishingOptions {
  config: Config;
  keys: Keys;
  /** The gateway's role's connection. */
  databaseUrl: string;
  /** Hears of what somebody must look at. */
  alarm?: (message: string, error?: unknown) => void;
}

/** The publishing stage on a connection of its own, so that its transactions keep nobody waiting, and the witnesses. */
export function openPublishing(
  { config, keys, databaseUrl, alarm = () => undefined }: PublishingOptions,
  { metrics, logKeys }: { metrics: Metrics; logKeys: LogKeys },
): { state: () => string; cosigned: (note: string) => string; close: () => Promise<void> } {
  const { pool, close } = openDatabase(databaseUrl, 'onevisit publish', { maxConnections: 1 });
  const alarmedAtMs = new Map<string, number>();
  const witnessed = openDatabase(databaseUrl, 'onevisit witness', { maxConnections: 1 });
  const cosigning = startCosignStage({
    db: witnessed.pool,
    witnesses: readWitnesses(config),
    keys: logKeys,
    emptyNote: signCheckpoint({ origin: config.logOrigin, size: 0, root: emptyRoot }, keys.log),
    onObjection: (objection) => alarm(`nothing is signed while this stands: ${objection}`),
    onFailure(witness, error) {
      metrics.cosignFailed();
      const why = error instanceof WitnessError ? `: ${error.message}` : '';
      alarmSometimes(`the witness ${witness} did not cosign, and is asked again${why}`, error);
    },
  });
  const stage = startPublishStage({
    pool,
    key: keys.log,
    keys: logKeys,
    fileOf: (verifier) => checkpointFile(config.home, verifier),
    after: cosigning.asked,
    objection: cosigning.objection,
    onSucceeded: ({ line }) =>
      alarm(`the log is signed with another key now, and not here any more: ${line}`),
    onFault: (fault) => alarm(`nothing is signed any more: ${fault}`),
    onFailure(error) {
      metrics.publishFailed();
      alarmSometimes('publishing a checkpoint failed; it is tried again', error);
    },
  });

  /** Says the same once a minute. */
  function alarmSometimes(message: string, error: unknown): void {
    if (performance.now() - (alarmedAtMs.get(message) ?? -Infinity) < alarmEveryMs) return;
    alarmedAtMs.set(message, performance.now());
    alarm(message, error);
  }

  return {
    state() {
      if (stage.fault() !== null) return logFault;
      return stage.behindMs() > maxAuditLagSeconds * 1000 ? 'checkpoints are behind' : 'ok';
    },
    cosigned: cosigning.cosigned,
    async close() {
      await cosigning.stop();
      await stage.stop();
      await witnessed.close();
      await close();
    },
  };
}

/** @throws ConfigError when a witness's key is none */
function readWitnesses({ logWitnesses }: Config): WitnessAddress[] {
  return logWitnesses.map((witness) => {
    try {
      return parseWitness(witness);
    } catch (error) {
      if (!(error instanceof NoteError)) throw error;
      throw new ConfigError([`LOG_WITNESSES: ${error.message}`]);
    }
  });
}
