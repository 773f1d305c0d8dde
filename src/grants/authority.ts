import type pg from 'pg';
import { openLink, type Link } from '../db/connection.ts';
import { UserError } from '../base/errors.ts';
import { type Text } from '../base/error-table.ts';
import type { Client } from '../identity/clients.ts';
import { toProviderKey, type ProviderKey, type StoredProviderKey } from '../identity/provider-keys.ts';
import type { StoredGrantStatus } from '../db/tables.ts';

export interface Purpose {
  code: string;
  title: Text;
  requires: string[];
  /** For how many days after an exchange its subjects do not see it. */
  confidentialDays: number;
}

export interface Grant {
  id: string;
  consumer: string;
  dataset: string;
  fields: string[];
  plainFields: string[];
  /** Fields that claims may be verified about, although they are not to be read. */
  verifyFields: string[];
  purposes: string[];
  status: StoredGrantStatus;
  validFromMs: number;
  validUntilMs: number;
  requires: string[];
  /** How many subjects may be asked for on a day; null when any number may. */
  dailyQuota: number | null;
}

/** Who may see what, as the database had it at one version. */
export interface Authority {
  version: number;
  clients: ReadonlyMap<string, Client>;
  purposes: ReadonlyMap<string, Purpose>;
  /** The keys of the identity providers, by issuer. */
  identityProviders: ReadonlyMap<string, readonly ProviderKey[]>;
  /** The grants of a consumer for a dataset that are active or suspended; time may have ended them. */
  grantsOf(consumer: string, dataset: string): readonly Grant[];
}

/** The authority in memory. It follows the database within a second; the append's check makes it exact. */
export interface AuthorityView {
  current(): Authority;
  /** Reads the database; what it had when this was called is in memory when it resolves. */
  refresh(): Promise<void>;
  /** The same, at the price of one row where nothing has changed. */
  refreshIfChanged(): Promise<void>;
  close(): Promise<void>;
}

const channel = 'onevisit_authority';
const pollMs = 500;
const listenTestMs = 3000;

interface AuthorityRow {
  version: number;
  clients: { id: string; department: string; roles: string[]; secret_hash: string | null }[];
  purposes: {
    code: string;
    title_en: string;
    title_zh: string;
    requires: string[];
    confidential_days: number;
  }[];
  identity_providers: { issuer: string; keys: StoredProviderKey[] }[];
  grants: {
    id: string;
    consumer: string;
    dataset: string;
    fields: string[];
    plain_fields: string[];
    verify_fields: string[];
    purposes: string[];
    status: StoredGrantStatus;
    valid_from_ms: number;
    valid_until_ms: number;
    requires: string[];
    daily_quota: number | null;
  }[];
}

// One statement, so one snapshot: version and content belong together. What is over for good is left out.
const readAll = `
  select (select version from audit.authority where id = 1) as version,
    (select coalesce(json_agg(json_build_object('id', id, 'department', department, 'roles', roles,
       'secret_hash', encode(secret_hash, 'hex'))), '[]')
     from registry.client where revoked_at is null) as clients,
    (select coalesce(json_agg(json_build_object('code', code, 'title_en', title_en, 'title_zh', title_zh,
       'requires', requires, 'confidential_days', confidential_days)), '[]') from registry.purpose) as purposes,
    (select coalesce(json_agg(json_build_object('issuer', issuer, 'keys', keys)), '[]')
     from registry.identity_provider) as identity_providers,
    (select coalesce(json_agg(json_build_object('id', id, 'consumer', consumer, 'dataset', dataset,
       'fields', fields, 'plain_fields', plain_fields, 'verify_fields', verify_fields, 'purposes', purposes, 'status', status,
       'valid_from_ms', floor(extract(epoch from valid_from) * 1000),
       'valid_until_ms', floor(extract(epoch from valid_until) * 1000),
       'requires', requires, 'daily_quota', daily_quota) order by id), '[]')
     from registry.grant where status in ('active', 'suspended')) as grants`;

/** Reads who may see what. */
export async function readAuthority(pool: pg.Pool): Promise<Authority> {
  const { rows } = await pool.query<AuthorityRow>({ name: 'read-authority', text: readAll });
  const row = rows[0]!;
  const grants = new Map<string, Grant[]>();
  for (const found of row.grants) {
    const grant: Grant = {
      id: found.id,
      consumer: found.consumer,
      dataset: found.dataset,
      fields: found.fields,
      plainFields: found.plain_fields,
      verifyFields: found.verify_fields,
      purposes: found.purposes,
      status: found.status,
      validFromMs: found.valid_from_ms,
      validUntilMs: found.valid_until_ms,
      requires: found.requires,
      dailyQuota: found.daily_quota,
    };
    const key = `${grant.consumer} ${grant.dataset}`;
    const known = grants.get(key);
    if (known === undefined) grants.set(key, [grant]);
    else known.push(grant);
  }
  return {
    version: row.version,
    clients: new Map(
      row.clients.map(({ id, department, roles, secret_hash }) => [
        id,
        { id, department, roles, secretHash: secret_hash === null ? null : Buffer.from(secret_hash, 'hex') },
      ]),
    ),
    purposes: new Map(
      row.purposes.map(({ code, title_en, title_zh, requires, confidential_days }) => [
        code,
        { code, title: { en: title_en, zh: title_zh }, requires, confidentialDays: confidential_days },
      ]),
    ),
    identityProviders: new Map(
      row.identity_providers.map(({ issuer, keys }) => [issuer, keys.map(toProviderKey)]),
    ),
    grantsOf: (consumer, dataset) => grants.get(`${consumer} ${dataset}`) ?? [],
  };
}

/**
 * Keeps the authority in memory: by LISTEN, and by a poll behind it.
 *
 * @throws UserError when notifications don't arrive, as through a pooler of transactions
 */
export async function followAuthority(pool: pg.Pool, listenConfig: pg.ClientConfig): Promise<AuthorityView> {
  let authority = await readAuthority(pool);
  let reading: Promise<void> | null = null;
  let following: Promise<void> | null = null;

  async function read(): Promise<void> {
    authority = await readAuthority(pool);
  }

  /** A read under way may have taken its snapshot already, so whoever comes now waits for the next one. */
  function refresh(): Promise<void> {
    if (reading === null) {
      reading = read().finally(() => (reading = null));
      return reading;
    }
    following ??= reading
      .catch(() => undefined)
      .then(() => {
        following = null;
        return refresh();
      });
    return following;
  }

  async function refreshIfChanged(): Promise<void> {
    const { rows } = await pool.query<{ version: number }>(
      'select version from audit.authority where id = 1',
    );
    if (rows[0]?.version !== authority.version) await refresh();
  }

  let polling = false;

  /** Failures show in readiness and in each exchange; the next tick tries again. */
  async function poll(): Promise<void> {
    if (polling) return;
    polling = true;
    link.client().catch(() => undefined);
    try {
      await refreshIfChanged();
    } catch {
      // The database is away.
    } finally {
      polling = false;
    }
  }

  const link = await listen(pool, listenConfig, () => void refresh().catch(() => undefined));
  const timer = setInterval(() => void poll(), pollMs);

  return {
    current: () => authority,
    refresh,
    refreshIfChanged,
    async close() {
      clearInterval(timer);
      await link.close();
    },
  };
}

/**
 * Listens for changes of the authority.
 *
 * @throws UserError when notifications don't arrive
 */
async function listen(pool: pg.Pool, config: pg.ClientConfig, onChange: () => void): Promise<Link> {
  const first = Promise.withResolvers<boolean>();
  const link = openLink(config, async (client) => {
    client.on('notification', () => {
      first.resolve(true);
      onChange();
    });
    await client.query(`listen ${channel}`);
  });
  await link.client();
  const timeout = setTimeout(() => first.resolve(false), listenTestMs);
  await pool.query(`notify ${channel}`);
  const arrived = await first.promise;
  clearTimeout(timeout);
  if (arrived) return link;
  await link.close();
  throw new UserError(
    'DATABASE_URL: notifications do not arrive: connect to PostgreSQL directly or through a pooler of sessions, not of transactions',
  );
}
