import t from 'tap';
import { openAppender } from '../../src/audit/append.ts';
import { connectionConfig } from '../../src/db/connection.ts';
import { addPurpose } from '../../src/grants/purposes.ts';
import { rootOf } from '../../src/transparency/merkle.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { actor, keys, logOrigin } from '../helpers/keys.ts';
import {
  countEntries,
  holdLock,
  killSessions,
  logLocks,
  newLeaf,
  readVersion,
  startAppender,
  untilBlocked,
} from '../helpers/log.ts';
import { signCheckpoint } from '../../src/transparency/node/sign.ts';

const failure = { name: 'ProblemError', code: 'audit-unavailable' };

/** Has the server say or do something whenever an entry is about to be committed. */
async function atCommit({ pool }: TestDatabase, statement: string): Promise<() => Promise<void>> {
  await pool.query(`
    create function public.at_commit() returns trigger language plpgsql as $$ begin ${statement}; return null; end $$;
    create constraint trigger at_commit after insert on audit.entry_0000 deferrable initially deferred
      for each row execute function public.at_commit()`);
  return async () => {
    await pool.query('drop trigger at_commit on audit.entry_0000; drop function public.at_commit()');
  };
}

await t.test('does not trust an append that a notice came with', async (t) => {
  const test = await createDatabase(t);
  const { appender } = startAppender(t, test);
  const authority = await readVersion(test);
  const base = await countEntries(test);
  await test.pool.query(`
    alter function audit.append(bigint, bytea[], bytea[]) rename to append_quietly;
    create function audit.append(authority bigint, entry_bytes bytea[], leaf_hashes bytea[]) returns bigint
      language plpgsql security definer set search_path = audit, pg_temp as $$
    declare base bigint := audit.append_quietly(authority, entry_bytes, leaf_hashes);
    begin
      raise warning 'canceling wait for synchronous replication due to user request';
      return base;
    end $$;
    grant execute on function audit.append to onevisit_gateway`);
  const results = await Promise.allSettled(
    Array.from({ length: 5 }, () => appender.append(newLeaf(), authority)),
  );
  for (const result of results) t.match(result, { status: 'rejected', reason: failure });
  await test.pool.query(`
    drop function audit.append(bigint, bytea[], bytea[]);
    alter function audit.append_quietly(bigint, bytea[], bytea[]) rename to append`);
  t.equal(await countEntries(test), base + 5, 'the entries without an answer are in the log');
  t.equal(await appender.append(newLeaf(), authority), base + 5, 'the next append goes well');
  await checkAuditLog(t, test);
});

await t.test('does not trust an append that a notice came with as it committed', async (t) => {
  const test = await createDatabase(t);
  const { appender } = startAppender(t, test);
  const authority = await readVersion(test);
  const base = await countEntries(test);
  const stop = await atCommit(test, `raise warning 'the standby did not confirm'`);
  await t.rejects(appender.append(newLeaf(), authority), failure);
  await stop();
  t.equal(await appender.append(newLeaf(), authority), base + 1);
  await checkAuditLog(t, test);
});

await t.test('fails an append whose commit failed', async (t) => {
  const test = await createDatabase(t);
  const { appender } = startAppender(t, test);
  const authority = await readVersion(test);
  const base = await countEntries(test);
  const stop = await atCommit(test, `raise exception 'the disk is full' using errcode = 'disk_full'`);
  await t.rejects(appender.append(newLeaf(), authority), failure);
  await stop();
  t.equal(await countEntries(test), base);
  t.equal(await appender.append(newLeaf(), authority), base);
  await checkAuditLog(t, test);
});

await t.test('fails an append whose connection was killed, and connects again by itself', async (t) => {
  const test = await createDatabase(t);
  const { appender } = startAppender(t, test, 'test killed');
  const authority = await readVersion(test);
  const base = await countEntries(test);
  for (let round = 0; round < 3; round++) {
    const lock = await holdLock(t, test, logLocks.append);
    const append = t.rejects(appender.append(newLeaf(), authority), failure);
    await untilBlocked(test, 'test killed');
    const waiting = appender.append(newLeaf(), authority);
    t.equal(await killSessions(test, 'test killed'), 1);
    await append;
    await lock.release();
    t.equal(await waiting, base + round, 'what waited behind it goes on');
  }
  await checkAuditLog(t, test);
});

await t.test('fails an append while the connection is gone between two, or does the next', async (t) => {
  const test = await createDatabase(t);
  const { appender } = startAppender(t, test, 'test idle');
  const authority = await readVersion(test);
  const base = await countEntries(test);
  t.equal(await appender.append(newLeaf(), authority), base);
  t.equal(await killSessions(test, 'test idle'), 1);
  const [first] = await Promise.allSettled([appender.append(newLeaf(), authority)]);
  if (first.status === 'rejected') t.match(first.reason, failure);
  const second = await appender.append(newLeaf(), authority);
  t.equal(second, (await countEntries(test)) - 1);
  await checkAuditLog(t, test);
});

await t.test('fails an append that waits too long for the lock, and does the next', async (t) => {
  const test = await createDatabase(t);
  const { appender } = startAppender(t, test);
  const authority = await readVersion(test);
  const lock = await holdLock(t, test, logLocks.append);
  await t.rejects(appender.append(newLeaf(), authority), failure);
  await lock.release();
  t.equal(await appender.append(newLeaf(), authority), (await countEntries(test)) - 1);
  await checkAuditLog(t, test);
});

await t.test('gives up on an entry that waited too long for its turn, and does the next', async (t) => {
  const test = await createDatabase(t);
  const slow = { lock_timeout: 5500, statement_timeout: 7000 };
  const appender = openAppender(connectionConfig(test.gatewayUrl, 'test slow', slow), () => undefined);
  t.teardown(() => appender.close());
  const authority = await readVersion(test);
  const base = await countEntries(test);
  const lock = await holdLock(t, test, logLocks.append);
  const append = t.rejects(appender.append(newLeaf(), authority), failure);
  await untilBlocked(test, 'test slow');
  const late = t.rejects(appender.append(newLeaf(), authority), failure, 'for the same reason');
  await append;
  await late;
  await lock.release();
  t.equal(await appender.append(newLeaf(), authority), base);
  await checkAuditLog(t, test);
});

await t.test('adds nothing to a log that is shorter than its last checkpoint', async (t) => {
  const test = await createDatabase(t);
  const { appender } = startAppender(t, test);
  const authority = await readVersion(test);
  const size = await countEntries(test);
  const checkpoint = 'insert into audit.checkpoint values ($1, $2, $3, $4, now())';
  const { rows } = await test.pool.query<{ leaf_hash: Buffer }>(
    'select leaf_hash from audit.entry order by index',
  );
  const root = rootOf(rows.map((row) => row.leaf_hash));
  const note = signCheckpoint({ origin: logOrigin, size, root }, keys.log);
  await test.pool.query(checkpoint, [size, 0, root, note]);
  t.equal(await appender.append(newLeaf(), authority), size, 'one that covers the whole log stops nothing');
  await checkAuditLog(t, test);
  await test.pool.query(checkpoint, [size + 2, size, Buffer.alloc(32), 'note']);
  await t.rejects(appender.append(newLeaf(), authority), {
    ...failure,
    cause: { code: 'XX001', message: /shorter than its last checkpoint/ },
  });
  const purpose = { code: 'new', title: { en: 'N', zh: '新' }, legal_basis: 'law', requires: [] };
  await t.rejects(addPurpose(test.database, actor, { ...purpose, confidential_days: 0 }), {
    code: 'XX001',
  });
  t.equal(await countEntries(test), size + 1);
});
