/** For tests of large logs: partitions that a test can fill. */
import type { Entry } from '../../src/audit/entry.ts';
import type { TestDatabase } from './database.ts';
import { newLeaf, readVersion } from './log.ts';

/** How many entries a small partition has. */
export const small = 512;

/** Begins the log anew, before any gateway has seen it, with two small partitions before the one that goes on. */
export async function makePartitionsSmall({ pool }: TestDatabase): Promise<void> {
  await pool.query(`
    alter table audit.entry detach partition audit.entry_0000;
    drop table audit.entry_0000;
    truncate audit.find, audit.find_subject;
    do $$
    declare
      part record;
    begin
      for part in select * from (values ('entry_0000', 0, ${small}), ('entry_small', ${small}, ${2 * small}),
                                        ('entry_rest', ${2 * small}, 4194304)) v(name, low, high) loop
        execute format('create table audit.%I (like audit.entry including constraints including indexes)', part.name);
        perform audit.make_append_only(('audit.' || part.name)::regclass, true);
        execute format('grant select on audit.%I to onevisit_gateway, onevisit_auditor', part.name);
        execute format('alter table audit.entry attach partition audit.%I for values from (%s) to (%s)',
                       part.name, part.low, part.high);
      end loop;
    end $$`);
}

/** Appends entries, one for each of what they say. */
export async function enter(test: TestDatabase, entries: Partial<Entry>[]): Promise<void> {
  const leaves = entries.map((entry) => newLeaf(entry));
  await test.pool.query('select audit.append($1, $2, $3)', [
    await readVersion(test),
    leaves.map(({ bytes }) => bytes),
    leaves.map(({ hash }) => hash),
  ]);
}
