import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../base/errors.ts';
import { canReach, giveTo, sharedFolder, type Account } from './embedded-host.ts';

/** Passwords of the embedded server's roles. */
export interface Secrets {
  password: string;
  gatewayPassword: string;
}

/**
 * The folder of the server's files: `postgres` in the home, or, where the server's account can't go there,
 * one elsewhere to which `postgres` in the home is a link.
 */
export function findPlace(home: string, account: Account | null): string {
  const place = join(home, 'postgres');
  if (existsSync(place)) return realpathSync(place);
  if (account === null || canReach(account, realpathSync(home))) {
    mkdirSync(place, { mode: 0o700 });
    giveTo(account, place);
    return realpathSync(place);
  }
  const elsewhere = join(sharedFolder(), randomBytes(8).toString('hex'));
  mkdirSync(elsewhere, { mode: 0o700 });
  giveTo(account, elsewhere);
  symlinkSync(elsewhere, place);
  return elsewhere;
}

/** The passwords of the server's roles, made at first; the file is its owner's alone. */
export function readSecrets(file: string): Secrets {
  if (!existsSync(file)) {
    const secrets = { password: newPassword(), gatewayPassword: newPassword() };
    writeFileSync(file, `${JSON.stringify(secrets)}\n`, { mode: 0o600, flag: 'wx' });
    return secrets;
  }
  chmodSync(file, 0o600);
  const secrets = parseSecrets(readFileSync(file, 'utf8'));
  if (secrets !== null) return secrets;
  throw new UserError(`${file} is damaged: it should hold the embedded database's two passwords as JSON`);
}

function parseSecrets(content: string): Secrets | null {
  try {
    const { password, gatewayPassword } = JSON.parse(content) as Partial<Secrets>;
    const good = [password, gatewayPassword].every((one) => typeof one === 'string' && one !== '');
    return good ? ({ password, gatewayPassword } as Secrets) : null;
  } catch {
    return null;
  }
}

function newPassword(): string {
  return randomBytes(24).toString('base64url');
}
