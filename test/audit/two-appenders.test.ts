import t from 'tap';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { createDatabase } from '../helpers/database.ts';
import { countEntries, newLeaf, readVersion, startAppender } from '../helpers/log.ts';

await t.test('gives the entries of two gateways one sequence, without a gap or a double', async (t) => {
  const test = await createDatabase(t);
  const authority = await readVersion(test);
  const base = await countEntries(test);
  const gateways = ['one', 'two'].map((name) => startAppender(t, test, name));
  const given = await Promise.all(
    gateways.map(async ({ appender }) => {
      const appended: { index: number | null; id: unknown }[] = [];
      async function append(): Promise<void> {
        const leaf = newLeaf();
        const { id } = JSON.parse(leaf.bytes.toString()) as { id: string };
        appended.push({ index: await appender.append(leaf, authority), id });
      }
      while (appended.length < 1000) await Promise.all(Array.from({ length: 20 }, append));
      return appended;
    }),
  );
  const all = given.flat().sort((a, b) => a.index! - b.index!);
  t.strictSame(
    all.map(({ index }) => index),
    Array.from({ length: 2000 }, (_, i) => base + i),
  );
  for (const { batches } of gateways) t.ok(batches.length >= 50, 'both were at it all along');
  const entries = await checkAuditLog(t, test);
  t.strictSame(
    entries.slice(base).map(({ id }) => id),
    all.map(({ id }) => id),
    'each index holds the entry that it was given for',
  );
});
