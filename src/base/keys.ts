import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  type KeyObject,
} from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Where a gateway finds its keys, by the setting that names each. */
export interface KeyFiles {
  TOKEN_KEY_FILE: string;
  LOG_KEY_FILE: string;
  LOG_SECRET_FILE: string;
  AUDIT_PUBLIC_KEY_FILE: string;
}

export interface Keys {
  /** P-256 private key that signs access tokens. */
  token: KeyObject;
  /** Ed25519 private key that signs the audit log's checkpoints. */
  log: KeyObject;
  /** The audit log's permanent secret, 32 bytes. */
  logSecret: Buffer;
  /** The audit office's X25519 public key, to which data keys are wrapped. */
  auditPublic: KeyObject;
}

const auditPrivateKeyName = 'audit-office.private.pem';

export const keySettings = [
  'TOKEN_KEY_FILE',
  'LOG_KEY_FILE',
  'LOG_SECRET_FILE',
  'AUDIT_PUBLIC_KEY_FILE',
] as const;

/** The names that keys bear in an embedded home. */
export function homeKeyFiles(home: string): KeyFiles {
  return {
    TOKEN_KEY_FILE: join(home, 'keys', 'token.pem'),
    LOG_KEY_FILE: join(home, 'keys', 'log.pem'),
    LOG_SECRET_FILE: join(home, 'keys', 'log-secret'),
    AUDIT_PUBLIC_KEY_FILE: join(home, 'keys', 'audit-office.public.pem'),
  };
}

/** Makes the keys that are missing from an embedded home (0600), the audit office's private key among them. */
export function makeMissingKeys(home: string): void {
  const files = homeKeyFiles(home);
  mkdirSync(dirname(files.TOKEN_KEY_FILE), { recursive: true, mode: 0o700 });
  writeMissing(files.TOKEN_KEY_FILE, () =>
    privatePem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
  );
  writeMissing(files.LOG_KEY_FILE, () => privatePem(generateKeyPairSync('ed25519').privateKey));
  writeMissing(files.LOG_SECRET_FILE, () => `${randomBytes(32).toString('base64')}\n`);
  writeMissing(files.AUDIT_PUBLIC_KEY_FILE, () => {
    const office = generateKeyPairSync('x25519');
    writeFileSync(join(home, 'keys', auditPrivateKeyName), privatePem(office.privateKey), { mode: 0o600 });
    return office.publicKey.export({ type: 'spki', format: 'pem' }) as string;
  });
}

/**
 * Reads and checks every key file.
 *
 * @returns the keys, or null with a sentence for every fault
 */
export function readKeys(files: Partial<KeyFiles>): { keys: Keys | null; faults: string[] } {
  const faults: string[] = [];
  function read<T>(setting: keyof KeyFiles, what: string, parse: (content: Buffer) => T | null): T | null {
    const file = files[setting];
    return file === undefined ? null : readKeyFile({ setting, file, what, faults }, parse);
  }
  const token = read('TOKEN_KEY_FILE', 'a P-256 private key', (content) => {
    const key = createPrivateKey(content);
    return key.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? key : null;
  });
  const log = read('LOG_KEY_FILE', 'an Ed25519 private key', parseLogKey);
  const auditPublic = read('AUDIT_PUBLIC_KEY_FILE', 'an X25519 public key', (content) =>
    content.includes('PRIVATE KEY') ? null : ofType(createPublicKey(content), 'x25519'),
  );
  const logSecret = read('LOG_SECRET_FILE', 'a secret of 32 bytes (raw or base64)', (content) => {
    if (content.length === 32) return content;
    const decoded = Buffer.from(content.toString('latin1').trim(), 'base64');
    return decoded.length === 32 ? decoded : null;
  });
  const complete = token !== null && log !== null && logSecret !== null && auditPublic !== null;
  return { keys: complete ? { token, log, logSecret, auditPublic } : null, faults };
}

/**
 * Reads a key that signs checkpoints, alone.
 *
 * @param setting what its faults are said of
 * @returns the key, or null with a sentence for every fault
 */
export function readLogKey(
  file: string,
  setting = 'LOG_KEY_FILE',
): { key: KeyObject | null; faults: string[] } {
  const faults: string[] = [];
  const what = 'an Ed25519 private key';
  return { key: readKeyFile({ setting, file, what, faults }, parseLogKey), faults };
}

/**
 * Reads the audit office's private key, on the auditor's machine.
 *
 * @param setting what its faults are said of
 * @returns the key, or null with a sentence for every fault
 */
export function readAuditKey(file: string, setting: string): { key: KeyObject | null; faults: string[] } {
  const faults: string[] = [];
  const what = 'an X25519 private key';
  const parse = (content: Buffer): KeyObject | null => ofType(createPrivateKey(content), 'x25519');
  return { key: readKeyFile({ setting, file, what, faults }, parse), faults };
}

function parseLogKey(content: Buffer): KeyObject | null {
  return ofType(createPrivateKey(content), 'ed25519');
}

function readKeyFile<T>(
  { setting, file, what, faults }: { setting: string; file: string; what: string; faults: string[] },
  parse: (content: Buffer) => T | null,
): T | null {
  try {
    const value = parse(readFileSync(file));
    if (value === null) faults.push(`${setting}: ${file} is not ${what}`);
    return value;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const unreadable = /^E[A-Z]+$/.test(code);
    faults.push(
      unreadable
        ? `${setting}: cannot read ${file} (${code})`
        : `${setting}: ${file} is not ${what} in PEM form`,
    );
    return null;
  }
}

/** A short public name of a key: the first 16 bytes of SHA-256 over its public form, base64url. */
export function keyId(key: KeyObject): string {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return fingerprint(publicKey.export({ type: 'spki', format: 'der' }));
}

/** A short public name of secret bytes, which tells nothing of them. */
export function fingerprint(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest().subarray(0, 16).toString('base64url');
}

function ofType(key: KeyObject, type: string): KeyObject | null {
  return key.asymmetricKeyType === type ? key : null;
}

function privatePem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string;
}

function writeMissing(file: string, make: () => string): void {
  if (!existsSync(file)) writeFileSync(file, make(), { mode: 0o600, flag: 'wx' });
}
