import type { JsonWebKey } from 'node:crypto';
import type { ColumnType, Generated } from 'kysely';

/** The tables that code reaches through Kysely; the audit log's own are reached by its SQL alone. */
export interface Tables {
  'registry.department': DepartmentTable;
  'registry.client': ClientTable;
  'registry.purpose': PurposeTable;
  'registry.grant': GrantTable;
  'registry.grant_act': GrantActTable;
  'registry.answer': AnswerTable;
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
  /** Grows with each: lists are in its order. */
  number: ColumnType<number, never, never>;
  consumer: string;
  dataset: string;
  /** The dataset's provider when the grant was made. */
  provider: string;
  fields: string[];
  plain_fields: string[];
  verify_fields: string[];
  purposes: string[];
  legal_basis: string | null;
  /** Of an application: why each field is needed. */
  justification: Record<string, string> | null;
  /** Of an application: how many subjects a day the consumer reckons with. */
  expected_volume: number | null;
  status: StoredGrantStatus;
  /** Null until it is approved. */
  valid_from: Date | null;
  valid_until: Date;
  requires: string[];
  daily_quota: number | null;
  due: Date | null;
  /** The grant that it continues. */
  renews: string | null;
  decided_by: string | null;
  reason: string | null;
  created_at: CreatedAt;
}

/** What was done to a grant, as the entry says it. */
export interface GrantActTable {
  grant_id: string;
  entry: number;
  act: StoredAct;
  status: StoredGrantStatus;
}

/** An act's entry, read. */
export interface StoredAct {
  id: string;
  time: string;
  operation: string;
  client: string;
  consumer?: string;
  official?: { id: string };
  details: Record<string, unknown>;
}

export interface AnswerTable {
  client: string;
  key_hash: Buffer;
  request: Buffer;
  entry: number;
  answer: unknown;
  at: Date;
}
