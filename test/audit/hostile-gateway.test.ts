import { createHash, randomBytes } from 'node:crypto';
import t from 'tap';
import { leafHash } from '../../src/transparency/merkle.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { createDatabase } from '../helpers/database.ts';
import { withDatabase } from '../helpers/server.ts';
import { connect, countEntries, newLeaf, readVersion, startAppender } from '../helpers/log.ts';

/** What somebody can do who stole a gateway's database credentials, and no more. */
await t.test('refuses a leaf hash that is not that of its bytes', async (t) => {
  const test = await createDatabase(t);
  const gateway = await connect(t, test.gatewayUrl);
  const { bytes } = newLeaf();
  const before = await countEntries(test);
  const wrong = createHash('sha256').update('another').digest();
  await t.rejects(
    gateway.query('select audit.append($1, $2, $3)', [await readVersion(test), [bytes], [wrong]]),
    { code: '22000' },
  );
  t.equal(await countEntries(test), before);
  await checkAuditLog(t, test);
});

await t.test('goes on indexing behind entries that can not be read', async (t) => {
  const test = await createDatabase(t);
  const gateway = await connect(t, test.gatewayUrl);
  const { appender } = startAppender(t, test);
  const authority = await readVersion(test);
  const unreadable = [
    '{}',
    'not JSON',
    '[1]',
    '{"time":"no time"}',
    '{"subjects":["short"]}',
    '{"id":"no id"}',
    '{"official":5}',
    '{"official":["x"]}',
    '{"official":{"id":"\\u0000"}}',
    '{"consumer":"\\u0000"}',
    '{"consumer":"\\ud800"}',
    '{"unknown":"\\u0000"}',
    '{"consumer":{"consumer":"twice"},"consumer":"twice"}',
    `{"consumer":"\u00ff"}`,
    '['.repeat(60_000),
    `{"case":"${randomBytes(9000).toString('base64')}"}`,
    `{"official":{"id":"${randomBytes(9000).toString('base64')}"}}`,
  ];
  const first = await appender.append(newLeaf(), authority);
  for (const text of unreadable) {
    const bytes = Buffer.from(text);
    await gateway.query('select audit.append($1, $2, $3)', [authority, [bytes], [leafHash(bytes)]]);
  }
  const last = await appender.append(newLeaf({ dataset: 'citizens' }), authority);

  for (let taken = -1; taken !== 0;) {
    const { rows } = await gateway.query<{ taken: number }>('select audit.index_entries(2000) as taken');
    taken = rows[0]!.taken;
  }
  const { rows } = await test.pool.query<{ index: number; dataset: string | null; at: Date | null }>(
    'select index, dataset, at from audit.find where index >= $1 order by index',
    [first],
  );
  t.equal(rows.length, unreadable.length + 2);
  t.equal(rows.at(-1)!.index, last);
  t.equal(rows.at(-1)!.dataset, 'citizens');
  t.ok(rows.slice(1, -1).every(({ at }) => at === null));
});

await t.test('makes appends durable whatever the role says of commits and warnings', async (t) => {
  const test = await createDatabase(t);
  const superuser = await connect(t, test.adminUrl);
  await superuser.query(`alter role onevisit_gateway in database ${test.name} set synchronous_commit = off`);
  await superuser.query(
    `alter role onevisit_gateway in database ${test.name} set client_min_messages = error`,
  );
  // The settings of the session are seen from within the append itself.
  await superuser.query('create table audit.seen (name text, value text)');
  await superuser.query(`
    create function audit.see() returns trigger language plpgsql security definer as $$ begin
      insert into audit.seen values ('synchronous_commit', current_setting('synchronous_commit')),
        ('client_min_messages', current_setting('client_min_messages'));
      return null;
    end $$`);
  await superuser.query(
    'create trigger see after insert on audit.entry_0000 for each row execute function audit.see()',
  );
  const { appender } = startAppender(t, test);
  await appender.append(newLeaf(), await readVersion(test));
  const { rows } = await superuser.query('select * from audit.seen order by name');
  t.strictSame(rows, [
    { name: 'client_min_messages', value: 'warning' },
    { name: 'synchronous_commit', value: 'on' },
  ]);
  await checkAuditLog(t, test);
});

await t.test('can not be kept from appending by an auditor who takes advisory locks', async (t) => {
  const test = await createDatabase(t);
  const auditor = await connect(t, withDatabase(test.adminUrl, test.name));
  await auditor.query('set role onevisit_auditor');
  for (const lock of [1, 2, 3]) await auditor.query('select pg_advisory_lock(7103, $1)', [lock]);
  await auditor.query('begin');
  await t.rejects(auditor.query('lock table audit.authority in share row exclusive mode'), { code: '42501' });
  await auditor.query('rollback');
  const { appender } = startAppender(t, test);
  t.type(await appender.append(newLeaf(), await readVersion(test)), 'number');
  for (const lock of [1, 2, 3]) await auditor.query('select pg_advisory_unlock(7103, $1)', [lock]);
  await checkAuditLog(t, test);
});

await t.test('refuses a checkpoint beyond the end, beside the last one, or without its tiles', async (t) => {
  const test = await createDatabase(t);
  const gateway = await connect(t, test.gatewayUrl);
  const leaves = Array.from({ length: 300 - (await countEntries(test)) }, () => newLeaf());
  await gateway.query('select audit.append($1, $2, $3)', [
    await readVersion(test),
    leaves.map(({ bytes }) => bytes),
    leaves.map(({ hash }) => hash),
  ]);
  const tile = { level: 0, n: 0 };
  const { rows: first } = await test.pool.query<{ hashes: Buffer }>(
    `select string_agg(leaf_hash, ''::bytea order by index) as hashes from audit.entry where index < 256`,
  );
  const trueHashes = first[0]!.hashes;
  const publish = (
    size: number | null,
    previousSize: number | null,
    tiles: { level: number; n: number }[],
    { note = 'a note', hashes = trueHashes, successions = 0 } = {},
  ) =>
    gateway.query('select audit.publish($1, $2, $3, $4, $5, $6, $7, $8, $9)', [
      successions,
      size,
      previousSize,
      Buffer.alloc(32),
      note,
      tiles.map(({ level }) => level),
      tiles.map(({ n }) => n),
      tiles.map(() => hashes),
      tiles.map(() => Buffer.alloc(32)),
    ]);
  await t.rejects(
    publish(301, 0, [tile]),
    { code: '23514' },
    'beyond the end: no entry would be taken any more',
  );
  await t.rejects(publish(null, 0, [tile]), { code: '23514' });
  await t.rejects(publish(300, 5, [tile]), { code: '23505' });
  await t.rejects(publish(300, null, [tile]), { code: '23505' });
  await t.rejects(publish(300, 0, []), { code: '23514' });
  await t.rejects(publish(255, 0, [tile]), { code: '23514' }, 'a tile that is not full');
  for (const more of [
    { level: 0, n: 1 },
    { level: 1, n: 0 },
    { level: 0, n: 9_000_000 },
  ])
    await t.rejects(publish(300, 0, [tile, more]), { code: /^23/ });
  await t.rejects(
    publish(300, 0, [tile], { hashes: Buffer.alloc(8192) }),
    { code: 'XX001' },
    'hashes of its own',
  );
  await t.rejects(
    publish(300, 0, [tile], { note: 'x'.repeat(10_001) }),
    { code: '23514' },
    'every gateway reads it',
  );
  await t.rejects(publish(300, 0, [tile], { successions: 1 }), { code: '23505' }, 'another key signs');
  await publish(300, 0, [tile]);
  await t.rejects(publish(300, 300, []), { code: /^23/ }, 'the same size once more');
  await t.rejects(publish(290, 300, []), { code: /^23/ }, 'a step back');
  const { appender } = startAppender(t, test);
  t.equal(await appender.append(newLeaf(), await readVersion(test)), 300, 'entries are taken all the same');
});
