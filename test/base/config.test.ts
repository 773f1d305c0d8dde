import { generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ConfigError, readConfig, type Environment, type SettingsFor } from '../../src/base/config.ts';
import { homeKeyFiles, makeMissingKeys } from '../../src/base/keys.ts';

/** The faults of an environment, one sentence each; none when it is good. */
function faultsOf(purpose: SettingsFor, environment: Environment): string[] {
  try {
    readConfig(purpose, environment);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
}

/** The names of the settings that have a fault. */
function faulty(purpose: SettingsFor, environment: Environment): string[] {
  return faultsOf(purpose, environment)
    .map((fault) => fault.split(':')[0]!)
    .sort();
}

function pem(key: KeyObject): string {
  const type = key.type === 'private' ? 'pkcs8' : 'spki';
  return key.export({ type, format: 'pem' } as never) as unknown as string;
}

const keysHome = t.testdir();
makeMissingKeys(keysHome);
/** A whole environment for serving from a PostgreSQL of its own, with good key files. */
const external: Record<string, string> = {
  DATABASE_URL: 'postgresql://gateway:s3cret-word@db.example:5432/onevisit',
  ISSUER: 'https://gateway.example',
  LOG_ORIGIN: 'gateway.example/audit',
  ...homeKeyFiles(keysHome),
};

await t.test('needs no setting at all for an embedded gateway', async (t) => {
  const config = readConfig('serve', {});
  t.match(config, {
    databaseUrl: null,
    adminDatabaseUrl: null,
    embedded: true,
    home: join(process.cwd(), '.onevisit'),
    host: '127.0.0.1',
    port: 8080,
    opsPort: null,
    issuer: null,
    logOrigin: 'onevisit.local/audit',
    timeZone: 'Asia/Shanghai',
    personalIdsInUrls: false,
    trustedProxies: [],
    rateLimit: 1000,
    tokenRateLimit: 10,
    logLevel: 'info',
    sandbox: false,
  });
  t.same(config.keyFiles, homeKeyFiles(config.home));
  t.equal(config.keys, null, 'keys are made by the start');
});

await t.test('gives a configuration that nobody can change', async (t) => {
  const config = readConfig('serve', {});
  t.throws(() => Object.assign(config, { personalIdsInUrls: true }), TypeError);
  t.equal(config.personalIdsInUrls, false);
});

await t.test('reads every setting', async (t) => {
  const environment = {
    ...external,
    ADMIN_DATABASE_URL: 'postgres://owner@db.example/onevisit',
    ONEVISIT_HOME: '/srv/onevisit',
    HOST: '::1',
    PORT: '0',
    OPS_PORT: '9100',
    ISSUER: 'https://gateway.example/',
    TIME_ZONE: 'Asia/Urumqi',
    PERSONAL_IDS_IN_URLS: 'allow',
    TRUSTED_PROXIES: '10.0.0.0/8, ::1',
    LOG_WITNESSES: 'w1.example/a+0a1b2c3d+BAAA https://w1.example/, w2+0a1b2c3d+BAAB http://w2:8090',
    RATE_LIMIT: '0',
    TOKEN_RATE_LIMIT: '25',
    LOG_LEVEL: 'warn',
  };
  const config = readConfig('serve', environment);
  t.match(config, {
    databaseUrl: external.DATABASE_URL,
    adminDatabaseUrl: environment.ADMIN_DATABASE_URL,
    embedded: false,
    home: '/srv/onevisit',
    host: '::1',
    port: 0,
    opsPort: 9100,
    issuer: 'https://gateway.example',
    logOrigin: 'gateway.example/audit',
    timeZone: 'Asia/Urumqi',
    personalIdsInUrls: true,
    trustedProxies: ['10.0.0.0/8', '::1'],
    logWitnesses: [
      { key: 'w1.example/a+0a1b2c3d+BAAA', url: 'https://w1.example' },
      { key: 'w2+0a1b2c3d+BAAB', url: 'http://w2:8090' },
    ],
    rateLimit: 0,
    tokenRateLimit: 25,
    logLevel: 'warn',
  });
  t.equal(config.keys?.token.asymmetricKeyType, 'ec');
  t.equal(config.keys?.log.asymmetricKeyType, 'ed25519');
  t.equal(config.keys?.logSecret.length, 32);
});

const badSettings = {
  HOST: 'not a host',
  PORT: '65536',
  OPS_PORT: '80 80',
  ISSUER: 'ftp://gateway.example',
  LOG_ORIGIN: 'with space',
  TIME_ZONE: 'Asia/Atlantis',
  PERSONAL_IDS_IN_URLS: 'yes',
  TRUSTED_PROXIES: '10.0.0.0/33',
  RATE_LIMIT: '-1',
  TOKEN_RATE_LIMIT: 'many',
  LOG_LEVEL: 'loud',
  ONEVISIT_SANDBOX: 'true',
};

await t.test('lists every fault at once', async (t) => {
  t.same(faulty('serve', badSettings), Object.keys(badSettings).sort());
  try {
    readConfig('serve', badSettings);
    t.fail();
  } catch (error) {
    const [first, ...rest] = (error as Error).message.split('\n');
    t.equal(first, 'The configuration has 12 faults:');
    t.equal(rest.length, 12, 'one line a fault');
  }
});

await t.test('refuses each bad value by name', async (t) => {
  const bad: [string, string[]][] = [
    ['DATABASE_URL', ['mysql://db.example/onevisit', 'db.example', 'postgresql://db.example']],
    ['HOST', ['-', 'a b', 'http://127.0.0.1', '127.0.0.1:8080']],
    ['PORT', ['-1', '1e3', '99999', '8080.0', 'http', '0x50']],
    [
      'ISSUER',
      ['gateway.example', 'https://gateway.example/?a', 'https://gateway.example/#a', 'file:///etc'],
    ],
    ['LOG_ORIGIN', ['a b', 'a+b', 'a'.repeat(201)]],
    [
      'LOG_WITNESSES',
      ['https://w.example', 'w+0a1b2c3d+BAAA', 'w+0a1b2c3d+BAAA ftp://w.example', 'x https://w.example', ','],
    ],
    ['TRUSTED_PROXIES', ['10.0.0.0/8,', 'proxy.example', '10.0.0.0/-1', '::1/129', '*']],
    ['RATE_LIMIT', ['1000000', '0.5', '1e3', 'none']],
    ['TOKEN_RATE_LIMIT', ['-1', '10/s']],
    ['LOG_LEVEL', ['INFO', 'verbose']],
    ['PERSONAL_IDS_IN_URLS', ['allow,refuse', 'ALLOW']],
    ['TIME_ZONE', ['China Standard Time', '../etc']],
  ];
  for (const [name, values] of bad)
    for (const value of values) t.same(faulty('home', { [name]: value }), [name], `${name}=${value}`);
});

await t.test('counts an empty value as absent', async (t) => {
  const names = [...Object.keys(badSettings), 'DATABASE_URL', 'ADMIN_DATABASE_URL', 'TOKEN_KEY_FILE'];
  const empty = Object.fromEntries(names.map((name, i) => [name, i % 2 === 0 ? '' : '  ']));
  t.same(readConfig('serve', empty), readConfig('serve', {}));
  t.same(faulty('serve', { ...external, ISSUER: ' ', LOG_KEY_FILE: '' }), ['ISSUER', 'LOG_KEY_FILE']);
});

await t.test('demands issuer, origin and key files beside DATABASE_URL', async (t) => {
  t.same(faulty('serve', external), []);
  t.same(
    faulty('serve', { DATABASE_URL: external.DATABASE_URL }),
    Object.keys(external)
      .filter((name) => name !== 'DATABASE_URL')
      .sort(),
  );
  t.same(
    faulty('serve', { DATABASE_URL: 'mysql://db.example/onevisit' }),
    Object.keys(external).sort(),
    'also beside a bad one',
  );
});

await t.test('does not serve as the owner', async (t) => {
  const environment = {
    ...external,
    DATABASE_URL: '',
    ADMIN_DATABASE_URL: 'postgresql://owner@db.example/onevisit',
  };
  t.same(faulty('serve', environment), ['DATABASE_URL']);
  t.same(faulty('administer', environment), []);
  t.same(faulty('administer', external), ['ADMIN_DATABASE_URL'], 'nor administers as the gateway');
});

await t.test('names key files that are missing, unreadable or of the wrong kind', async (t) => {
  const folder = t.testdir();
  const file = (name: string, content: string | Buffer): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const folderInstead = join(folder, 'folder');
  mkdirSync(folderInstead);
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
  const ed25519 = generateKeyPairSync('ed25519');
  const x25519 = generateKeyPairSync('x25519');
  const bad: [string, string][] = [
    ['TOKEN_KEY_FILE', join(folder, 'missing')],
    ['TOKEN_KEY_FILE', file('p384', pem(p384))],
    ['TOKEN_KEY_FILE', file('public', pem(ed25519.publicKey))],
    ['LOG_KEY_FILE', file('not-log', pem(x25519.privateKey))],
    ['LOG_KEY_FILE', file('text', 'no key at all')],
    ['LOG_SECRET_FILE', file('short', randomBytes(31))],
    ['LOG_SECRET_FILE', file('long', randomBytes(33).toString('base64'))],
    ['LOG_SECRET_FILE', folderInstead],
    ['AUDIT_PUBLIC_KEY_FILE', file('private', pem(x25519.privateKey))],
    ['AUDIT_PUBLIC_KEY_FILE', file('other', pem(ed25519.publicKey))],
  ];
  for (const [name, path] of bad) {
    const faults = faultsOf('serve', { ...external, [name]: path });
    t.equal(faults.length, 1, faults.join());
    t.ok(faults[0]?.startsWith(`${name}: `) && faults[0].includes(path), faults.join());
  }
  t.match(faultsOf('serve', { ...external, LOG_KEY_FILE: join(folder, 'missing') }), [/\(ENOENT\)$/]);
  t.match(faultsOf('serve', { ...external, LOG_KEY_FILE: folderInstead }), [/\(EISDIR\)$/]);
  const secret = randomBytes(32);
  for (const form of [secret, `${secret.toString('base64')}\n`]) {
    const config = readConfig('serve', { ...external, LOG_SECRET_FILE: file('secret', form) });
    t.same(config.keys?.logSecret, secret, 'raw and base64 alike');
  }
});

await t.test('keeps an embedded gateway from facing a network unless a sandbox is meant', async (t) => {
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost'])
    t.same(faulty('serve', { HOST: host }), [], host);
  for (const host of ['0.0.0.0', '::', '192.0.2.7', 'gateway.example', '127.example', '::ffff:192.0.2.7'])
    t.same(faulty('serve', { HOST: host }), ['HOST'], host);
  t.same(faulty('serve', { HOST: '0.0.0.0', NODE_ENV: 'production' }), ['HOST', 'NODE_ENV']);
  const sandbox = { HOST: '0.0.0.0', NODE_ENV: 'production', ONEVISIT_SANDBOX: '1' };
  t.equal(readConfig('serve', sandbox).embedded, true);
  t.same(faulty('serve', { ...sandbox, ONEVISIT_SANDBOX: '0' }), ['HOST', 'NODE_ENV']);
  const production = { ...external, HOST: '0.0.0.0', NODE_ENV: 'production' };
  t.same(faulty('serve', production), [], 'a gateway with a PostgreSQL of its own may');
});

await t.test('never repeats a secret', async (t) => {
  const secret = 's3cret-word';
  const misplaced = {
    DATABASE_URL: `mysql://gateway:${secret}@db.example/onevisit`,
    ADMIN_DATABASE_URL: `postgresql://owner:${secret}@db.example`,
    ISSUER: `https://gateway:${secret}@gateway.example`,
    HOST: `postgresql://gateway:${secret}@db.example/onevisit`,
  };
  for (const [name, value] of Object.entries(misplaced)) {
    const faults = faultsOf('home', { [name]: value });
    t.equal(faults.length, 1, `${name} is refused`);
    t.notOk(faults.join().includes(secret), `${name} is refused without its password`);
  }
  const rsa = pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey);
  const folder = t.testdir({ rsa });
  const [fault] = faultsOf('serve', { ...external, TOKEN_KEY_FILE: join(folder, 'rsa') });
  t.notOk(fault?.includes(rsa.split('\n')[1]!), 'nothing of a key file is shown');
});
