import t, { type Test } from 'tap';
import { openAppender } from '../../src/audit/append.ts';
import { openCheckpoint, type Checkpoint } from '../../src/transparency/checkpoint.ts';
import { startCosignStage } from '../../src/audit/publishing/cosign-stage.ts';
import { databaseSource } from '../../src/audit/database-source.ts';
import type { Leaf } from '../../src/audit/entry.ts';
import { checkpointFile, type CheckpointFile } from '../../src/audit/publishing/checkpoint-file.ts';
import { openLogKeys } from '../../src/audit/log-keys.ts';
import { emptyRoot } from '../../src/transparency/merkle.ts';
import { signCheckpoint } from '../../src/transparency/node/sign.ts';
import { startPublishStage } from '../../src/audit/publishing/publish-stage.ts';
import { verifyLog } from '../../src/transparency/verify-log.ts';
import { connectionConfig } from '../../src/db/connection.ts';
import { openDatabase } from '../../src/db/database.ts';
import type { WitnessState } from '../../src/witness/state.ts';
import { startCuttingProxy, type CutWhen } from '../helpers/cutting-proxy.ts';
import { newFolder } from '../helpers/folder.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { keys, logOrigin } from '../helpers/keys.ts';
import { serveWitness } from '../helpers/served.ts';
import { connect, countEntries, newLeaf, readVersion } from '../helpers/log.ts';
import { until } from '../helpers/until.ts';
import { verifiers } from '../helpers/published-log.ts';

/** Where something becomes durable, or is about to. */
const points = [
  'sequence: append',
  'integrate: statement',
  'publish: commit',
  'publish: file',
  'witness: request',
  'witness: state',
] as const;
type Point = (typeof points)[number];

/** What is sent at the points where a connection is lost. */
const sent: Partial<Record<Point, RegExp>> = {
  'sequence: append': /audit-append/,
  'integrate: statement': /select audit\.publish/,
  'publish: commit': /^Q....commit\0/s,
  'witness: request': /^POST \/add-checkpoint/,
};
/** Before the tile's edge; what is appended crosses it. */
const size = 254;
const added = 3;

interface Row {
  point: Point;
  when: CutWhen;
  retry: 'same' | 'different';
}

interface Running {
  test: TestDatabase;
  /** What is checked at the end: the last checkpoint as the file has it, and as the witness has it. */
  outside: () => Promise<Checkpoint[]>;
  append: (leaves: readonly Leaf[]) => Promise<PromiseSettledResult<number | null>[]>;
  /** Arms the fault; resolves when it has struck. */
  strike: (point: Point, when: CutWhen) => Promise<void>;
  faults: string[];
  close: () => Promise<void>;
}

/** Appender, both stages and a witness, each with something between it and what it writes to. */
async function start(t: Test): Promise<Running> {
  const test = await createDatabase(t);
  const [appendProxy, publishProxy] = [
    await startCuttingProxy(t, test.gatewayUrl),
    await startCuttingProxy(t, test.gatewayUrl),
  ];
  /** Fails the next write of what is armed, before it is done or after it. */
  let armed: { point: Point; when: CutWhen; done: () => void } | null = null;
  async function striking<T>(point: Point, write: () => Promise<T>): Promise<T> {
    if (armed?.point !== point) return write();
    const { when, done } = armed;
    armed = null;
    if (when === 'after') await write();
    done();
    throw new Error(`${point} failed`);
  }
  const witness = await serveWitness(t, {
    wrap: (state: WitnessState) => ({
      read: (origin) => state.read(origin),
      settle: () => state.settle(),
      replace: (...given) => striking('witness: state', () => state.replace(...given)),
    }),
  });
  const witnessProxy = await startCuttingProxy(t, witness.url);
  const home = newFolder(t);
  const file = checkpointFile(home, verifiers[0]!);
  const faultyFile: CheckpointFile = {
    ...file,
    write: (note) => striking('publish: file', () => file.write(note)),
  };

  const appender = openAppender(connectionConfig(appendProxy.url, 'test append'), () => undefined);
  const { pool, close } = openDatabase(publishProxy.url, 'test publish', { maxConnections: 1 });
  const cosigning = openDatabase(test.gatewayUrl, 'test cosign', { maxConnections: 1 });
  const faults: string[] = [];
  const cosignStage = startCosignStage({
    db: cosigning.pool,
    witnesses: [{ verifier: witness.verifier, url: witnessProxy.url }],
    keys: openLogKeys(verifiers[0]!),
    emptyNote: signCheckpoint({ origin: logOrigin, size: 0, root: emptyRoot }, keys.log),
    onObjection: (objection) => faults.push(objection),
    onFailure: () => undefined,
  });
  const publishStage = startPublishStage({
    pool,
    key: keys.log,
    keys: openLogKeys(verifiers[0]!),
    fileOf: () => faultyFile,
    after: cosignStage.asked,
    objection: cosignStage.objection,
    onFault: (fault) => faults.push(fault),
    onFailure: () => undefined,
  });
  const proxies = {
    sequence: appendProxy,
    integrate: publishProxy,
    publish: publishProxy,
    witness: witnessProxy,
  };
  return {
    test,
    async outside() {
      const notes = [file.read(), (await witness.state.read(logOrigin))?.note ?? null];
      return notes.filter((note) => note !== null).map((note) => openCheckpoint(note, verifiers));
    },
    append: async (leaves) => {
      const authority = await readVersion(test);
      return Promise.allSettled(leaves.map((leaf) => appender.append(leaf, authority)));
    },
    strike(point, when) {
      const pattern = sent[point];
      const proxy = proxies[point.split(':')[0] as keyof typeof proxies];
      return pattern === undefined
        ? new Promise((done) => (armed = { point, when, done }))
        : proxy.cutAt(pattern, when);
    },
    faults,
    async close() {
      await cosignStage.stop();
      await publishStage.stop();
      await appender.close();
      await cosigning.close();
      await close();
    },
  };
}

const newLeaves = (count: number): Leaf[] => Array.from({ length: count }, () => newLeaf());

/** Everything that there is was published, kept outside and cosigned. */
const untilSettled = ({ test, outside }: Running): Promise<void> =>
  until(
    'all is published, kept and cosigned',
    async () => {
      const entries = await countEntries(test);
      const seen = await outside();
      return seen.length === 2 && seen.every((checkpoint) => checkpoint.size === entries);
    },
    40_000,
  );

/** Lets one fault strike, and the log resume. @returns how many entries there are then, and what is wrong with them */
async function play(t: Test, { point, when, retry }: Row): Promise<{ entries: number; wrong: string[] }> {
  const running = await start(t);
  const { test, append, strike, faults } = running;
  const answered = new Map<number, Leaf>();
  const keep = (leaves: readonly Leaf[], results: PromiseSettledResult<number | null>[]): void => {
    for (const [i, result] of results.entries())
      if (result.status === 'fulfilled') answered.set(result.value!, leaves[i]!);
  };
  const before = newLeaves(size - (await countEntries(test)));
  keep(before, await append(before));
  await untilSettled(running);

  const struck = strike(point, when);
  const during = newLeaves(added);
  const results = await append(during);
  keep(during, results);
  await struck;
  const more = retry === 'same' ? during : newLeaves(added);
  // Stages retry by themselves; what fails at the sequence is asked for again.
  if (point === 'sequence: append' || retry === 'different') keep(more, await append(more));
  await untilSettled(running);

  const wrong = [...faults];
  if (point === 'sequence: append' && results.some(({ status }) => status === 'fulfilled'))
    wrong.push('an append whose connection was lost was answered');
  const client = await connect(t, test.gatewayUrl);
  const verdict = await verifyLog(databaseSource(client), { verifiers, outside: await running.outside() });
  wrong.push(...verdict.findings.map(({ what }) => what));
  const { rows } = await client.query<{ index: number; bytes: Buffer }>(
    'select index, bytes from audit.entry',
  );
  const stored = new Map(rows.map(({ index, bytes }) => [index, bytes]));
  for (const [index, { bytes }] of answered)
    if (stored.get(index)?.equals(bytes) !== true)
      wrong.push(`entry ${index} is not the one that was answered`);
  await running.close();
  await checkAuditLog(t, test, { origin: logOrigin, key: keys.log });
  return { entries: verdict.entries, wrong };
}

await t.test('whatever fails at a commit point, the log resumes whole', async (t) => {
  const rows = points.flatMap((point) =>
    (['before', 'after'] as const).flatMap((when) =>
      (['same', 'different'] as const).map((retry): Row => ({ point, when, retry })),
    ),
  );
  const done: string[] = [];
  const waiting = rows.entries();
  async function playAll(): Promise<void> {
    for (const [i, row] of waiting) {
      const { entries, wrong } = await play(t, row);
      const outcome = row.when === 'before' ? 'failed' : 'failed though persisted';
      const told = wrong.length === 0 ? 'whole' : wrong.join('; ');
      done[i] = [
        row.point.padEnd(20),
        outcome.padEnd(24),
        `${row.retry} retry`.padEnd(16),
        `${size} → ${entries} entries, ${told}`,
      ].join('');
      t.same(wrong, [], done[i]);
      // Of the appended, those that failed are there when they were persisted all the same.
      const failed = row.point === 'sequence: append' ? (row.when === 'after' ? added : 0) : added;
      const retried = row.point === 'sequence: append' || row.retry === 'different' ? added : 0;
      t.equal(entries, size + failed + retried);
    }
  }
  await Promise.all([1, 2, 3, 4, 5, 6, 7].map(playAll));
  t.equal(done.length, 24);
  for (const line of done) t.comment(line);
});
