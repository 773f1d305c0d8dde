import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { homeKeyFiles, keySettings, readKeys, type KeyFiles, type Keys } from './keys.ts';

/** The gateway's settings, read once from the environment, checked and frozen. */
export interface Config {
  /** The gateway's role's connection; null when PostgreSQL is embedded. */
  databaseUrl: string | null;
  /** The owner's connection, for migrating and administering; null when absent or embedded. */
  adminDatabaseUrl: string | null;
  embedded: boolean;
  /** Absolute path of the folder of embedded data, generated keys and sandbox.json. */
  home: string;
  host: string;
  port: number;
  /** A port of its own for health and metrics; null shares the main port. */
  opsPort: number | null;
  /** Public base URL without a trailing slash; null means the listen URL (embedded only). */
  issuer: string | null;
  logOrigin: string;
  /** Whom each checkpoint is shown to: a witness's verifier key, and the URL below which it answers. */
  logWitnesses: { key: string; url: string }[];
  keyFiles: Partial<KeyFiles>;
  /** Null until an embedded start has made its keys. */
  keys: Keys | null;
  timeZone: string;
  personalIdsInUrls: boolean;
  trustedProxies: string[];
  /** Requests a second that one client may send to this process; 0 sets no limit. */
  rateLimit: number;
  /** Requests a second for tokens that one address may send to this process; 0 sets no limit. */
  tokenRateLimit: number;
  logLevel: string;
  /** Said by ONEVISIT_SANDBOX=1: the embedded mode is meant, whatever the host. */
  sandbox: boolean;
}

/** Settings that are wrong or missing: one sentence each. */
export class ConfigError extends Error {
  readonly faults: string[];
  constructor(faults: string[]) {
    super(
      `The configuration has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${faults.map((fault) => `  ${fault}`).join('\n')}`,
    );
    this.name = 'ConfigError';
    this.faults = faults;
  }
}

/** What settings are read for. */
export type SettingsFor = 'serve' | 'administer' | 'home';

export type Environment = Record<string, string | undefined>;

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

/**
 * Reads the settings for a use: `serve` needs most, `home` is content with the defaults.
 *
 * @throws ConfigError with every fault at once
 */
export function readConfig(use: SettingsFor, environment: Environment = process.env): Config {
  const faults: string[] = [];
  /** A setting's parsed value; an empty value counts as absent. */
  function setting<T>(name: string, fallback: T, parse: (value: string) => T): T {
    const value = environment[name]?.trim();
    if (value === undefined || value === '') return fallback;
    try {
      return parse(value);
    } catch (error) {
      faults.push(`${name}: ${(error as Error).message}`);
      return fallback;
    }
  }

  const databaseUrl = setting('DATABASE_URL', null, parseDatabaseUrl);
  const adminDatabaseUrl = setting('ADMIN_DATABASE_URL', null, parseDatabaseUrl);
  const embedded = !environment.DATABASE_URL?.trim() && !environment.ADMIN_DATABASE_URL?.trim();
  const home = resolve(setting('ONEVISIT_HOME', './.onevisit', (value) => value));
  const keyFiles: Partial<KeyFiles> = embedded ? homeKeyFiles(home) : {};
  for (const name of keySettings) {
    const file = setting(name, null, (value) => resolve(value));
    if (file !== null) keyFiles[name] = file;
  }
  const config: Config = {
    databaseUrl,
    adminDatabaseUrl,
    embedded,
    home,
    host: setting('HOST', '127.0.0.1', parseHost),
    port: setting('PORT', 8080, parsePort),
    opsPort: setting('OPS_PORT', null, parsePort),
    issuer: setting('ISSUER', null, parseHttpUrl),
    logOrigin: setting('LOG_ORIGIN', 'onevisit.local/audit', parseOrigin),
    logWitnesses: setting('LOG_WITNESSES', [], parseWitnesses),
    keyFiles,
    keys: null,
    timeZone: setting('TIME_ZONE', 'Asia/Shanghai', parseTimeZone),
    personalIdsInUrls: setting('PERSONAL_IDS_IN_URLS', 'refuse', oneOf(['refuse', 'allow'])) === 'allow',
    trustedProxies: setting('TRUSTED_PROXIES', [], parseProxies),
    rateLimit: setting('RATE_LIMIT', 1000, parseRate),
    tokenRateLimit: setting('TOKEN_RATE_LIMIT', 10, parseRate),
    logLevel: setting('LOG_LEVEL', 'info', oneOf(logLevels)),
    sandbox: setting('ONEVISIT_SANDBOX', '0', oneOf(['0', '1'])) === '1',
  };

  if (use === 'serve') checkServing();
  if (use === 'administer' && databaseUrl !== null && adminDatabaseUrl === null)
    faults.push(`ADMIN_DATABASE_URL: required beside DATABASE_URL: the owner's role does this`);
  if (faults.length > 0) throw new ConfigError(faults);
  return Object.freeze(config);

  function checkServing(): void {
    if (embedded) {
      checkEmbedded();
      return;
    }
    if (databaseUrl === null && !environment.DATABASE_URL?.trim())
      faults.push(
        'DATABASE_URL: required beside ADMIN_DATABASE_URL: the gateway serves with a role of its own',
      );
    for (const name of ['ISSUER', 'LOG_ORIGIN', ...keySettings])
      if (!environment[name]?.trim()) faults.push(`${name}: required when DATABASE_URL is set`);
    const { keys, faults: keyFaults } = readKeys(keyFiles);
    config.keys = keys;
    faults.push(...keyFaults);
  }

  /** An embedded database is for trying out: it must not end up facing a network by accident. */
  function checkEmbedded(): void {
    if (config.sandbox) return;
    if (!isLoopback(config.host))
      faults.push(
        `HOST: ${config.host} is not a loopback address, and without DATABASE_URL this is a sandbox with made-up data; set DATABASE_URL, or ONEVISIT_SANDBOX=1 if the sandbox is meant`,
      );
    if (environment.NODE_ENV === 'production')
      faults.push(
        'NODE_ENV: production without DATABASE_URL would start a sandbox with made-up data; set DATABASE_URL, or ONEVISIT_SANDBOX=1 if the sandbox is meant',
      );
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function parseDatabaseUrl(value: string): string {
  const url = URL.canParse(value) ? new URL(value) : null;
  if (url === null || !['postgres:', 'postgresql:'].includes(url.protocol) || url.pathname.length < 2)
    throw new Error('not of the form postgresql://user:password@host:port/database');
  return value;
}

function parseHost(value: string): string {
  if (isIP(value) === 0 && !/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(value))
    throw new Error('is neither an IP address nor a host name');
  return value;
}

function parsePort(value: string): number {
  if (!/^\d{1,5}$/.test(value) || Number(value) > 65_535)
    throw new Error(`"${value}" is not a port (0 to 65535)`);
  return Number(value);
}

function parseRate(value: string): number {
  if (!/^\d{1,6}$/.test(value))
    throw new Error(`"${value}" is not a whole number of requests a second (0 to 999999; 0 sets no limit)`);
  return Number(value);
}

/** An issuer, say: RFC 8414, 2. */
function parseHttpUrl(value: string): string {
  const url = URL.canParse(value) ? new URL(value) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.search || url.hash || url.username)
    throw new Error('is not an http or https URL without user, query and fragment');
  return value.replace(/\/+$/, '');
}

/** The name of an audit log. @throws Error that says what is wrong with it */
export function parseOrigin(value: string): string {
  if (!/^[^\s+]{1,200}$/.test(value))
    throw new Error('must be 1 to 200 characters without white space and "+"');
  return value;
}

function parseWitnesses(value: string): { key: string; url: string }[] {
  return value.split(',').map((part) => {
    const [key = '', address = '', ...rest] = part.trim().split(/\s+/);
    if (!/^[^\s+]+\+[0-9a-f]{8}\+[\w+/=]+$/u.test(key) || !URL.canParse(address) || rest.length > 0)
      throw new Error(
        `"${part.trim()}" is not a witness's verifier key, a space and its URL; several are separated by commas`,
      );
    return { key, url: parseHttpUrl(address) };
  });
}

function parseTimeZone(value: string): string {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone;
  } catch {
    throw new Error(`"${value}" is not a time zone of the IANA database`);
  }
}

function parseProxies(value: string): string[] {
  const proxies = value.split(',').map((part) => part.trim());
  for (const proxy of proxies) {
    const [address = '', bits] = proxy.split('/');
    const family = isIP(address);
    const widest = family === 4 ? 32 : 128;
    if (family === 0 || (bits !== undefined && (!/^\d{1,3}$/.test(bits) || Number(bits) > widest)))
      throw new Error(`"${proxy}" is not an address or a CIDR range`);
  }
  return proxies;
}

function oneOf(values: string[]): (value: string) => string {
  return (value) => {
    if (!values.includes(value)) throw new Error(`"${value}" is not one of ${values.join(', ')}`);
    return value;
  };
}
