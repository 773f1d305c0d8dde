import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Competitor } from './competitors.ts';
import { compete } from './turns.ts';
import { openRig } from '../helpers/rig.ts';

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

function bench(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [join(import.meta.dirname, 'bench.ts'), ...args],
      (_error, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

await t.test('measures the gateway beside its peers, and writes down what it found', async (t) => {
  const out = t.testdir();
  const short = ['--rounds=1', '--seconds=2', '--warm=1', '--citizens=300'];
  const { code, stdout, stderr } = await bench(
    ...short,
    '--only=hello,hand-written,gateway,queries,exports',
    '--log=3000',
    '--exported=2000',
    `--out=${out}`,
  );
  t.equal(code, 0, stderr);
  t.match(stdout, /audited reads\/s against the hand-written service.*\d \|/);
  t.match(stdout, /against the bare Fastify hello.*\d \|/);
  t.match(stdout, /records\/s in batches of 1,000 ids.*\d \|/);
  t.match(stdout, /against Platformatic.*not measured/);
  t.match(stdout, /search of the log, 3,000 entries against 1,000.*\d \|/);
  t.match(stdout, /\| subject and time +\| +\d/);
  t.match(stdout, /peak of resident memory, export of 2,000 entries, MB.*\d \|/);
  t.match(stdout, /\| csv +\| +2,000 \| +\d/);
  const [file] = readdirSync(out);
  t.match(file, /^\d{4}-\d{2}-\d{2}\.json$/);
  const results = JSON.parse(readFileSync(join(out, file!), 'utf8')) as {
    commit: string;
    settings: string;
    measurements: { competitor: string; mode: string; answers: number; failures: number }[];
    extremes: { competitor: string; answers: number; failures: number }[];
    exports: { format: string; entries: number; restMb: number; peakMb: number }[];
    queries: { query: string; entries: number; round: number; ms: number }[];
  };
  t.same(
    results.exports.map(({ format }) => format),
    ['ndjson', 'csv'],
  );
  t.ok(results.exports.every(({ restMb, peakMb }) => restMb > 50 && peakMb >= restMb));
  t.equal(results.queries.length, 17 * 2 * 2, 'each in both logs, for the first time and once more');
  t.ok(results.queries.every(({ ms }) => ms > 0));
  t.match(results.commit, /^[0-9a-f]{40}$/);
  t.match(results.settings, /^fsync=on, synchronous_commit=on, full_page_writes=on/);
  t.equal(results.measurements.length, 9, 'each at 64 and 256 connections, and at half its peak');
  t.same(results.extremes.map(({ competitor }) => competitor).sort(), [
    'bare-batch',
    'batch',
    'many-batches',
    'overload',
    'unloaded',
  ]);
  const failed = [...results.extremes, ...results.measurements].filter(
    ({ answers, failures }) => answers === 0 || failures > 0,
  );
  t.strictSame(failed, []);
});

for (const [what, args] of Object.entries({
  'a number that is none': ['--rounds', 'many'],
  'a competitor that there is not': ['--only', 'gateway,fastest'],
  'an option that there is not': ['--fast'],
}))
  await t.test(`refuses ${what} before anything is started`, async (t) => {
    const { code, stderr } = await bench(...args);
    t.equal(code, 2);
    t.match(stderr, args.at(-1)!.replace('gateway,', ''));
    t.match(stderr, /npm run bench -- \[options\]/);
  });

await t.test('ends with the first failure of a competitor, and stops what it started', async (t) => {
  const rig = await openRig();
  t.teardown(() => rig.close());
  const stopped: string[] = [];
  const competitor = (name: string, failures: number): Competitor => ({
    name,
    title: name,
    connections: [64],
    start: () =>
      Promise.resolve({
        pid: null,
        measure: () =>
          Promise.resolve({
            answers: 10,
            answersPerSecond: 10,
            statuses: { 200: 10 },
            failures,
            firstFailure: failures === 0 ? null : 'HTTP/1.1 503 Service Unavailable',
            latencyMs: { p50: 1, p90: 1, p99: 1, p999: 1, max: 1 },
            cpuMicros: 1,
          }),
        stop: () => Promise.resolve(void stopped.push(name)),
      }),
  });
  const options = {
    idsFile: '',
    pace: { rounds: 1, measureMs: 100, warmMs: 100 },
    say: () => undefined,
    interrupted: new AbortController().signal,
  };
  const [good, bad] = [competitor('good', 0), competitor('bad', 3)];
  t.equal((await compete(rig, [good], options)).length, 1);
  await t.rejects(compete(rig, [good, bad], options), {
    message: 'bad: 3 requests failed; the first: HTTP/1.1 503 Service Unavailable',
  });
  t.strictSame(stopped, ['good', 'good', 'bad']);
});
