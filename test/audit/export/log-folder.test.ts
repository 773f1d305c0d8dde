import { copyFileSync, cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { exportLog } from '../../../src/audit/export/log-folder.ts';
import { folderFiles } from '../../../src/transparency/node/log-files.ts';
import { signCheckpoint, verifierKey } from '../../../src/transparency/node/sign.ts';
import { LogFormatError, tilesSource } from '../../../src/transparency/tiles-source.ts';
import { verifyLog, type LogVerdict } from '../../../src/transparency/verify-log.ts';
import { runCommand } from '../../helpers/command.ts';
import { keys, logOrigin } from '../../helpers/keys.ts';
import { connect } from '../../helpers/log.ts';
import { createPublishedLog, verifiers } from '../../helpers/published-log.ts';

const size = 600;
const { test, grow } = await createPublishedLog(t, [254, 256, 300, 520, size]);
const folder = t.testdir();
const client = await connect(t, test.gatewayUrl);
const done: number[] = [];
await exportLog(client, folder, (at) => done.push(at));
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => statSync(join(folder, name)).isFile())
  .toSorted();

const verify = (from: string): Promise<LogVerdict> =>
  verifyLog(tilesSource(folderFiles(from)), { verifiers });

await t.test('lays the log out as C2SP tlog-tiles does, and tells how far it is', async (t) => {
  t.strictSame(files, [
    'checkpoint',
    'checkpoints/000',
    'tile/0/000',
    'tile/0/001',
    'tile/0/002.p/88',
    'tile/1/000.p/2',
    'tile/entries/000',
    'tile/entries/001',
    'tile/entries/002.p/88',
  ]);
  t.strictSame(done, [256, 512, 600]);
  t.match(await verify(folder), { entries: size, uncovered: 0, findings: [], more: false });
});

await t.test('a byte that was changed anywhere is found, and a file that is missing', async (t) => {
  const altered = t.testdir();
  const [verdicts, told] = [new Set<string>(), new Set<string>()];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...files),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      fc.constantFrom('change', 'cut', 'remove'),
      async (name, place, by, how) => {
        cpSync(folder, altered, { recursive: true });
        const path = join(altered, name);
        const bytes = readFileSync(path);
        if (how === 'remove') rmSync(path);
        else if (how === 'cut') writeFileSync(path, bytes.subarray(0, place % bytes.length));
        else {
          bytes[place % bytes.length]! ^= by;
          writeFileSync(path, bytes);
        }
        const verdict = await verify(altered).catch((error: unknown) => {
          if (!(error instanceof LogFormatError) && (error as Error).name !== 'NoteError') throw error;
          return String(error);
        });
        copyFileSync(join(folder, name), path);
        verdicts.add(how);
        told.add(typeof verdict === 'string' ? 'refused' : 'found');
        // Kept checkpoints, and partial tiles, may be absent.
        const optional = name.startsWith('checkpoints/') || /^tile\/\d.*\.p/.test(name);
        if (optional && how !== 'change') return true;
        return typeof verdict === 'string' || verdict.findings.length > 0;
      },
    ),
    { numRuns: 300 },
  );
  t.strictSame([verdicts.size, told.size], [3, 2]);
});

await t.test('an export goes on where it ends, and has what came since', async (t) => {
  const continued = t.testdir();
  cpSync(folder, continued, { recursive: true });
  writeFileSync(join(continued, 'checkpoints', '001'), 'of a longer list\n');
  await grow(900);
  const steps: number[] = [];
  t.strictSame(await exportLog(client, continued, (at) => steps.push(at)), {
    size: 900,
    origin: logOrigin,
  });
  t.strictSame(steps, [768, 900], 'full tiles that are there are not read again');
  t.match(await verify(continued), { entries: 900, findings: [] });
});

await t.test('refuses a folder with another log, or with more than the log has', async (t) => {
  const root = Buffer.alloc(32);
  const other = t.testdir({ checkpoint: signCheckpoint({ origin: 'other/log', size: 1, root }, keys.log) });
  await t.rejects(
    exportLog(client, other, () => undefined),
    { message: /another log, other\/log/ },
  );
  const longer = t.testdir({ checkpoint: signCheckpoint({ origin: logOrigin, size: 9999, root }, keys.log) });
  await t.rejects(
    exportLog(client, longer, () => undefined),
    { message: /lost its end/ },
  );
});

await t.test(
  'from the command line: exported, verified with the key alone, and what is said of faults',
  async (t) => {
    const home = t.testdir();
    const settings = { DATABASE_URL: test.gatewayUrl, ONEVISIT_HOME: home };
    const out = join(home, 'export');
    const written = await runCommand(['audit', 'export', '--out', out], settings);
    t.equal(written.code, 0, written.stderr);
    t.equal(written.stdout, `900 entries of ${logOrigin} are in ${out}\n`);

    const verifyOffline = (...args: string[]) =>
      runCommand(['audit', 'verify', '--export', out, ...args], { ONEVISIT_HOME: home });
    const key = verifierKey(logOrigin, keys.log);
    t.match(
      (await verifyOffline('--key', key)).stdout,
      /^900 entries and \d+ checkpoints are as they were written\n$/,
    );
    const entries = join(out, 'tile/entries/001');
    const bytes = readFileSync(entries);
    bytes[10]! ^= 1;
    writeFileSync(entries, bytes);
    const bad = await verifyOffline('--key', key);
    t.equal(bad.code, 1);
    t.match(bad.stderr, /entry 256 was altered, inserted or moved, or its tile was/);
    t.match(
      (await verifyOffline('--key', verifierKey('x', keys.log))).stderr,
      /can't be read: nobody who is known/,
    );
    rmSync(join(out, 'checkpoint'));
    t.match(
      (await verifyOffline('--key', key)).stderr,
      /the audit log can't be read: there is no checkpoint/,
    );
    t.match((await verifyOffline()).stderr, /LOG_KEY_FILE/);
  },
);
