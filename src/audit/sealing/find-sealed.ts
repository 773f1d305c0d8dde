import { countArchived } from '../archive/archived.ts';
import type { WrappedKey } from './open.ts';
import { LogFaultError, type Queryable, type StoredEntry } from '../stored-log.ts';

/** An entry's sealed subjects, and all that the audit office needs beside its own key to open them. */
export interface SealedSubjects {
  index: number;
  /** The entry's id, which the seal is bound to. */
  entry: string;
  dataset: string | undefined;
  sealed: string;
  /** The data key's id, which the wrapped key is bound to. */
  data_key: string;
  wrapped_key: WrappedKey;
}

/** How many keys before an entry are looked at: those of a hundred gateways for two days. */
const maxKeys = 5000;
/** What a stolen credential of a gateway could enter beside the real one. */
const maxCandidates = 20;

/**
 * The sealed subjects of an entry; null when it has none, and when the entry of its data key was archived, that.
 *
 * @throws LogFaultError when the entry of its data key is not to be found
 */
export async function findSealed(
  db: Queryable,
  stored: StoredEntry,
  entry: Record<string, unknown>,
): Promise<SealedSubjects | 'key-archived' | null> {
  const { id, sealed, data_key: dataKey, dataset } = entry;
  if (sealed === undefined) return null;
  if (![id, sealed, dataKey].every((value) => typeof value === 'string'))
    throw new LogFaultError(`entry ${stored.index} has a seal that nobody can open`);
  const wrapped = await findWrappedKey(db, { id: dataKey as string, before: stored.index });
  if (wrapped === null && (await countArchived(db)) > 0) return 'key-archived';
  if (wrapped === null)
    throw new LogFaultError(`the data key of entry ${stored.index} is in no entry before it`);
  return {
    index: stored.index,
    entry: id as string,
    dataset: typeof dataset === 'string' ? dataset : undefined,
    sealed: sealed as string,
    data_key: dataKey as string,
    wrapped_key: wrapped,
  };
}

/**
 * The wrapped data key from its own entry, which stands before every use; the search tables may not hold it yet. Sought
 * among the keys entered last, whatever the clocks said: a gateway makes one an hour.
 */
async function findWrappedKey(
  db: Queryable,
  { id, before }: { id: string; before: number },
): Promise<WrappedKey | null> {
  const { rows } = await db.query<{ bytes: Buffer }>({
    text: `
      select e.bytes from audit.entry e
      where e.index in (
          (select f.index from audit.find f
           where f.kind = 'key' and f.kind <> 'exchange' and f.index < $2
           order by f.index desc limit ${maxKeys})
          union all
          select u.index from audit.entry u where u.index >= audit.indexed() and u.index < $2)
        and position(convert_to('"data_key":"' || $1 || '"', 'UTF8') in e.bytes) > 0
      order by e.index limit ${maxCandidates}`,
    values: [id, before],
  });
  for (const { bytes } of rows) {
    const wrapped = readWrappedKey(bytes, id);
    if (wrapped !== null) return wrapped;
  }
  return null;
}

function readWrappedKey(bytes: Buffer, id: string): WrappedKey | null {
  try {
    const entry = JSON.parse(bytes.toString()) as Record<string, unknown>;
    if (entry.kind === 'key' && entry.data_key === id) return parseWrappedKey(entry.details);
  } catch {
    // Another's bytes, which are no entry.
  }
  return null;
}

/** Attacker-controlled input: null when it has not all the members of a wrapped key. */
export function parseWrappedKey(value: unknown): WrappedKey | null {
  if (typeof value !== 'object' || value === null) return null;
  const { algorithm, audit_key, ephemeral, wrapped } = value as Record<string, unknown>;
  return typeof algorithm === 'string' &&
    typeof audit_key === 'string' &&
    typeof ephemeral === 'string' &&
    typeof wrapped === 'string'
    ? { algorithm, audit_key, ephemeral, wrapped }
    : null;
}
