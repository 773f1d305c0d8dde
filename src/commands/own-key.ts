import { createPublicKey } from 'node:crypto';
import { ConfigError, type Config } from '../base/config.ts';
import { UserError } from '../base/errors.ts';
import { readLogKey } from '../base/keys.ts';
import { verifierKey, type Signer } from '../transparency/node/sign.ts';

/** The verifier key of the own log. @throws ConfigError, UserError when there is no own key */
export function ownVerifierKey(config: Config): string {
  const file = config.keyFiles.LOG_KEY_FILE;
  if (file === undefined)
    throw new UserError('LOG_KEY_FILE: required when DATABASE_URL is set; or --key where a command takes it');
  const { key, faults } = readLogKey(file);
  if (key === null) throw new ConfigError(faults);
  return verifierKey(config.logOrigin, createPublicKey(key));
}

/** The key that signs the log now. @throws ConfigError, UserError when there is none */
export function ownSigner(config: Config): Signer {
  const file = config.keyFiles.LOG_KEY_FILE;
  if (file === undefined) throw new UserError('LOG_KEY_FILE: required when DATABASE_URL is set');
  return readSigner('LOG_KEY_FILE', file, config.logOrigin);
}

/** A key that may sign a log. @param setting what named the file @throws ConfigError when it is not such a key */
export function readSigner(setting: string, file: string, name: string): Signer {
  const { key, faults } = readLogKey(file, setting);
  if (key === null) throw new ConfigError(faults);
  return { name, key };
}
