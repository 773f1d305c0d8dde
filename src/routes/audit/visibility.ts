import { entryNotFound } from '../../audit/archive/archived.ts';
import type { Visibility } from '../../audit/search/filter.ts';
import {
  findEntry,
  LogFaultError,
  rethrowAsAuditUnavailable,
  type Queryable,
  type StoredEntry,
} from '../../audit/stored-log.ts';
import type { AccessToken } from '../../identity/access-token.ts';

/** The scopes of which a token must have one to look into the log. */
export const lookScopes = ['audit', 'provide', 'exchange'];

/** Auditors see all; a provider the exchanges on its datasets, a consumer its own. */
export function visibilityOf({ scopes, department }: AccessToken): Visibility {
  if (scopes.includes('audit')) return 'all';
  return {
    ...(scopes.includes('exchange') && { consumer: department }),
    ...(scopes.includes('provide') && { provider: department }),
  };
}

/** Whether an entry may be seen. What belongs to others is not there. */
export function maySee(
  visibility: Visibility,
  { consumer, provider }: { consumer?: unknown; provider?: unknown },
): boolean {
  if (visibility === 'all') return true;
  if (visibility.consumer !== undefined && consumer === visibility.consumer) return true;
  return visibility.provider !== undefined && provider === visibility.provider;
}

/**
 * Gets the entry at an index of a path. Takes attacker-controlled input.
 *
 * @throws ProblemError not-found, which says where it was archived; audit-unavailable when its bytes are no entry
 */
export async function getEntry(
  db: Queryable,
  index: string,
): Promise<{ stored: StoredEntry; entry: Record<string, unknown> }> {
  const at = /^(0|[1-9]\d{0,15})$/.test(index) ? Number(index) : null;
  const stored = at === null ? null : await findEntry(db, at).catch(rethrowAsAuditUnavailable);
  if (stored === null) throw await entryNotFound(db, at ?? Infinity);
  return { stored, entry: readEntry(stored) };
}

/** @throws ProblemError audit-unavailable when its bytes are no entry */
function readEntry({ index, bytes }: StoredEntry): Record<string, unknown> {
  try {
    const entry: unknown = JSON.parse(bytes.toString());
    if (typeof entry === 'object' && entry !== null) return entry as Record<string, unknown>;
  } catch {
    // Refused below.
  }
  return rethrowAsAuditUnavailable(new LogFaultError(`the bytes of entry ${index} are no entry`));
}
