import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { openCheckpoint } from '../../src/transparency/checkpoint.ts';
import { databaseSource } from '../../src/audit/database-source.ts';
import { checkpointFile } from '../../src/audit/publishing/checkpoint-file.ts';
import { openLogKeys, readSuccessions } from '../../src/audit/log-keys.ts';
import { startPublishStage, type PublishStage } from '../../src/audit/publishing/publish-stage.ts';
import { signCheckpoint, verifierKey, verifierOf, type Signer } from '../../src/transparency/node/sign.ts';
import { changeLogKey } from '../../src/audit/change-log-key.ts';
import { openSuccession, trustSuccessions } from '../../src/transparency/succession.ts';
import { verifyLog, type LogVerdict } from '../../src/transparency/verify-log.ts';
import { openDatabase } from '../../src/db/database.ts';
import { rememberSettings } from '../../src/db/settings.ts';
import { keyId } from '../../src/base/keys.ts';
import { runCommand, type CommandEnd } from '../helpers/command.ts';
import { newFolder } from '../helpers/folder.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { startGateway } from '../helpers/gateway.ts';
import { actor, keys, logOrigin } from '../helpers/keys.ts';
import { connect, countEntries, fillTo, holdLock, logLocks, putBack } from '../helpers/log.ts';
import { until } from '../helpers/until.ts';

const newKey = (): KeyObject => generateKeyPairSync('ed25519').privateKey;

function keyFile(folder: string, name: string, key: KeyObject): string {
  const file = join(folder, `${name}.pem`);
  writeFileSync(file, key.export({ type: 'pkcs8', format: 'pem' }));
  return file;
}

/** A log that a gateway with the old key has signed. */
async function newLog(
  t: Test,
  size: number,
): Promise<{ test: TestDatabase; home: string; settings: Record<string, string> }> {
  const test = await createDatabase(t);
  await rememberSettings(test.database, { LOG_ORIGIN: logOrigin, LOG_KEY_FILE: keyId(keys.log) });
  const home = newFolder(t);
  await fillTo(test, size);
  const { stage } = start(t, test, home, keys.log);
  await untilPublished(test, size);
  await stage.stop();
  return {
    test,
    home,
    settings: {
      ADMIN_DATABASE_URL: test.adminUrl,
      DATABASE_URL: test.gatewayUrl,
      ONEVISIT_HOME: home,
      LOG_ORIGIN: logOrigin,
      LOG_KEY_FILE: keyFile(home, 'old', keys.log),
    },
  };
}

function start(
  t: Test,
  test: TestDatabase,
  home: string,
  key: KeyObject,
  origin = logOrigin,
): { stage: PublishStage; faults: string[]; succeeded: string[] } {
  const { pool, close } = openDatabase(test.gatewayUrl, 'test publish', { maxConnections: 1 });
  const [faults, succeeded]: string[][] = [[], []];
  const stage = startPublishStage({
    pool,
    key,
    keys: openLogKeys(verifierOf(origin, key)),
    fileOf: (verifier) => checkpointFile(home, verifier),
    onSucceeded: ({ line }) => succeeded!.push(line),
    onFault: (fault) => faults!.push(fault),
    onFailure: (error) => t.fail(String(error)),
  });
  t.teardown(async () => {
    await stage.stop();
    await close();
  });
  return { stage, faults: faults!, succeeded: succeeded! };
}

const untilPublished = (test: TestDatabase, size: number): Promise<void> =>
  until(`a checkpoint of ${size}`, async () => {
    const { rows } = await test.pool.query<{ size: number }>(
      'select max(size) as size from audit.checkpoint',
    );
    return rows[0]!.size === size;
  });

/** What a verifier says that trusts one key alone. */
async function verdictBy(
  t: Test,
  test: TestDatabase,
  key: KeyObject,
  origin = logOrigin,
): Promise<LogVerdict> {
  const client = await connect(t, test.gatewayUrl);
  const verifiers = trustSuccessions([verifierOf(origin, key)], await readSuccessions(client));
  return verifyLog(databaseSource(client), { verifiers });
}

async function entryAt(test: TestDatabase, index: number): Promise<Record<string, unknown>> {
  const { rows } = await test.pool.query<{ bytes: Buffer }>(
    'select bytes from audit.entry where index = $1',
    [index],
  );
  return JSON.parse(rows[0]!.bytes.toString()) as Record<string, unknown>;
}

const refused = (t: Test, { code, stdout, stderr }: CommandEnd, reason: RegExp): void => {
  t.equal(code, 1);
  t.equal(stdout, '');
  t.match(stderr, reason);
};

await t.test('audit rotate: another key signs on, and each key verifies all checkpoints', async (t) => {
  const { test, home, settings } = await newLog(t, 300);
  const next = newKey();
  const old = start(t, test, home, keys.log);
  const file = keyFile(home, 'new', next);
  const done = await runCommand(['audit', 'rotate', '--new-key', file], settings);
  t.equal(done.code, 0, done.stderr);
  t.match(done.stdout, /^from entry 300 on the log is signed with onevisit\.test\/audit\+/);
  t.match(done.stdout, `set LOG_KEY_FILE to ${file}`);
  t.match(await entryAt(test, 300), {
    kind: 'key',
    operation: 'log-key-change',
    details: { from: verifierKey(logOrigin, keys.log), to: verifierKey(logOrigin, next) },
  });
  await until('the old one looks on', () => old.succeeded.length > 0);
  await fillTo(test, 400);
  const started = start(t, test, home, next);
  await untilPublished(test, 400);
  t.strictSame(old.succeeded, [verifierKey(logOrigin, next)]);
  t.same([...old.faults, ...started.faults], []);
  for (const key of [keys.log, next]) t.match(await verdictBy(t, test, key), { entries: 400, findings: [] });
  t.equal((await verdictBy(t, test, newKey())).findings.length > 0, true);

  const kept = checkpointFile(home, verifierOf(logOrigin, next));
  await until('the file of the new key', () => kept.read() !== null);
  const gateway = await startGateway(t, { database: test });
  const served = await gateway.app.inject('/log/checkpoint');
  t.equal(served.statusCode, 200, 'a gateway that was not started again serves it');
  t.equal(openCheckpoint(served.body, [verifierOf(logOrigin, next)]).size >= 400, true);

  const verified = await runCommand(['audit', 'verify', '--key', verifierKey(logOrigin, keys.log)], settings);
  t.equal(verified.code, 0, verified.stderr);
  const out = join(home, 'export');
  await runCommand(['audit', 'export', '--out', out], settings);
  const offline = await runCommand(
    ['audit', 'verify', '--export', out, '--key', verifierKey(logOrigin, keys.log)],
    { ONEVISIT_HOME: newFolder(t) },
  );
  t.equal(offline.code, 0, offline.stderr);

  refused(
    t,
    await runCommand(['audit', 'rotate', '--new-key', file], settings),
    /LOG_KEY_FILE: is not the key that/,
  );
  const now = { ...settings, LOG_KEY_FILE: file };
  refused(
    t,
    await runCommand(['audit', 'rotate', '--new-key', settings.LOG_KEY_FILE!], now),
    /has signed this log before/,
  );
  await t.rejects(rememberSettings(test.database, { LOG_KEY_FILE: keyId(keys.log) }), {
    message: /is used with/,
  });
});

await t.test(
  'after a change of key, a database that was put back is noticed by the file of the old one',
  async (t) => {
    const { test, home, settings } = await newLog(t, 300);
    const next = newKey();
    await runCommand(['audit', 'rotate', '--new-key', keyFile(home, 'new', next)], settings);
    await putBack(test, 200);
    const { stage, faults } = start(t, test, home, next);
    await until('the alarm', () => stage.fault() !== null);
    t.match(faults, [/^the log has 200 entries and a checkpoint of 0, and the one kept in .* is of 300$/]);
  },
);

await t.test(
  'audit reopen: a log that lost its end goes on under another name, and says what it lost',
  async (t) => {
    const { test, home, settings } = await newLog(t, 200);
    const before = checkpointFile(home, verifierOf(logOrigin, keys.log));
    await fillTo(test, 300);
    const first = start(t, test, home, keys.log);
    await untilPublished(test, 300);
    await first.stage.stop();
    const lost = before.read()!;
    await putBack(test, 250);
    const red = start(t, test, home, keys.log);
    await until('the alarm', () => red.stage.fault() !== null);

    const args = [
      'audit',
      'reopen',
      '--origin',
      'onevisit.test/audit-2',
      '--reason',
      'restored the backup of Monday',
    ];
    const done = await runCommand(args, settings);
    t.equal(done.code, 0, done.stderr);
    t.match(
      done.stdout,
      /^the log is opened anew as onevisit\.test\/audit-2; entry 250 is its first, and tells of .* 300 entries/,
    );
    t.match(await entryAt(test, 250), {
      kind: 'origin',
      operation: 'log-reopen',
      details: {
        from: verifierKey(logOrigin, keys.log),
        reason: 'restored the backup of Monday',
        entries: 250,
        last_size: 300,
        last_checkpoint: lost,
      },
    });
    const anew = start(t, test, home, keys.log, 'onevisit.test/audit-2');
    await untilPublished(test, 251);
    t.same(anew.faults, []);
    for (const origin of [logOrigin, 'onevisit.test/audit-2'])
      t.match(await verdictBy(t, test, keys.log, origin), { entries: 251, findings: [] });
    await t.rejects(rememberSettings(test.database, { LOG_ORIGIN: logOrigin }), {
      message: /LOG_ORIGIN: .*audit-2/,
    });
    const now = { ...settings, LOG_ORIGIN: 'onevisit.test/audit-2' };
    t.equal((await runCommand(['audit', 'verify'], now)).code, 0);
    writeFileSync(join(home, 'lost'), lost);
    refused(
      t,
      await runCommand(['audit', 'verify', '--checkpoint', join(home, 'lost')], now),
      /the end was removed: there are 251 entries, and the checkpoint kept outside is of 300/,
    );
  },
);

await t.test(
  'a key that succeeds behind a long tail goes on in steps, from where the old one ended',
  async (t) => {
    const { test, home } = await newLog(t, 300);
    await fillTo(test, 20_000);
    const next = newKey();
    const signers = [keys.log, next].map((key) => ({ name: logOrigin, key })) as [Signer, Signer];
    await changeLogKey(test.database, actor, ...signers);
    const { faults } = start(t, test, home, next);
    await untilPublished(test, 20_001);
    t.same(faults, []);
    const { rows } = await test.pool.query<{ size: number }>(
      'select size from audit.checkpoint where size > 300',
    );
    t.ok(rows.length > 1, 'no step takes more than 64 tiles');
    for (const key of [keys.log, next])
      t.match(await verdictBy(t, test, key), { entries: 20_001, findings: [] });
  },
);

await t.test(
  'a checkpoint of the old key is waited for by a succession, and does not come after it',
  async (t) => {
    const { test } = await newLog(t, 300);
    const signers = [keys.log, newKey()].map((key) => ({ name: logOrigin, key })) as [Signer, Signer];
    const client = await connect(t, test.gatewayUrl);
    await fillTo(test, 310);
    await client.query('begin');
    const publish = (size: number, previousSize: number) =>
      client.query(`select audit.publish(0, $1, $2, $3, 'n', '{}', '{}', '{}', '{}')`, [
        size,
        previousSize,
        Buffer.alloc(32),
      ]);
    await publish(305, 300);
    const changing = changeLogKey(test.database, actor, ...signers);
    await sleep(300);
    await client.query('commit');
    await changing;
    const { rows } = await test.pool.query<{ note: string }>('select note from audit.succession');
    t.equal(openSuccession(rows[0]!.note).size, 305, 'what was published meanwhile counts');
    await t.rejects(publish(306, 305), { code: '23505' });
  },
);

await t.test('audit reopen and rotate refuse what would not help', async (t) => {
  const { test, home, settings } = await newLog(t, 30);
  const reopen = (...more: string[]) => runCommand(['audit', 'reopen', '--reason', 'x', ...more], settings);
  refused(t, await reopen('--origin', logOrigin), /the log is onevisit\.test\/audit already/);
  refused(t, await reopen('--origin', 'x', '--reason', ' '), /--reason: must be one line/);
  refused(t, await reopen('--origin', 'a b'), /--origin: must be 1 to 200 characters/);
  const other = join(home, 'other');
  writeFileSync(other, signCheckpoint({ origin: 'other', size: 1, root: Buffer.alloc(32) }, keys.log));
  refused(t, await reopen('--origin', 'x', '--checkpoint', other), /nobody who is known has signed/);
  const rotate = (file: string, env = {}) =>
    runCommand(['audit', 'rotate', '--new-key', file], { ...settings, ...env });
  refused(t, await rotate(join(home, 'none.pem')), /--new-key: cannot read/);
  refused(
    t,
    await rotate(settings.LOG_KEY_FILE!, { LOG_ORIGIN: 'x' }),
    /LOG_ORIGIN: this log is onevisit\.test/,
  );
  const client = await test.pool.connect();
  await client.query('alter table audit.entry_0000 disable trigger all');
  await client.query('update audit.entry_0000 set bytes = set_byte(bytes, 2, 88) where index = 7');
  client.release();
  refused(
    t,
    await reopen('--origin', 'x'),
    /the audit log is not as it was written:\n {2}entry 7 was altered/,
  );
  t.equal(await countEntries(test), 30, 'nothing was entered');
  const unused = await createDatabase(t);
  refused(
    t,
    await rotate(keyFile(home, 'new', newKey()), { ADMIN_DATABASE_URL: unused.adminUrl }),
    /no gateway has signed this log yet/,
  );
});

await t.test('of two keys that should follow at once one does, and the log goes on', async (t) => {
  const { test, home, settings } = await newLog(t, 30);
  const lock = await holdLock(t, test, logLocks.append);
  const rotations = ['one', 'two'].map((name) =>
    runCommand(['audit', 'rotate', '--new-key', keyFile(home, name, newKey())], settings),
  );
  await until('both wait', async () => {
    const { rows } = await test.pool.query<{ waiting: number }>(
      `select count(*) as waiting from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return rows[0]!.waiting === 2;
  });
  await lock.release();
  const ends = await Promise.all(rotations);
  t.equal(ends.filter(({ code }) => code === 0).length, 1);
  refused(
    t,
    ends.find(({ code }) => code === 1)!,
    /is not the key that this log is signed with/,
  );
  const { rows } = await test.pool.query('select from audit.succession');
  t.equal(rows.length, 1);
});

await t.test("audit reopen cites the database's last checkpoint where nobody kept one", async (t) => {
  const { test, home, settings } = await newLog(t, 40);
  rmSync(checkpointFile(home, verifierOf(logOrigin, keys.log)).path);
  const args = ['audit', 'reopen', '--origin', 'onevisit.test/audit-3', '--reason', 'the name was wrong'];
  const { code, stderr } = await runCommand(args, settings);
  t.equal(code, 0, stderr);
  t.match(await entryAt(test, 40), { details: { entries: 40, last_size: 40 } });
});
