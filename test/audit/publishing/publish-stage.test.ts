import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t, { type Test } from 'tap';
import { databaseSource } from '../../../src/audit/database-source.ts';
import { checkpointFile } from '../../../src/audit/publishing/checkpoint-file.ts';
import { openLogKeys } from '../../../src/audit/log-keys.ts';
import { rootOf } from '../../../src/transparency/merkle.ts';
import { startPublishStage, type PublishStage } from '../../../src/audit/publishing/publish-stage.ts';
import { verifyLog } from '../../../src/transparency/verify-log.ts';
import { openDatabase } from '../../../src/db/database.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { createDatabase, type TestDatabase } from '../../helpers/database.ts';
import { keys, logOrigin } from '../../helpers/keys.ts';
import { connect, fillTo, killSessions, newLeaf } from '../../helpers/log.ts';
import { until } from '../../helpers/until.ts';
import { signCheckpoint, verifierOf } from '../../../src/transparency/node/sign.ts';

const verifier = verifierOf(logOrigin, keys.log);
const fileIn = (home: string): string => checkpointFile(home, verifier).path;

interface Started {
  stage: PublishStage;
  faults: string[];
  failures: unknown[];
}

function start(t: Test, test: TestDatabase, home: string, name = 'test publish'): Started {
  const { pool, close } = openDatabase(test.gatewayUrl, name, { maxConnections: 1 });
  const faults: string[] = [];
  const failures: unknown[] = [];
  const stage = startPublishStage({
    pool,
    key: keys.log,
    keys: openLogKeys(verifier),
    fileOf: (key) => checkpointFile(home, key),
    onFault: (fault) => faults.push(fault),
    onFailure: (error) => failures.push(error),
  });
  t.teardown(async () => {
    await stage.stop();
    await close();
  });
  return { stage, faults, failures };
}

async function published(test: TestDatabase): Promise<number> {
  const { rows } = await test.pool.query<{ size: number }>(
    'select coalesce(max(size), 0) as size from audit.checkpoint',
  );
  return rows[0]!.size;
}

const untilPublished = (test: TestDatabase, size: number): Promise<void> =>
  until(`a checkpoint of ${size}`, async () => (await published(test)) === size, 60_000);

/** As a superuser who knows his way: triggers off, the change, triggers on. */
async function tamper(test: TestDatabase, relation: string, statement: string): Promise<number> {
  const client = await test.pool.connect();
  try {
    await client.query(`alter table ${relation} disable trigger all`);
    const { rowCount } = await client.query(statement);
    await client.query(`alter table ${relation} enable always trigger append_only`);
    await client.query(`alter table ${relation} enable always trigger no_truncate`);
    return rowCount ?? 0;
  } finally {
    client.release();
  }
}

/** The size that a home's file tells of. */
function keptIn(home: string): number | null {
  const path = fileIn(home);
  return existsSync(path) ? Number(readFileSync(path, 'utf8').split('\n')[1]) : null;
}

await t.test('publishes what there is, and goes on at the edges of tiles as anywhere', async (t) => {
  const test = await createDatabase(t);
  const home = t.testdir();
  const { faults, failures } = start(t, test, home);
  for (const size of [254, 255, 256, 257, 511, 512, 513]) {
    await fillTo(test, size);
    await untilPublished(test, size);
    await until(
      'the file follows',
      () => existsSync(fileIn(home)) && readFileSync(fileIn(home), 'utf8').includes(`\n${size}\n`),
    );
  }
  t.same([faults, failures], [[], []]);
  await checkAuditLog(t, test);
});

await t.test('takes a long backlog in bounded steps, over the edge of a tile of tiles', async (t) => {
  const test = await createDatabase(t);
  await fillTo(test, 65_537);
  const { faults, failures } = start(t, test, t.testdir());
  await untilPublished(test, 65_537);
  const { rows } = await test.pool.query('select level, count(*)::int from audit.tile group by 1 order by 1');
  t.same(rows, [
    { level: 0, count: 256 },
    { level: 1, count: 1 },
  ]);
  const { rows: sizes } = await test.pool.query('select size from audit.checkpoint');
  t.equal(sizes.length, 5, '64 tiles a step');
  t.same([faults, failures], [[], []]);
  await checkAuditLog(t, test);
});

await t.test('several processes make one chain of checkpoints, each with its file', async (t) => {
  const test = await createDatabase(t);
  const homes = ['a', 'b', 'c'].map((name) => join(t.testdir(), name));
  const started = homes.map((home, i) => start(t, test, home, `test publish ${i}`));
  for (let size = 300; size <= 1500; size += 150) await fillTo(test, size);
  await untilPublished(test, 1500);
  for (const home of homes)
    await until('every process keeps the last checkpoint', () => keptIn(home) === 1500);
  t.same(started.map(({ faults, failures }) => [faults, failures]).flat(2), []);
  await checkAuditLog(t, test);
});

await t.test(
  'goes on after its connection was lost, and after the advisory lock was held by nobody it knows',
  async (t) => {
    const test = await createDatabase(t);
    const { faults } = start(t, test, t.testdir());
    await fillTo(test, 300);
    await untilPublished(test, 300);
    for (let size = 400; size <= 1000; size += 100) {
      await fillTo(test, size);
      await killSessions(test, 'test publish');
    }
    await untilPublished(test, 1000);
    const holder = await connect(t, test.gatewayUrl);
    await holder.query('select pg_advisory_lock(7103, 4)');
    await fillTo(test, 1100);
    await untilPublished(test, 1100);
    t.same(faults, []);
    await holder.end();
    await checkAuditLog(t, test);
  },
);

const expected = {
  'an altered entry': {
    change: `update audit.entry_0000 set bytes = set_byte(bytes, 30, 65) where index = 270`,
    relation: 'audit.entry_0000',
    fault: 'entry 270 was altered: its bytes have another leaf hash',
  },
  'an altered leaf hash': {
    change: `update audit.entry_0000 set leaf_hash = set_byte(leaf_hash, 3, get_byte(leaf_hash, 3) # 1) where index = 280`,
    relation: 'audit.entry_0000',
    fault: 'entry 280 was altered: its bytes have another leaf hash',
  },
  'a removed entry': {
    change: `delete from audit.entry_0000 where index = 290`,
    relation: 'audit.entry_0000',
    fault: 'an entry from 256 to 511 is missing',
  },
  'two exchanged entries that were published': {
    change: `update audit.entry_0000 a set (bytes, leaf_hash) = (select bytes, leaf_hash from audit.entry_0000 b
      where b.index = 521 - a.index) where a.index in (260, 261)`,
    relation: 'audit.entry_0000',
    fault: 'the first 300 entries are not those of the checkpoint in the database',
  },
  'an altered tile': {
    change: `update audit.tile set root = set_byte(root, 3, get_byte(root, 3) # 1), hashes = set_byte(hashes, 3, get_byte(hashes, 3) # 1)`,
    relation: 'audit.tile',
    fault: 'the first 300 entries are not those of the checkpoint in the database',
  },
  'an altered checkpoint': {
    change: `update audit.checkpoint set root = set_byte(root, 3, get_byte(root, 3) # 1) where size = 300`,
    relation: 'audit.checkpoint',
    fault: 'the checkpoint of 300 entries was altered: its note says something else',
  },
  'a tail rolled back': {
    change: `delete from audit.entry_0000 where index >= 280`,
    relation: 'audit.entry_0000',
    fault: 'the log has 280 entries, and its last checkpoint is of 300',
  },
} as const;

for (const [what, { change, relation, fault }] of Object.entries(expected))
  await t.test(`signs nothing over ${what}`, async (t) => {
    const test = await createDatabase(t);
    const home = t.testdir();
    await fillTo(test, 300);
    const first = start(t, test, home);
    await untilPublished(test, 300);
    await first.stage.stop();
    if (what !== 'a tail rolled back') await fillTo(test, 600);
    t.ok((await tamper(test, relation, change)) > 0);
    const { stage, faults } = start(t, test, home, 'test publish again');
    await until('the alarm', () => stage.fault() !== null);
    t.match(faults, [fault]);
    t.equal(faults.length, 1, 'the alarm is raised once');
    t.equal(await published(test), 300, 'nothing was signed');
  });

await t.test('notices by the file that the database was put back, with all its checkpoints', async (t) => {
  const test = await createDatabase(t);
  const home = t.testdir();
  await fillTo(test, 300);
  const first = start(t, test, home);
  await untilPublished(test, 300);
  await first.stage.stop();
  await tamper(test, 'audit.checkpoint', 'delete from audit.checkpoint');
  await tamper(test, 'audit.tile', 'delete from audit.tile');
  await tamper(test, 'audit.entry_0000', 'delete from audit.entry_0000 where index >= 200');

  const shorter = start(t, test, home, 'test publish shorter');
  await until('the alarm', () => shorter.stage.fault() !== null);
  t.match(shorter.faults, [
    /^the log has 200 entries and a checkpoint of 0, and the one kept in .* is of 300$/,
  ]);

  await fillTo(test, 400);
  const longer = start(t, test, home, 'test publish longer');
  await until('the alarm', () => longer.stage.fault() !== null);
  t.match(longer.faults, [
    /^the log has 400 entries and a checkpoint of 0, and the one kept in .* is of 300$/,
  ]);
  t.equal(await published(test), 0);

  const elsewhere = start(t, test, join(home, 'new'), 'test publish elsewhere');
  await untilPublished(test, 400);
  t.same(elsewhere.faults, [], 'without the file, nothing tells');
});

await t.test("follows no checkpoint that somebody with the gateway's credentials wrote", async (t) => {
  const test = await createDatabase(t);
  await fillTo(test, 200);
  const gateway = await connect(t, test.gatewayUrl);
  const publish = `select audit.publish(0, 200, 0, $1, $2, '{}', '{}', '{}', '{}')`;
  await gateway.query(publish, [Buffer.alloc(32), 'no note']);
  const { stage, faults } = start(t, test, t.testdir());
  await until('the alarm', () => stage.fault() !== null);
  t.match(faults, [/^the checkpoint of 200 entries in the database is no checkpoint of this log: /]);
});

await t.test('follows no checkpoint of the right key that does not fit the entries', async (t) => {
  const test = await createDatabase(t);
  await fillTo(test, 300);
  const root = Buffer.alloc(32, 7);
  const note = signCheckpoint({ origin: logOrigin, size: 300, root }, keys.log);
  await test.pool.query('insert into audit.checkpoint values (300, 0, $1, $2, now())', [root, note]);
  const { stage, faults } = start(t, test, t.testdir());
  await until('the alarm', () => stage.fault() !== null);
  t.same(faults, ['the first 300 entries are not those of the checkpoint in the database']);
});

await t.test('refuses a file that is no checkpoint of this log, and leaves it as it is', async (t) => {
  const test = await createDatabase(t);
  await fillTo(test, 300);
  const home = t.testdir({ [basename(fileIn(''))]: 'something else\n' });
  const { stage, faults } = start(t, test, home);
  await until('the alarm', () => stage.fault() !== null);
  t.match(faults, [/log-checkpoint-[0-9a-f]{8} is no checkpoint of this log: the note has no empty line/]);
  t.equal(readFileSync(fileIn(home), 'utf8'), 'something else\n');
  t.equal(await published(test), 0);
});

await t.test('publishes though the file can not be written, and says so', async (t) => {
  const test = await createDatabase(t);
  await fillTo(test, 300);
  const home = t.testdir();
  rmSync(home, { recursive: true });
  writeFileSync(home, 'a file where the folder should be');
  const { stage, failures } = start(t, test, home);
  await until('a failure', () => failures.length > 0);
  t.match(failures[0], { code: /^(ENOTDIR|EEXIST)$/ });
  await untilPublished(test, 300);
  await fillTo(test, 310);
  await untilPublished(test, 310);
  t.equal(stage.fault(), null);
  await until('readiness would tell, if it lasts', () => stage.behindMs() > 0);
  rmSync(home);
  mkdirSync(home);
  await until(
    'the file',
    () => existsSync(fileIn(home)) && readFileSync(fileIn(home), 'utf8').includes('\n310\n'),
  );
  await until('all is done', () => stage.behindMs() === 0);
  await checkAuditLog(t, test);
});

/** Hashes of a tile: the true ones of as many entries, then forged ones. */
async function forgedTile(test: TestDatabase, first: number, count: number): Promise<Buffer> {
  const { rows } = await test.pool.query<{ leaf_hash: Buffer }>(
    'select leaf_hash from audit.entry where index >= $1 order by index limit $2',
    [first, count],
  );
  return Buffer.concat([...rows.map((row) => row.leaf_hash), Buffer.alloc((256 - rows.length) * 32, 7)]);
}

await t.test("signs no tile that somebody with the owner's credentials put there beforehand", async (t) => {
  const test = await createDatabase(t);
  await fillTo(test, 300);
  const { faults } = start(t, test, t.testdir());
  await untilPublished(test, 300);
  const owner = await connect(t, test.adminUrl);
  const insert = 'insert into audit.tile values ($1, $2, $3, $4)';
  await owner.query(insert, [0, 1, await forgedTile(test, 256, 44), Buffer.alloc(32, 7)]);
  await owner.query(insert, [1, 0, Buffer.alloc(8192, 7), Buffer.alloc(32, 7)]);
  await owner.query(insert, [0, '9223372036854775807', Buffer.alloc(8192, 7), Buffer.alloc(32, 7)]);
  await fillTo(test, 400);
  await untilPublished(test, 400);
  t.same(faults, []);
  const { rows } = await test.pool.query<{ leaf_hash: Buffer }>(
    'select leaf_hash from audit.entry order by index',
  );
  const { rows: signed } = await test.pool.query<{ root: Buffer }>(
    'select root from audit.checkpoint where size = 400',
  );
  t.same(signed[0]!.root, rootOf(rows.map((row) => row.leaf_hash)), 'what is signed are the entries');
  await fillTo(test, 600);
  await until('the alarm', () => faults.length > 0);
  t.same(faults, ['tile 0/1 does not have the hashes of its entries']);
});

await t.test('signs nothing that lacks what it signed before, though that was never committed', async (t) => {
  const test = await createDatabase(t);
  await fillTo(test, 300);
  const { faults, failures } = start(t, test, t.testdir());
  await untilPublished(test, 300);
  await test.pool.query(`
    create function audit.leak() returns trigger language plpgsql as $$ begin raise exception 'seen: %', new.note; end $$`);
  await test.pool.query(
    'create trigger leak before insert on audit.checkpoint for each row execute function audit.leak()',
  );
  await fillTo(test, 310);
  await until('a leak', () => failures.length > 0);
  const { bytes, hash } = newLeaf();
  await test.pool.query('alter table audit.entry_0000 disable trigger all');
  await test.pool.query('update audit.entry_0000 set bytes = $1, leaf_hash = $2 where index = 305', [
    bytes,
    hash,
  ]);
  await test.pool.query('drop trigger leak on audit.checkpoint');
  await until('the alarm', () => faults.length > 0);
  t.same(faults, ['the first 310 entries are not those of the checkpoint signed before']);
  t.equal(await published(test), 300);
});

await t.test(
  'goes on where another process put the same tiles, and says when nobody was first',
  async (t) => {
    const test = await createDatabase(t);
    await fillTo(test, 300);
    const { faults, failures } = start(t, test, t.testdir());
    await untilPublished(test, 300);
    await fillTo(test, 512);
    await untilPublished(test, 512);
    await test.pool.query(`
    create function audit.clash() returns trigger language plpgsql as $$
    begin raise exception 'as if another were first' using errcode = 'unique_violation'; end $$`);
    await test.pool.query(
      'create trigger clash before insert on audit.checkpoint for each row execute function audit.clash()',
    );
    await fillTo(test, 600);
    await until('a failure', () => failures.length > 0);
    await test.pool.query('drop trigger clash on audit.checkpoint');
    await untilPublished(test, 600);
    t.same(faults, []);
    await checkAuditLog(t, test);
  },
);

await t.test(
  'of checkpoints that are a month old, one an hour is kept, and the log verifies on',
  async (t) => {
    const test = await createDatabase(t);
    await fillTo(test, 100);
    const first = start(t, test, t.testdir());
    await untilPublished(test, 100);
    await first.stage.stop();
    const leaves = (
      await test.pool.query<{ leaf_hash: Buffer }>('select leaf_hash from audit.entry order by index')
    ).rows.map(({ leaf_hash: hash }) => hash);
    // Two hours of two months ago with three checkpoints each, and one of yesterday, before the last one of now.
    await test.pool.query('alter table audit.checkpoint disable trigger all');
    await test.pool.query('delete from audit.checkpoint');
    const hour = (ago: string, minute: number): string =>
      `date_trunc('hour', (now() - interval '${ago}') at time zone 'UTC') at time zone 'UTC' + interval '${minute} minutes'`;
    const times = ['61 days', '60 days'].flatMap((ago) => [5, 30, 59].map((minute) => hour(ago, minute)));
    for (const [i, at] of [...times, hour('1 day', 5), hour('1 day', 6)].entries()) {
      const size = (i + 1) * 10;
      const root = rootOf(leaves.slice(0, size));
      const note = signCheckpoint({ origin: logOrigin, size, root }, keys.log);
      await test.pool.query(`insert into audit.checkpoint values ($1, $2, $3, $4, ${at})`, [
        size,
        size - 10,
        root,
        note,
      ]);
    }
    for (const trigger of ['append_only', 'no_truncate'])
      await test.pool.query(`alter table audit.checkpoint enable always trigger ${trigger}`);
    const owner = await connect(t, test.adminUrl);
    for (const size of [30, 60, 70, 80])
      await t.rejects(owner.query('delete from audit.checkpoint where size = $1', [size]), { code: '42501' });

    const { faults } = start(t, test, t.testdir(), 'test publish again');
    await untilPublished(test, 100);
    const sizes = async (): Promise<number[]> =>
      (await owner.query<{ size: number }>('select size from audit.checkpoint order by size')).rows.map(
        ({ size }) => size,
      );
    await until('they are thinned', async () => (await sizes()).length === 5);
    t.strictSame(await sizes(), [30, 60, 70, 80, 100]);
    const verdict = await verifyLog(databaseSource(owner), { verifiers: [verifier] });
    t.match(verdict, { entries: 100, checkpoints: 5, findings: [] });
    t.same(faults, []);
    await owner.query('alter table audit.checkpoint disable trigger all');
    await owner.query('delete from audit.checkpoint where size = 70');
    const { findings } = await verifyLog(databaseSource(owner), { verifiers: [verifier] });
    t.match(findings, [
      { what: /the checkpoint of 80 entries continues one of 70, and the one before it is of 60/ },
    ]);
  },
);
