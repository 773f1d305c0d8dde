import type { StoredCheckpoint } from './expected-checkpoints.ts';
import type { LogSource } from './verify.ts';
import { findLastEntry, type Queryable } from './tree.ts';

const checkpointsAtOnce = 1000;

/** The log in a database, read in short pages: no long transaction holds back its vacuum. */
export function databaseSource(db: Queryable): LogSource {
  return {
    size: async () => ((await findLastEntry(db)) ?? -1) + 1,
    async entries(first, end) {
      const { rows } = await db.query<{ index: number; bytes: Buffer; leaf_hash: Buffer }>({
        text: 'select index, bytes, leaf_hash from audit.entry where index >= $1 and index < $2 order by index',
        values: [first, end],
      });
      return rows.map(({ index, bytes, leaf_hash: leafHash }) => ({ index, bytes, leafHash }));
    },
    async tile({ level, n }) {
      const { rows } = await db.query<{ hashes: Buffer; root: Buffer }>({
        text: 'select hashes, root from audit.tile where level = $1 and n = $2',
        values: [level, n],
      });
      return rows[0] ?? null;
    },
    async *checkpoints(): AsyncGenerator<StoredCheckpoint> {
      for (let after = 0; ;) {
        const { rows } = await db.query<{ size: number; previous_size: number; root: Buffer; note: string }>({
          text: `select size, previous_size, root, note from audit.checkpoint where size > $1 order by size
            limit ${checkpointsAtOnce}`,
          values: [after],
        });
        for (const { size, previous_size: previousSize, root, note } of rows)
          yield { note, beside: { size, previousSize, root } };
        if (rows.length < checkpointsAtOnce) return;
        after = rows.at(-1)!.size;
      }
    },
  };
}
