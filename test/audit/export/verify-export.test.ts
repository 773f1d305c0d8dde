import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { canonicalJson } from '../../../src/base/canonical-json.ts';
import { manifestText, type Manifest } from '../../../src/audit/export/manifest.ts';
import { leafHash } from '../../../src/transparency/merkle.ts';
import { signCheckpoint, signNote, verifierKey, verifierOf } from '../../../src/transparency/node/sign.ts';
import { verifyExport, type ExportVerdict } from '../../../src/audit/export/verify-export.ts';
import { runCommand } from '../../helpers/command.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { keys, logOrigin } from '../../helpers/keys.ts';
import { askExport, indicesOf, linesOf, type ExportLine } from '../../helpers/exporting.ts';
import { fillTo } from '../../helpers/log.ts';
import { verifiers } from '../../helpers/published-log.ts';

const test = await startGateway(t);
const audit = await test.token('audit-office', ['audit']);
await fillTo(test, 450);
await test.read('citizens', { id: '999901198804120024', fields: ['name'] });
await fillTo(test, 520);
const whole = linesOf((await askExport(test, audit, { format: 'ndjson' })).body);
const filtered = linesOf(
  (await askExport(test, audit, { format: 'ndjson', consumer: 'civil-affairs' })).body,
);
const stranger = generateKeyPairSync('ed25519').privateKey;
const folder = t.testdir();

type Lines = readonly ExportLine[];

async function* each(lines: Lines): AsyncGenerator<string> {
  for (const line of lines) yield JSON.stringify(line);
}

function check(lines: Lines): Promise<ExportVerdict> {
  return verifyExport(each(lines), { verifiers });
}

/** Where the entry stands among the lines. */
const at = (lines: Lines, index: number): number => lines.findIndex((line) => line.index === index);
const without = (lines: Lines, index: number): Lines => lines.toSpliced(at(lines, index), 1);
const changed = (lines: Lines, index: number, more: ExportLine): Lines =>
  lines.with(at(lines, index), { ...lines[at(lines, index)]!, ...more });

await t.test('an export that is as the log has it has nothing to find', async (t) => {
  t.same((await check(whole)).findings, []);
  t.same((await check(filtered)).findings, []);
  t.equal(indicesOf(filtered).length, 1);
});

const index = 300;
const { entry } = whole[at(whole, index)]!;
const forged = { ...entry!, outcome: 'released' };
const forgedHash = Buffer.from(leafHash(Buffer.from(canonicalJson(forged)))).toString('base64');
const [asked] = indicesOf(filtered) as [number];
const lastManifest = whole.at(-1)!;

for (const [what, lines, found] of [
  [
    'an altered entry',
    changed(whole, index, { entry: forged }),
    /^entry 300 was altered: its bytes do not have the leaf hash/,
  ],
  [
    'an altered entry whose leaf hash was made to fit',
    changed(whole, index, { entry: forged, leaf_hash: forgedHash }),
    /does not hold this entry at index 300$/,
  ],
  ['an altered index', changed(filtered, asked, { index: asked - 1 }), new RegExp(`at index ${asked - 1}$`)],
  ['a line that was taken out', without(whole, index), /^entry 300 is missing$/],
  [
    'lines that were taken out',
    without(without(whole, index), index + 1),
    /^the entries from 300 to 301 are missing$/,
  ],
  [
    'a line that was taken out where a filter leaves gaps',
    without(filtered, asked),
    /^of 1 entries 0 are here: a line between 0 and \d+ was removed/,
  ],
  [
    'lines in another order',
    whole.with(at(whole, index), whole[at(whole, 299)]!).with(at(whole, 299), whole[at(whole, index)]!),
    /^entry 300 stands after entry 299, or twice/,
  ],
  [
    'a line that stands twice',
    whole.toSpliced(at(whole, index), 0, whole[at(whole, index)]!),
    /^entry 300 stands after entry 300, or twice/,
  ],
  ['an end that is missing', whole.slice(0, at(whole, index)), /^no manifest follows entry 301/],
  [
    'an end that is missing after a page',
    whole.slice(0, whole.findIndex(({ manifest }) => manifest !== undefined) + 1),
    /^the export ends at entry \d+, and is to be continued/,
  ],
  [
    'a manifest that says it is the last',
    [
      ...whole.slice(
        0,
        whole.findIndex(({ manifest }) => manifest !== undefined),
      ),
      { ...whole.find(({ manifest }) => manifest !== undefined)!, next: null },
    ],
    /was altered/,
  ],
  [
    'a manifest that was made to fit',
    [...filtered.slice(0, 1), fitManifest(filtered.at(-1)!)],
    /the manifest of the entries .* does not hold: what is signed is another manifest/,
  ],
  [
    'a manifest that another key has signed',
    whole.with(whole.length - 1, signManifest(lastManifest)),
    /does not hold: nobody who is known has signed/,
  ],
  [
    'the filter of another export',
    filtered.with(0, { export: { ...filtered[0]!.export!, filter: {} } }),
    /of another filter or range than the export/,
  ],
] as const)
  await t.test(`finds ${what}, and names where`, async (t) => {
    const { findings } = await check(lines);
    t.ok(
      findings.some((finding) => found.test(finding.what)),
      findings.map((finding) => finding.what).join('\n'),
    );
    t.ok(findings.every((finding) => finding.index !== null));
  });

/** As somebody would who takes a line out, and counts anew. */
function fitManifest(line: ExportLine): ExportLine {
  return { ...line, manifest: { ...line.manifest!, count: 0, digest: Buffer.alloc(32).toString('base64') } };
}

function signManifest(line: ExportLine): ExportLine {
  const { note: _note, ...manifest } = line.manifest!;
  const note = signNote(manifestText(manifest as unknown as Manifest), logOrigin, stranger);
  return { ...line, manifest: { ...manifest, note } };
}

const written = whole.map((line) => JSON.stringify(line));
const entryAt = at(whole, index);
const manifestAt = written.length - 1;
for (const [what, line, added] of [
  ['an entry beside a manifest', manifestAt, '{"entry":{"consumer":"forged"},'],
  ['an entry beside a header', 0, '{"entry":{"consumer":"forged"},'],
  ['a member beside an entry', entryAt, '{"verdict":"unlawful",'],
  ['an entry before the entry', entryAt, '{"entry":{"consumer":"forged"},'],
  ['a space', entryAt, '{ '],
] as const)
  await t.test(`finds ${what}`, async (t) => {
    const text = written.with(line, written[line]!.replace('{', added)).join('\n');
    writeFileSync(join(folder, 'added.ndjson'), text);
    const { code, stderr } = await runCommand(
      [
        'audit',
        'verify',
        '--ndjson',
        join(folder, 'added.ndjson'),
        '--key',
        verifierKey(logOrigin, keys.log),
      ],
      { ONEVISIT_HOME: folder },
    );
    t.equal(code, 1);
    t.match(stderr, `line ${line + 1} is not as an export has it`);
  });

await t.test('finds a member that stands twice in an entry', async (t) => {
  const line = written[entryAt]!.replace('"entry":{', '"entry":{"kind":"grant",');
  const lines = written.with(entryAt, line);
  async function* each(): AsyncGenerator<string> {
    yield* lines;
  }
  const { findings } = await verifyExport(each(), { verifiers });
  t.match(findings, [{ what: `line ${entryAt + 1} is not as an export has it: something was added to it` }]);
});

await t.test('takes no line that is longer than those of an export', async (t) => {
  writeFileSync(join(folder, 'long.ndjson'), `{"x":"${'x'.repeat(40_000_000)}"}`);
  const { code, stderr } = await runCommand(
    ['audit', 'verify', '--ndjson', join(folder, 'long.ndjson'), '--key', verifierKey(logOrigin, keys.log)],
    { ONEVISIT_HOME: folder },
  );
  t.equal(code, 1);
  t.match(stderr, /a line of it is longer than the lines of an export are/);
});

await t.test('takes no option that it would not follow', async (t) => {
  for (const option of ['--checkpoint', '--archive'])
    for (const [source, file] of [
      ['--ndjson', 'long.ndjson'],
      ['--receipt', 'long.ndjson'],
    ] as const) {
      const { code, stderr } = await runCommand(
        ['audit', 'verify', source, join(folder, file), option, join(folder, 'nothing')],
        { ONEVISIT_HOME: folder },
      );
      t.equal(code, 1);
      t.match(stderr, `${option}: goes with a whole log, not with what ${source} names`);
    }
});

await t.test('refuses a checkpoint of another log, and one that another key has signed', async (t) => {
  const header = whole[0]!.export!;
  const root = Buffer.alloc(32, 7);
  for (const [origin, key, trusted] of [
    ['other.test/audit', stranger, [...verifiers, verifierOf('other.test/audit', stranger)]],
    [logOrigin, stranger, verifiers],
  ] as const) {
    const checkpoint = signCheckpoint({ origin, size: header.below, root }, key);
    const lines = whole.with(0, { export: { ...header, checkpoint } });
    const verdict = await verifyExport(each(lines), { verifiers: trusted }).catch((error: Error) => error);
    if (verdict instanceof Error) t.match(verdict.message, /nobody who is known has signed/);
    else
      t.match(
        verdict.findings.map(({ what }) => what).join('\n'),
        /does not hold this entry at index 519/,
        'no entry is under it',
      );
  }
});

await t.test('finds another checkpoint of the same log under the entries', async (t) => {
  const newer = linesOf((await askExport(test, audit, { format: 'ndjson', consumer: 'nobody' })).body);
  const { checkpoint, below } = newer[0]!.export!;
  const { findings } = await check(whole.with(0, { export: { ...whole[0]!.export!, checkpoint, below } }));
  t.match(findings[0]!.what, /does not hold this entry at index 519|are missing|is missing/);
  t.ok(
    findings.some(({ what }) => /of another checkpoint than the export/.test(what)) || findings.length >= 100,
  );
});

for (const [what, lines] of [
  ['an empty file', []],
  ['a file without a header', whole.slice(1)],
  ['a header of another format', [{ export: { ...whole[0]!.export!, format: 'x' } }]],
  ['an entry without its index', whole.with(3, { entry: {} })],
] as [string, Lines][])
  await t.test(`refuses ${what}`, async (t) => {
    await t.rejects(check(lines), { name: 'ExportFormatError' });
  });

await t.test('audit verify takes the file offline, and names what is not as it was', async (t) => {
  const file = join(folder, 'export.ndjson');
  const run = (lines: Lines): ReturnType<typeof runCommand> => {
    writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return runCommand(['audit', 'verify', '--ndjson', file, '--key', verifierKey(logOrigin, keys.log)], {
      ONEVISIT_HOME: join(folder, 'none'),
    });
  };
  const good = await run(filtered);
  t.equal(good.code, 0, good.stderr);
  t.match(
    good.stdout,
    /^1 entries are in the log, under a signed checkpoint of \d+ entries, and none was taken out\n/,
  );
  t.match(good.stdout, /the filter was \{"consumer":"civil-affairs"\}/);
  const bad = await run(changed(filtered, asked, { entry: { ...forged } }));
  t.equal(bad.code, 1);
  t.match(bad.stderr, new RegExp(`entry ${asked} was altered`));
  const none = await runCommand(
    ['audit', 'verify', '--ndjson', join(folder, 'none'), '--key', verifierKey(logOrigin, keys.log)],
    { ONEVISIT_HOME: join(folder, 'none') },
  );
  t.equal(none.code, 1);
  t.match(none.stderr, /--ndjson: cannot read .*ENOENT/);
});

await t.test('the log is whole', async (t) => {
  await checkAuditLog(t, test);
});
