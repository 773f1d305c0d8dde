import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { archivePartitions, listArchivable } from '../../../src/audit/archive/archive.ts';
import { createRetention } from '../../../src/audit/archive/retention.ts';
import { verifierKey } from '../../../src/transparency/node/sign.ts';
import { findLastCheckpoint } from '../../../src/audit/stored-log.ts';
import { loadCatalogue } from '../../../src/catalogue/catalogue.ts';
import { runCommand, type CommandEnd } from '../../helpers/command.ts';
import { createDatabase } from '../../helpers/database.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { actor, keys, logOrigin } from '../../helpers/keys.ts';
import { askExport, indicesOf, linesOf } from '../../helpers/exporting.ts';
import { untilIndexed } from '../../helpers/filters.ts';
import { connect } from '../../helpers/log.ts';
import { until } from '../../helpers/until.ts';
import { verifiers } from '../../helpers/published-log.ts';
import { enter, makePartitionsSmall, small } from '../../helpers/small-partitions.ts';

const database = await createDatabase(t);
await makePartitionsSmall(database);
const archived = 2 * small;
for (const [dataset, day] of [
  ['enterprises', '2020-02-29'],
  ['citizens', '2021-06-01'],
] as const)
  await enter(
    database,
    Array.from({ length: small }, () => ({ dataset, time: new Date(`${day}T12:00:00.000Z`) })),
  );
const test = await startGateway(t, { database });
const audit = await test.token('audit-office', ['audit']);
await test.read('citizens', { id: '999901198804120024', fields: ['name'] });
await untilIndexed(test);
await until('all is published', async () => ((await findLastCheckpoint(test.pool))?.size ?? 0) > archived);

const home = t.testdir();
const exportAs = async (body: object): Promise<string> => {
  const answer = await askExport(test, audit, { format: 'ndjson', ...body });
  if (answer.statusCode !== 200) throw new Error(answer.body);
  return answer.body;
};
function verify(text: string): Promise<CommandEnd> {
  const file = join(home, 'export.ndjson');
  writeFileSync(file, text);
  return runCommand(['audit', 'verify', '--ndjson', file, '--key', verifierKey(logOrigin, keys.log)], {
    ONEVISIT_HOME: home,
  });
}
/** The first page of an export, and the cursor of the second. */
function firstPage(text: string): { page: string; after: string } {
  const end = text.indexOf('\n', text.indexOf('\n{"manifest"') + 1) + 1;
  const page = text.slice(0, end);
  return { page, after: linesOf(page).at(-1)!.next! };
}

const filter = { dataset: 'enterprises' };
const before = { whole: await exportAs({}), filtered: await exportAs(filter) };

const owner = await connect(t, test.adminUrl, 60_000);
await owner.query('set role onevisit_owner');
const options = {
  out: join(home, 'archive'),
  before: new Date('2022-01-01'),
  keys: verifiers,
  retention: createRetention(loadCatalogue()),
  actor,
};
const parts = await listArchivable(owner, options.before, options.retention);

await t.test('an export of before is verified offline as ever', async (t) => {
  t.equal((await archivePartitions(owner, parts, options)).length, 2);
  t.equal(indicesOf(linesOf(before.filtered)).length, small);
  for (const text of Object.values(before)) {
    const { code, stdout, stderr } = await verify(text);
    t.equal(code, 0, stderr);
    t.match(stdout, /none was taken out/);
    t.notMatch(stdout, /archived/);
  }
  const lines = before.whole.split('\n');
  const at = lines.findIndex((line) => line.startsWith('{"index":300,'));
  const gone = await verify(lines.toSpliced(at, 1).join('\n'));
  t.equal(gone.code, 1);
  t.match(gone.stderr, /entry 300 is missing/);
  const altered = await verify(lines.with(at, lines[at]!.replace('enterprises', 'citizens')).join('\n'));
  t.equal(altered.code, 1);
  t.match(altered.stderr, /entry 300 was altered/);
});

await t.test('an export of after has what is left, and says so under its signature', async (t) => {
  for (const [body, least] of [
    [{}, 5],
    [{ kind: 'exchange' }, 1],
    [filter, 0],
    [{ from: '2020-01-01T00:00:00Z', to: '2021-12-31T00:00:00Z' }, 0],
  ] as const) {
    const text = await exportAs(body);
    const lines = linesOf(text);
    t.ok(indicesOf(lines).length >= least);
    t.ok(indicesOf(lines).every((index) => index >= archived));
    t.match(lines.at(-1), { manifest: { from: archived, archived }, next: null });
    const { code, stdout, stderr } = await verify(text);
    t.equal(code, 0, stderr);
    t.match(stdout, new RegExp(`entries before ${archived} were archived, and are not in the file`));
  }
});

await t.test('one that goes on across the archive ends where that begins', async (t) => {
  for (const [text, body] of [
    [before.whole, {}],
    [before.filtered, filter],
  ] as const) {
    const { page, after } = firstPage(text);
    const reached = linesOf(page).at(-1)!.manifest!.from;
    const rest = await exportAs({ ...body, after });
    const { code, stdout, stderr } = await verify(page + rest);
    t.equal(code, 0, stderr);
    t.match(stdout, new RegExp(`entries before ${Math.min(reached, archived)} were archived`));
  }
});

await t.test('nobody makes an end of what has none', async (t) => {
  const { page } = firstPage(before.whole);
  const { code, stderr } = await verify(page.replace(/"next":"[^"]+"\}\n$/, '"next":null}\n'));
  t.equal(code, 1);
  t.match(stderr, /was altered/);
  const claimed = await verify(before.whole.replaceAll('"archived":0', `"archived":${archived}`));
  t.equal(claimed.code, 1);
  t.match(claimed.stderr, /what is signed is another manifest/);
});
