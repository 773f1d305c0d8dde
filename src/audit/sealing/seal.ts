import {
  createCipheriv,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  randomBytes,
  randomUUID,
  type KeyObject,
} from 'node:crypto';
import { hostname } from 'node:os';
import { keyId } from '../../base/keys.ts';
import { rawPublicKey } from '../../transparency/node/sign.ts';
import type { Entry } from '../entry.ts';

/** A key that seals subjects for an hour in one process; only the audit office can open what it sealed. */
export interface DataKey {
  id: string;
  expiresAtMs: number;
  /** Seals subject ids into one blob, bound to the entry's id: nonce ‖ AES-256-GCM ciphertext ‖ tag, base64url. */
  seal(ids: readonly string[], entryId: string): string;
}

export interface Sealer {
  /** The data key in force; a new one is entered in the log before anyone gets it. */
  dataKey(): Promise<DataKey>;
}

const lifetimeMs = 60 * 60 * 1000;
/** How data keys are wrapped, and what the wrapping keys are derived for. */
export const wrapAlgorithm = 'X25519-HKDF-SHA256-AES256GCM';
export const wrapInfo = 'onevisit/data-key';

/**
 * Makes the sealer of one process.
 *
 * @param enter makes an entry durable in the audit log, or throws
 */
export function createSealer(options: {
  auditPublicKey: KeyObject;
  enter: (entry: Entry) => Promise<void>;
  now: () => Date;
}): Sealer {
  let current: DataKey | null = null;
  let making: Promise<DataKey> | null = null;

  async function make(): Promise<DataKey> {
    const secret = randomBytes(32);
    const id = randomUUID();
    const time = options.now();
    await options.enter({
      kind: 'key',
      id: randomUUID(),
      time,
      client: `gateway:${hostname()}:${process.pid}`,
      operation: 'data-key',
      outcome: 'done',
      data_key: id,
      details: wrapDataKey(secret, id, options.auditPublicKey),
    });
    current = { id, expiresAtMs: time.getTime() + lifetimeMs, seal: sealWith(createSecretKey(secret)) };
    return current;
  }

  return {
    async dataKey() {
      if (current !== null && options.now().getTime() < current.expiresAtMs) return current;
      making ??= make().finally(() => (making = null));
      return making;
    },
  };
}

/** A nonce counts what its key has sealed: one process has the key, so none comes twice (SP 800-38D, 8.2.1). */
function sealWith(key: KeyObject): DataKey['seal'] {
  let sealed = 0;
  return (ids, entryId) => {
    const nonce = Buffer.alloc(12);
    nonce.writeUIntBE(++sealed, 6, 6);
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(entryId));
    const ciphertext = cipher.update(ids.join('\n'), 'utf8');
    return Buffer.concat([nonce, ciphertext, cipher.final(), cipher.getAuthTag()]).toString('base64url');
  };
}

/** Wraps a data key to the audit office's X25519 key: ephemeral X25519, HKDF-SHA-256, AES-256-GCM. */
function wrapDataKey(key: Buffer, id: string, auditPublicKey: KeyObject): Record<string, string> {
  const ephemeral = generateKeyPairSync('x25519');
  const shared = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: auditPublicKey });
  const ephemeralPublic = rawPublicKey(ephemeral.publicKey);
  const salt = Buffer.concat([ephemeralPublic, rawPublicKey(auditPublicKey)]);
  const wrappingKey = Buffer.from(hkdfSync('sha256', shared, salt, wrapInfo, 32));
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', wrappingKey, nonce).setAAD(Buffer.from(id));
  const wrapped = Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
  return {
    algorithm: wrapAlgorithm,
    audit_key: keyId(auditPublicKey),
    ephemeral: ephemeralPublic.toString('base64url'),
    wrapped: wrapped.toString('base64url'),
  };
}
