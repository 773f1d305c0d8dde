import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runCommand } from '../helpers/command.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { createDatabase } from '../helpers/database.ts';

const test = await createDatabase(t);
const settings = { ADMIN_DATABASE_URL: test.adminUrl };
const header = 'id,name,sex,birth_date,region_code';
const good = '990101199003150074,示例甲,male,1990-03-15,990101';
const wrongDigit = '990101199003150075,示例乙,male,1990-03-15,990101';

async function nameOf(id: string): Promise<string | undefined> {
  const { rows } = await test.pool.query<{ name: string }>('select name from v1.citizens where id = $1', [
    id,
  ]);
  return rows[0]?.name;
}

await t.test('generates a province, the same for the same seed, and loads it', async (t) => {
  const out = t.testdir({ a: {}, b: {} });
  const generate = (folder: string, seed: string): ReturnType<typeof runCommand> =>
    runCommand(
      `sandbox generate --citizens 50 --enterprises 20 --seed ${seed} --out ${join(out, folder)} --json`.split(
        ' ',
      ),
    );
  const [first, second] = await Promise.all([generate('a', '5'), generate('b', '5')]);
  t.same([first.code, first.stderr, second.code], [0, '', 0]);
  const { files } = JSON.parse(first.stdout) as { files: { dataset: string; path: string; rows: number }[] };
  t.same(
    files.map(({ dataset, rows }) => [dataset, rows]),
    [
      ['citizens', 50],
      ['enterprises', 20],
    ],
  );
  for (const { path, dataset, rows } of files) {
    t.equal(readFileSync(path, 'utf8'), readFileSync(path.replace('/a/', '/b/'), 'utf8'));
    const { code, stdout } = await runCommand(['load', dataset, path, '--json'], settings);
    t.equal(code, 0);
    t.match(JSON.parse(stdout), { dataset, rows, loaded: rows, rejected: 0, rejects_file: null });
  }
});

await t.test('refuses to generate what makes no sense', async (t) => {
  for (const args of [
    ['--citizens', '-5'],
    ['--citizens', 'many'],
    ['--seed', '1.5'],
    ['--enterprises', '999999999999999'],
    ['--out', '/dev/null/folder'],
  ]) {
    const { code, stdout, stderr } = await runCommand(['sandbox', 'generate', ...args]);
    t.same({ code, stdout }, { code: 1, stdout: '' }, args.join(' '));
    t.match(stderr, /^onevisit: [^\n]+\n$/);
    t.notMatch(stderr, /failed unexpectedly|database/, 'for a reason that fits');
  }
});

await t.test('loads what is good, and puts the rest beside it', async (t) => {
  const file = join(t.testdir(), 'citizens.csv');
  const rows = [
    good,
    wrongDigit,
    '990101199003150076,,male,1990-03-15,990101',
    'too,short',
    '=1+1,x,male,,1',
  ];
  writeFileSync(file, [header, ...rows, ''].join('\n'));
  const { code, stdout, stderr } = await runCommand(['load', 'citizens', file, '--json'], settings);
  t.same({ code, stderr }, { code: 0, stderr: '' });
  const result = JSON.parse(stdout) as { entry: number; rejects_file: string };
  t.match(result, {
    rows: 5,
    loaded: 1,
    rejected: 4,
    rejects_file: `${file}.rejects.csv`,
    sha256: /^\w{64}$/,
  });
  t.equal(await nameOf('990101199003150074'), '示例甲');
  t.equal(await nameOf('990101199003150075'), undefined);
  const rejects = readFileSync(result.rejects_file, 'utf8').trim().split('\n');
  t.equal(rejects[0], `line,reason,${header}`);
  t.equal(rejects.length, 5);
  t.match(rejects[1], /^3,/, 'by line');
  t.notMatch(rejects.join('\n'), /(^|,)=1/, 'no cell that a spreadsheet would compute');
  t.equal(statSync(result.rejects_file).mode & 0o777, 0o600, 'for its owner alone');

  const entries = await checkAuditLog(t, test);
  t.match(entries[result.entry], { kind: 'load', dataset: 'citizens', details: { loaded: 1, rejected: 4 } });
  t.notOk(JSON.stringify(entries[result.entry]).includes('示例甲'), 'without anybody’s data');
});

await t.test('says in one line what it can not load', async (t) => {
  const folder = t.testdir({
    empty: '',
    header: 'id,nickname\n1,x\n',
    incomplete: 'id,name\n990101199003150074,示例甲\n',
    twice: `${header},name\n${good},x\n`,
    broken: `${header}\n"${good}\n`,
    binary: Buffer.from([0, 255, 254, 1, 2, 3]),
  });
  const refused: [string, string][] = [
    ['citizens', 'missing'],
    ['citizens', '.'],
    ['citizens', 'empty'],
    ['citizens', 'header'],
    ['citizens', 'incomplete'],
    ['citizens', 'twice'],
    ['citizens', 'broken'],
    ['citizens', 'binary'],
    ['salaries', 'header'],
  ];
  const ends = await Promise.all(
    refused.map(async ([dataset, name]) => runCommand(['load', dataset, join(folder, name)], settings)),
  );
  for (const [i, { code, stdout, stderr }] of ends.entries()) {
    const name = refused[i]![1];
    const file = join(folder, name);
    t.same({ code, stdout }, { code: 1, stdout: '' }, name);
    t.match(stderr, /^onevisit: [^\n]+\n$/, `${name}: one line`);
    t.notMatch(stderr, /failed unexpectedly|database does not answer|\bat \S+ \(/, `${name}: ${stderr}`);
    t.notOk(stderr.includes('示例甲'), 'without anybody’s data');
    for (const rest of ['.rejects.csv', '.rejects.csv.partial'])
      t.notOk(existsSync(`${file}${rest}`), `${name}: nothing is left behind`);
  }
  await checkAuditLog(t, test);
});
