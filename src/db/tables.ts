import type { JsonWebKey } from 'node:crypto';
import type { ColumnType, Generated } from 'kysely';

/** The tables that code reaches through Kysely; the audit log's own are reached by its SQL alone. */
export interface Tables {
  'registry.department': DepartmentTable;
  'registry.client': ClientTable;
  'registry.purpose': PurposeTable;
  'registry.grant': GrantTable;
  'registry.identity_provider': IdentityProviderTable;
  'registry.setting': { key: string; value: string };
}

type CreatedAt = ColumnType<Date, never, never>;

export interface DepartmentTable {
  code: string;
  title_en: string;
  title_zh: string;
  created_at: CreatedAt;
}

export interface ClientTable {
  id: string;
  department: string;
  roles: string[];
  secret_hash: Buffer | null;
  created_at: CreatedAt;
  revoked_at: Date | null;
}

export interface PurposeTable {
  code: string;
  title_en: string;
  title_zh: string;
  legal_basis: string;
  requires: string[];
  confidential_days: Generated<number>;
  created_at: CreatedAt;
}

/** Keys are written as JSON text, and read as what it says. */
export interface IdentityProviderTable {
  issuer: string;
  keys: ColumnType<{ kid: string; jwk: JsonWebKey }[], string, string>;
  added_at: CreatedAt;
}

/** The states that are stored; `expired` follows from `valid_until`. */
export type StoredGrantStatus = 'applied' | 'active' | 'rejected' | 'withdrawn' | 'suspended' | 'revoked';

export interface GrantTable {
  id: string;
  consumer: string;
  dataset: string;
  /** The dataset's provider when the grant was made. */
  provider: string;
  fields: string[];
  plain_fields: string[];
  verify_fields: Generated<string[]>;
  purposes: string[];
  legal_basis: string | null;
  status: StoredGrantStatus;
  valid_from: Date;
  valid_until: Date;
  requires: Generated<string[]>;
  daily_quota: number | null;
  due: Date | null;
  decided_by: string | null;
  reason: string | null;
  created_at: CreatedAt;
}
