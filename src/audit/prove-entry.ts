import { setTimeout as sleep } from 'node:timers/promises';
import { leafHash, verifyInclusion } from '../transparency/merkle.ts';
import { formatProof } from '../transparency/proof.ts';
import { proveInclusion } from '../transparency/tiles.ts';
import {
  findLastCheckpoint,
  LogFaultError,
  tileReader,
  type PublishedCheckpoint,
  type Queryable,
} from './stored-log.ts';

/** An entry with what its members say of whose it is. */
export interface StoredExchange {
  index: number;
  bytes: Buffer;
  consumer: string | null;
  provider: string | null;
  /** Whether a body was released, and bound to the entry. */
  bound: boolean;
}

/** Finds the entry of an exchange, by the search tables and in the tail that they don't hold yet. */
export async function findExchange(db: Queryable, id: string): Promise<StoredExchange | null> {
  const { rows } = await db.query<{ index: number; bytes: Buffer }>({
    text: `
      select e.index, e.bytes from audit.entry e where e.index = coalesce(
        (select f.index from audit.find f where f.exchange = $1 order by f.index limit 1),
        (select p.index from audit.parsed p where p.index >= audit.indexed() and p.exchange = $1
         order by p.index limit 1))`,
    values: [id],
  });
  if (rows.length === 0) return null;
  const { index, bytes } = rows[0]!;
  const entry = JSON.parse(bytes.toString()) as Record<string, unknown>;
  if (entry.id !== id)
    throw new LogFaultError(`the search tables name entry ${index} for an exchange of another id`);
  if (entry.kind !== 'exchange') return null;
  return {
    index,
    bytes,
    consumer: typeof entry.consumer === 'string' ? entry.consumer : null,
    provider: typeof entry.provider === 'string' ? entry.provider : null,
    bound: typeof entry.body === 'string',
  };
}

const pollMs = 100;

/** Waits until a checkpoint covers an index; null when none does in time. */
export async function awaitCheckpoint(
  db: Queryable,
  index: number,
  withinMs: number,
): Promise<PublishedCheckpoint | null> {
  const untilMs = performance.now() + withinMs;
  for (;;) {
    const last = await findLastCheckpoint(db);
    if (last !== null && last.size > index) return last;
    if (performance.now() > untilMs) return null;
    await sleep(pollMs);
  }
}

/** Proves an entry under a checkpoint, and checks the proof. @throws LogFaultError when there is none that holds */
export async function proveEntry(
  db: Queryable,
  { index, bytes }: { index: number; bytes: Buffer },
  { size, root, note }: PublishedCheckpoint,
): Promise<string> {
  const hashes = await proveInclusion(index, size, tileReader(db, size));
  if (!verifyInclusion(hashes, { index, hash: leafHash(bytes) }, { size, root }))
    throw new LogFaultError(`entry ${index} is not the one that the checkpoint of ${size} entries covers`);
  return formatProof({ index, hashes, checkpoint: note });
}
