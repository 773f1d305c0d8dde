import fc from 'fast-check';
import t from 'tap';
import { openCheckpoint } from '../../src/transparency/checkpoint.ts';
import { databaseSource } from '../../src/audit/database-source.ts';
import { verifierKey } from '../../src/transparency/node/sign.ts';
import { verifyLog, type LogVerdict } from '../../src/transparency/verify-log.ts';
import { keys, logOrigin } from '../helpers/keys.ts';
import { runCommand } from '../helpers/command.ts';
import { connect, newLeaf } from '../helpers/log.ts';
import { createPublishedLog, verifiers } from '../helpers/published-log.ts';

const size = 700;
const tampering = 1000;
/** A live log. */
const { test, file } = await createPublishedLog(t, [254, 256, 300, 520, 690, size]);
const outside = [openCheckpoint(file.read()!, verifiers)];

const superuser = await connect(t, test.adminUrl);
for (const table of ['entry_0000', 'tile', 'checkpoint'])
  await superuser.query(`alter table audit.${table} disable trigger all`);

/** What the verifier says once the superuser has done this; it is undone afterwards. */
async function verdictAfter(statements: string[], kept = false): Promise<LogVerdict & { changed: number }> {
  await superuser.query('begin');
  try {
    let changed = 0;
    for (const statement of statements) changed += (await superuser.query(statement)).rowCount ?? 0;
    const verdict = await verifyLog(databaseSource(superuser), { verifiers, outside: kept ? outside : [] });
    return { ...verdict, changed };
  } finally {
    await superuser.query('rollback');
  }
}

const flip = (column: string, at: number, bit: number): string =>
  `${column} = set_bit(${column}, (${at} * 8 + ${bit}) % (octet_length(${column}) * 8), 1 - get_bit(${column}, (${at} * 8 + ${bit}) % (octet_length(${column}) * 8)))`;

/** The entry that a tampering hits, and the statements that do it. */
interface Tampering {
  what: string;
  statements: string[];
  /** Where a finding must stand; where the last tile is not full, at the checkpoint before it at the latest. */
  index: number;
  exact: boolean;
  kept: boolean;
}

const index = fc.nat(size - 1);
const fullTiles = 512;
const at = fc.nat(600);
const bit = fc.nat(7);
const tamperings: fc.Arbitrary<Tampering> = fc.oneof(
  fc.record({ index, at, bit }).map((one) => ({
    what: 'a bit of the bytes',
    statements: [`update audit.entry_0000 set ${flip('bytes', one.at, one.bit)} where index = ${one.index}`],
    index: one.index,
    exact: true,
    kept: false,
  })),
  fc.record({ index, at, bit }).map((one) => ({
    what: 'a bit of the leaf hash',
    statements: [
      `update audit.entry_0000 set ${flip('leaf_hash', one.at, one.bit)} where index = ${one.index}`,
    ],
    index: one.index,
    exact: true,
    kept: false,
  })),
  fc.record({ index, at, bit }).map((one) => ({
    what: 'bytes together with their leaf hash',
    statements: [
      `update audit.entry_0000 set ${flip('bytes', one.at, one.bit)} where index = ${one.index}`,
      `update audit.entry_0000 set leaf_hash = sha256('\\x00'::bytea || bytes) where index = ${one.index}`,
    ],
    index: one.index,
    exact: one.index < fullTiles,
    kept: false,
  })),
  index.map((one) => ({
    what: 'a deleted row',
    statements: [`delete from audit.entry_0000 where index = ${one}`],
    index: one,
    exact: true,
    kept: false,
  })),
  fc
    .tuple(index, index)
    .filter(([a, b]) => a !== b)
    .map(([a, b]) => ({
      what: 'two rows exchanged',
      statements: [
        `update audit.entry_0000 x set (bytes, leaf_hash) = (select bytes, leaf_hash from audit.entry_0000 y
          where y.index = ${a + b} - x.index) where x.index in (${a}, ${b})`,
      ],
      index: Math.min(a, b),
      exact: Math.min(a, b) < fullTiles,
      kept: false,
    })),
  fc.integer({ min: 1, max: size - 1 }).map((from) => ({
    what: 'a tail rolled back',
    statements: [`delete from audit.entry_0000 where index >= ${from}`],
    index: from,
    exact: true,
    kept: false,
  })),
  fc.integer({ min: 0, max: size - 1 }).map((from) => ({
    what: 'a tail rolled back with its tiles and checkpoints',
    statements: [
      `delete from audit.entry_0000 where index >= ${from}`,
      `delete from audit.tile where (n + 1) * 256 > ${from}`,
      `delete from audit.checkpoint where size > ${from}`,
    ],
    index: from,
    exact: true,
    kept: true,
  })),
  fc.record({ n: fc.nat(1), at: fc.nat(8191), bit }).map((one) => ({
    what: 'a bit of a tile',
    statements: [`update audit.tile set ${flip('hashes', one.at, one.bit)} where level = 0 and n = ${one.n}`],
    index: one.n * 256 + Math.floor(one.at / 32),
    exact: true,
    kept: false,
  })),
  fc.record({ n: fc.nat(1), at, bit }).map((one) => ({
    what: "a bit of a tile's root",
    statements: [`update audit.tile set ${flip('root', one.at, one.bit)} where level = 0 and n = ${one.n}`],
    index: one.n * 256,
    exact: true,
    kept: false,
  })),
  fc.nat(1).map((n) => ({
    what: 'a deleted tile',
    statements: [`delete from audit.tile where level = 0 and n = ${n}`],
    index: n * 256,
    exact: true,
    kept: false,
  })),
  fc.record({ size: fc.constantFrom(254, 256, 300, 520, 690, 700), at, bit }).map((one) => ({
    what: "a bit of a checkpoint's root",
    statements: [`update audit.checkpoint set ${flip('root', one.at, one.bit)} where size = ${one.size}`],
    index: one.size,
    exact: true,
    kept: false,
  })),
  fc.record({ size: fc.constantFrom(254, 256, 300, 520, 690, 700), at: fc.nat(150) }).map((one) => ({
    what: "a letter of a checkpoint's note",
    statements: [
      `update audit.checkpoint set note = overlay(note placing (case substr(note, 1 + ${one.at} % length(note), 1)
        when 'x' then 'y' else 'x' end) from 1 + ${one.at} % length(note) for 1) where size = ${one.size}`,
    ],
    index: one.size,
    exact: true,
    kept: false,
  })),
  fc.constantFrom(254, 256, 300, 520, 690).map((one) => ({
    what: 'a deleted checkpoint',
    statements: [`delete from audit.checkpoint where size = ${one}`],
    index: one,
    exact: false,
    kept: false,
  })),
);

await t.test('finds nothing in a log that is as it was written', async (t) => {
  const verdict = await verdictAfter([], true);
  t.match(verdict, { entries: size, uncovered: 0, findings: [], more: false });
  t.equal(verdict.checkpoints, (await test.pool.query('select from audit.checkpoint')).rowCount);
});

await t.test(`finds ${tampering} random tamperings of a superuser, and names the entry`, async (t) => {
  const found = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(tamperings, async ({ what, statements, index: hit, exact, kept }) => {
      const { findings, changed } = await verdictAfter(statements, kept);
      if (changed === 0) throw new Error(`${what}: nothing was changed`);
      found.set(what, (found.get(what) ?? 0) + 1);
      return findings.some((one) => one.index !== null && (exact ? one.index === hit : one.index <= hit));
    }),
    { numRuns: tampering },
  );
  for (const [what, times] of found) t.ok(times > 20, `${what}: ${times} times`);
  t.equal(found.size, 13);
});

await t.test('is content with entries that no checkpoint covers yet, and counts them', async (t) => {
  const { bytes, hash } = newLeaf();
  const insert = `insert into audit.entry_0000 values (${size}, '\\x${bytes.toString('hex')}', '\\x${hash.toString('hex')}')`;
  t.match(await verdictAfter([insert], true), { entries: size + 1, uncovered: 1, findings: [] });
});

await t.test('holds a checkpoint kept outside against what there was when it began', async (t) => {
  const whole = databaseSource(superuser);
  let asked = 0;
  const growing = { ...whole, size: async () => (asked++ === 0 ? 690 : size) };
  const { findings } = await verifyLog(growing, { verifiers, outside });
  t.match(findings, [{ index: 690, what: /the end was removed: there are 690 entries, .* is of 700/ }]);
});

await t.test('finds it when a source has less than it says', async (t) => {
  const whole = databaseSource(superuser);
  const lying = {
    ...whole,
    // Nothing under the checkpoints of a whole log.
    async *tiles(): AsyncGenerator<never> {},
  };
  const { findings } = await verifyLog(lying, { verifiers, outside });
  t.match(findings[0], { index: 0, what: 'there are 0 entries, and 700 were told of' });
  t.ok(findings.length > 5, 'and each checkpoint that was not met');
});

await t.test('tells no more than a hundred findings, and that there are more', async (t) => {
  const verdict = await verdictAfter([`update audit.entry_0000 set bytes = set_byte(bytes, 2, 88)`]);
  t.equal(verdict.findings.length, 100);
  t.equal(verdict.more, true);
});

await t.test('works from the command line, whole and altered', async (t) => {
  const key = verifierKey(logOrigin, keys.log);
  const home = t.testdir({ kept: file.read()! });
  const settings = { DATABASE_URL: test.gatewayUrl, ONEVISIT_HOME: home, LOG_ORIGIN: logOrigin };
  const args = ['audit', 'verify', '--key', key, '--checkpoint', `${home}/kept`];
  const good = await runCommand(args, settings);
  t.equal(good.code, 0, good.stderr);
  t.match(
    good.stdout,
    /^700 entries and \d+ checkpoints are as they were written\nthe log continues the 1 checkpoints kept outside\n$/,
  );
  const json = await runCommand([...args, '--json'], settings);
  t.match(JSON.parse(json.stdout), { entries: 700, uncovered: 0, outside: 1 });

  await superuser.query('update audit.entry_0000 set bytes = set_byte(bytes, 2, 88) where index = 333');
  const bad = await runCommand(args, settings);
  t.equal(bad.code, 1);
  t.equal(bad.stdout, '');
  t.match(bad.stderr, /the audit log is not as it was written:\n {2}entry 333 was altered/);
  const wrong = await runCommand([...args, '--body', 'x'], settings);
  t.equal(wrong.code, 1);
  t.match(wrong.stderr, /--body: goes with --receipt/);
  const missing = await runCommand(
    ['audit', 'verify', '--key', key, '--checkpoint', `${home}/none`],
    settings,
  );
  t.match(missing.stderr, /--checkpoint: cannot read .*none \(ENOENT\)/);
});
