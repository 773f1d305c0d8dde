import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LightMyRequestResponse } from 'fastify';
import t from 'tap';
import { archivePartitions, listArchivable } from '../../../src/audit/archive/archive.ts';
import { archiveFiles, withArchives } from '../../../src/audit/archive/archived.ts';
import { openCheckpoint } from '../../../src/transparency/checkpoint.ts';
import { databaseSource } from '../../../src/audit/database-source.ts';
import { forgetArchived } from '../../../src/audit/archive/detach-partition.ts';
import { exportLog } from '../../../src/audit/export/log-folder.ts';
import { folderFiles } from '../../../src/transparency/node/log-files.ts';
import { verifyConsistency } from '../../../src/transparency/merkle.ts';
import { verifyProof } from '../../../src/transparency/proof.ts';
import { createRetention } from '../../../src/audit/archive/retention.ts';
import { verifierKey } from '../../../src/transparency/node/sign.ts';
import { tilesSource } from '../../../src/transparency/tiles-source.ts';
import { proveConsistency } from '../../../src/transparency/tiles.ts';
import { findLastCheckpoint, tileReader } from '../../../src/audit/stored-log.ts';
import { verifyLog } from '../../../src/transparency/verify-log.ts';
import { writeArchive } from '../../../src/audit/archive/write-archive.ts';
import { loadCatalogue } from '../../../src/catalogue/catalogue.ts';
import { runCommand, type CommandEnd } from '../../helpers/command.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { createDatabase } from '../../helpers/database.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { actor, keys, logOrigin } from '../../helpers/keys.ts';
import { connect, holdLock, untilBlocked } from '../../helpers/log.ts';
import { until } from '../../helpers/until.ts';
import { verifiers } from '../../helpers/published-log.ts';
import { enter, makePartitionsSmall, small } from '../../helpers/small-partitions.ts';

const database = await createDatabase(t);
await makePartitionsSmall(database);
/** In the first partition entries of a dataset that is kept for three years, in the second of one kept for ten. */
const entriesOf = (dataset: string, newest: string): { dataset: string; time: Date; subjects: string[] }[] =>
  Array.from({ length: small }, (_, i) => ({
    dataset,
    time: new Date(Date.parse(newest) - (i === 100 ? 0 : 86_400_000)),
    subjects: [Buffer.alloc(16, i).toString('base64url')],
  }));
await enter(database, entriesOf('enterprises', '2020-02-29T12:00:00.000Z'));
await enter(database, entriesOf('citizens', '2021-06-01T12:00:00.000Z'));
const test = await startGateway(t, { database });
const auditor = await test.token('audit-office', ['audit']);
const headers = { authorization: `Bearer ${auditor}`, 'exchange-official': 'auditor-7' };
const persona = { id: '999901198804120024', fields: ['name'] };
const read = await test.read('citizens', persona);
const covered = async (size: number): Promise<boolean> =>
  ((await findLastCheckpoint(test.pool))?.size ?? 0) >= size;
const indexed = async (): Promise<number> =>
  (await test.pool.query<{ indexed: number }>('select audit.indexed() as indexed')).rows[0]!.indexed;
await until(
  'all is published and indexed',
  async () => (await covered(2 * small + 1)) && (await indexed()) > 2 * small,
);
/** A checkpoint within what is archived, as a witness may have it. */
const early = (await findLastCheckpoint(test.pool))!;

const owner = await connect(t, test.adminUrl, 60_000);
// As whoever owns the tables, and is no superuser.
await owner.query('set role onevisit_owner');
const retention = createRetention(loadCatalogue());
const key = verifierKey(logOrigin, keys.log);
const home = t.testdir();
const out = join(home, 'archive');
const folders = [join(out, 'entries-0-511'), join(out, 'entries-512-1023')] as const;
const settings = { ADMIN_DATABASE_URL: test.adminUrl, ONEVISIT_HOME: home, LOG_ORIGIN: logOrigin };
const run = (...args: string[]): Promise<CommandEnd> =>
  runCommand(['audit', ...args, '--key', key], settings);
const archive = (...args: string[]): Promise<CommandEnd> => run('archive', ...args);
const partitions = async (): Promise<number[]> =>
  (
    await test.pool.query<{ low: number }>(
      'select index / 512 * 512 as low from audit.entry group by 1 order by 1',
    )
  ).rows.map(({ low }) => low);
const options = { out, before: new Date('2022-01-01'), keys: verifiers, retention, actor };
const parts = await listArchivable(owner, options.before, retention);

await t.test('is whole before', async (t) => void (await checkAuditLog(t, test)));

await t.test('takes no date but one that is long enough ago', async (t) => {
  for (const [date, says] of [
    ['2999-01-01', /--before: must be \d{4}-\d\d-\d\d or earlier: .* 6 months .*art. 21/],
    [new Date().toISOString().slice(0, 10), /--before: must be /],
    ['2021-02-30', /--before: is no date YYYY-MM-DD/],
    ['yesterday', /--before: is no date/],
  ] as const) {
    const { code, stderr } = await archive('--before', date);
    t.equal(code, 1, date);
    t.match(stderr, says);
  }
  t.notOk(existsSync(out));
});

await t.test('says what it would archive, and does nothing', async (t) => {
  const dry = await archive('--before', '2022-01-01', '--dry-run', '--json');
  t.equal(dry.code, 0, dry.stderr);
  t.strictSame(JSON.parse(dry.stdout), {
    dry_run: true,
    before: '2022-01-01',
    items: [
      {
        first: 0,
        last: 511,
        newest: '2020-02-29T12:00:00.000Z',
        keep_until: '2023-03-02',
        folder: folders[0],
      },
      {
        first: 512,
        last: 1023,
        newest: '2021-06-01T12:00:00.000Z',
        keep_until: '2031-06-02',
        folder: folders[1],
      },
    ],
  });
  const text = await archive('--before', '2021-06-01', '--dry-run');
  t.match(text.stdout, /would be archived:\n.*\n0 to 511 .*entries-0-511\n$/);
  const none = await archive('--before', '2020-02-29');
  t.match(none.stdout, /^nothing to archive: .* older than 2020-02-29\n$/);
  t.strictSame(await partitions(), [0, 512, 1024]);
});

await t.test('never takes the partition in which the log goes on', async (t) => {
  const all = await listArchivable(owner, new Date('2999-01-01'), retention);
  t.strictSame(
    all.map(({ first }) => first),
    [0, 512],
  );
});

await t.test('a folder that was altered before it was verified costs nothing', async (t) => {
  const last = (await findLastCheckpoint(owner))!;
  await writeArchive(owner, parts[0]!, { out, checkpoint: { ...last, origin: logOrigin }, retention });
  const whole = t.testdir();
  cpSync(folders[0], whole, { recursive: true });
  const files = readdirSync(whole, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(whole, name)).isFile(),
  );
  t.strictSame(files.toSorted(), [
    'SHA256SUMS',
    'archive.json',
    'checkpoint',
    'tile/0/000',
    'tile/0/001',
    'tile/entries/000',
    'tile/entries/001',
  ]);
  for (const name of files) {
    const path = join(folders[0], name);
    const bytes = readFileSync(path);
    bytes[Math.floor(bytes.length / 2)]! ^= 1;
    writeFileSync(path, bytes);
    await t.rejects(archivePartitions(owner, parts, options), { name: 'UserError' }, name);
    rmSync(folders[0], { recursive: true });
    cpSync(whole, folders[0], { recursive: true });
  }
  const manifest = readFileSync(join(whole, 'archive.json'), 'utf8');
  writeFileSync(join(folders[0], 'archive.json'), manifest.replace('"2023-', '"2021-'));
  await t.rejects(archivePartitions(owner, parts, options), {
    message: /from 2021-03-02 on, not 2023-03-02/,
  });
  cpSync(whole, folders[0], { recursive: true });
  rmSync(join(folders[0], 'tile/entries/001'));
  await t.rejects(archivePartitions(owner, parts, options), { message: /tile\/entries\/001 can't be read/ });
  cpSync(whole, folders[0], { recursive: true });
  t.strictSame(await partitions(), [0, 512, 1024]);
});

await t.test('a folder that is whole and of another part of the log is refused', async (t) => {
  const other = t.testdir({ 'entries-512-1023': {} });
  cpSync(folders[0], join(other, 'entries-512-1023'), { recursive: true });
  await t.rejects(archivePartitions(owner, parts.slice(1), { ...options, out: other }), {
    message: /has entries 0 to 511/,
  });
  t.strictSame(await partitions(), [0, 512, 1024]);
});

await t.test('a folder that changes while somebody uses the partition costs nothing', async (t) => {
  const file = join(folders[0], 'tile', 'entries', '001');
  for (const [change, says] of [
    [() => writeFileSync(file, readFileSync(file).fill('X', 20, 24)), /tile\/entries\/001 was altered/],
    [() => rmSync(folders[0], { recursive: true }), /archive\.json can't be read|was altered since/],
  ] as const) {
    rmSync(folders[0], { recursive: true, force: true });
    const reader = await holdLock(t, test, 'select count(*) from audit.entry');
    const archiving = archivePartitions(owner, parts.slice(0, 1), options);
    archiving.catch(() => undefined);
    await untilBlocked(test, 'test session');
    change();
    // The attempt that waits is given up.
    await sleep(500);
    await reader.release();
    await t.rejects(archiving, { message: says });
    t.equal((await partitions())[0], 0);
  }
  rmSync(folders[0], { recursive: true, force: true });
});

await t.test('waits while somebody reads, and holds up no exchange meanwhile', async (t) => {
  const reader = await holdLock(t, test, 'select count(*) from audit.entry');
  const archiving = archivePartitions(owner, parts.slice(0, 1), options);
  const waits: number[] = [];
  for (let i = 0; i < 20; i++) {
    const sinceMs = performance.now();
    t.equal((await test.read('citizens', persona)).statusCode, 200);
    waits.push(performance.now() - sinceMs);
  }
  await reader.release();
  const [done] = await archiving;
  t.match(done, { folder: folders[0], manifest: { first: 0, last: 511, keep_until: '2023-03-02' } });
  t.ok(Math.max(...waits) < 3000, `the longest took ${Math.max(...waits)} ms`);
  t.strictSame((await partitions())[0], 512);
});

await t.test('goes on where it was broken off, while exchanges are answered', async (t) => {
  const unfinished = `${folders[1]}.unfinished`;
  cpSync(folders[0], unfinished, { recursive: true });
  const asking = Array.from({ length: 40 }, () => test.read('citizens', persona));
  const done = await archive('--before', '2022-01-01', '--json');
  t.equal(done.code, 0, done.stderr);
  for (const answer of await Promise.all(asking)) t.equal(answer.statusCode, 200);
  const { items } = JSON.parse(done.stdout) as { items: { entry: number; digest: string }[] };
  t.match(items, [{ first: 512, last: 1023, keep_until: '2031-06-02', folder: folders[1] }]);
  t.notOk(existsSync(unfinished));
  t.ok((await partitions())[0]! >= 2 * small);

  const { rows } = await test.pool.query(
    'select first, next, name, digest from audit.archive order by first',
  );
  t.match(rows, [
    { first: 0, next: 512, name: 'entries-0-511' },
    { first: 512, next: 1024, name: 'entries-512-1023', digest: Buffer.from(items[0]!.digest, 'hex') },
  ]);
  const { rows: entries } = await test.pool.query<{ bytes: Buffer }>(
    'select bytes from audit.entry where index = $1',
    [items[0]!.entry],
  );
  t.match(JSON.parse(entries[0]!.bytes.toString()), {
    kind: 'migration',
    operation: 'archive',
    details: { first: 512, last: 1023, digest: items[0]!.digest, keep_until: '2031-06-02' },
  });
  await t.rejects(test.pool.query('delete from audit.archive'), { code: '42501' });
  const again = await archive('--before', '2022-01-01');
  t.match(again.stdout, /^nothing to archive/);
});

await t.test(
  'leaves no row of archived entries in the search tables, also after a run that was killed',
  async (t) => {
    const count = async (table: string): Promise<unknown> =>
      (await test.pool.query(`select count(*) as count from audit.${table} where index < 1024`)).rows;
    t.strictSame(await count('find'), [{ count: 0 }]);
    t.strictSame(await count('find_subject'), [{ count: 0 }]);
    await test.pool.query(`
    insert into audit.find (index, so_far) select generate_series(0, 1023), 'epoch';
    insert into audit.find_subject select decode(md5(n::text), 'hex'), n from generate_series(0, 1023) n`);
    const search = await test.app.inject({
      method: 'POST',
      url: '/v1/audit/entries/search',
      headers,
      payload: { limit: 100 },
    });
    t.equal(search.statusCode, 200, 'a search meanwhile passes over them');
    await forgetArchived(owner);
    t.strictSame(await count('find'), [{ count: 0 }]);
    t.strictSame(await count('find_subject'), [{ count: 0 }]);
  },
);

await t.test('what remains is proven as before', async (t) => {
  const index = Number(read.headers['exchange-entry']);
  const entry = await test.app.inject({ url: `/v1/audit/entries/${index}`, headers });
  t.equal(entry.statusCode, 200);
  const bytes = Buffer.from(
    (await test.pool.query<{ bytes: Buffer }>('select bytes from audit.entry where index = $1', [index]))
      .rows[0]!.bytes,
  );
  t.equal(verifyProof(entry.json<{ proof: string }>().proof, bytes, verifiers).index, index);
  const receipt = await test.app.inject({
    url: `/v1/exchanges/${String(read.headers['exchange-id'])}/receipt`,
    headers: { authorization: `Bearer ${await test.token('civil-affairs')}` },
  });
  t.equal(verifyProof(receipt.json<{ proof: string }>().proof, bytes, verifiers).index, index);

  const { size } = (await findLastCheckpoint(test.pool))!;
  await test.read('citizens', persona);
  await until('a checkpoint after the archive', () => covered(size + 1));
  const now = (await findLastCheckpoint(test.pool))!;
  const tiles = tileReader(test.pool, now.size);
  const newer = openCheckpoint(now.note, verifiers);
  t.ok(verifyConsistency(await proveConsistency(early.size, now.size, tiles), early, newer));
  for (const older of [1, 300, 511, 512, 700, 1023, 1024])
    t.ok((await proveConsistency(older, now.size, tiles)).length > 0, `a proof from ${older} on`);
});

await t.test('what is archived is told to be so', async (t) => {
  const ask = (url: string): Promise<LightMyRequestResponse> => test.app.inject({ url, headers });
  for (const url of [
    '/v1/audit/entries/3',
    '/v1/audit/entries/1023',
    '/log/tile/entries/000',
    '/v1/exchanges/5a0e1b1e-6a0f-4c56-9a43-3a1e35a9a001/receipt',
  ]) {
    const answer = await test.app.inject({ url, headers: { ...headers, 'accept-language': 'en' } });
    t.match(
      answer.json(),
      { status: 404, code: 'not-found', detail: /Entries up to 1023 were archived/ },
      url,
    );
  }
  const beyond = await ask('/v1/audit/entries/999999');
  t.equal(beyond.statusCode, 404);
  t.notMatch(beyond.body, /归档|archived/, 'and of nothing else');
  t.equal((await ask('/log/tile/0/000')).statusCode, 200, 'the hashes stay');
});

await t.test('verifies the database, and says what it did not look at', async (t) => {
  const alone = await run('verify', '--json');
  t.equal(alone.code, 0, alone.stderr);
  t.match(JSON.parse(alone.stdout), { archived: 1024 });
  t.match((await run('verify')).stdout, /\n1024 entries are archived and were not looked at: .* --archive\n/);
  const whole = await run('verify', '--archive', out, '--json');
  t.equal(whole.code, 0, whole.stderr);
  t.match(JSON.parse(whole.stdout), { archived: 0 });
  t.match((await run('verify', '--archive', home)).stderr, /has no archive/);

  const changed = t.testdir();
  cpSync(out, changed, { recursive: true });
  const manifest = join(changed, 'entries-512-1023/archive.json');
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('2031-', '2021-'));
  t.match((await run('verify', '--archive', changed)).stderr, /is not the manifest that the log has entered/);

  const altered = join(changed, 'altered');
  cpSync(out, altered, { recursive: true });
  const path = join(altered, 'entries-512-1023/tile/entries/002');
  const bytes = readFileSync(path);
  bytes[20]! ^= 1;
  writeFileSync(path, bytes);
  const { findings } = await verifyLog(databaseSource(owner, archiveFiles(altered)), { verifiers });
  t.match(findings, [{ index: 512, what: /entry 512 was altered/ }]);
});

await t.test("verifies a gateway's log, with what it no longer serves from the archives", async (t) => {
  const served = async (path: string): Promise<Uint8Array | null> => {
    if (path.startsWith('checkpoints/') || path === 'successions') return null;
    const answer = await test.app.inject({ url: `/log/${path}`, headers });
    return answer.statusCode === 404 ? null : Uint8Array.from(answer.rawPayload);
  };
  const log = tilesSource(withArchives(served, archiveFiles(out)));
  t.match(await verifyLog(log, { verifiers }), { archived: 0, findings: [] });
  const { findings } = await verifyLog(tilesSource(served), { verifiers });
  t.match(findings[0], { index: 0, what: 'entry 0 is missing' });
});

await t.test('verifies each archive alone, with nothing but the key', async (t) => {
  const alone = (folder: string): Promise<CommandEnd> =>
    runCommand(['audit', 'verify', '--export', folder, '--key', key], { ONEVISIT_HOME: home });
  for (const folder of folders) {
    const { code, stdout, stderr } = await alone(folder);
    t.equal(code, 0, stderr);
    t.match(
      stdout,
      /^entries \d+ to \d+ are as they were written, .*\nthe archive may be deleted from 20\d\d-/,
    );
  }
  const forged = t.testdir();
  cpSync(folders[0], forged, { recursive: true });
  const manifest = readFileSync(join(forged, 'archive.json'), 'utf8');
  writeFileSync(
    join(forged, 'archive.json'),
    manifest.replace('"first": 0', '"first": 512').replace('511', '1023'),
  );
  t.match((await alone(forged)).stderr, /is not as it was written/);
});

await t.test('the log is exported whole when what the archives hold is copied first', async (t) => {
  const folder = t.testdir();
  await t.rejects(
    exportLog(owner, folder, () => undefined),
    { message: /entry 0 is archived/ },
  );
  for (const name of ['tile', 'checkpoint'])
    for (const from of folders) cpSync(join(from, name), join(folder, name), { recursive: true });
  const { size } = await exportLog(owner, folder, () => undefined);
  const verdict = await verifyLog(tilesSource(folderFiles(folder)), { verifiers });
  t.match(verdict, { entries: size, archived: 0, findings: [] });
});
