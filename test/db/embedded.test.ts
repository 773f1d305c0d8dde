import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import pg from 'pg';
import t, { type Test } from 'tap';
import { openEmbedded, type EmbeddedServer } from '../../src/db/embedded.ts';
import { migrate } from '../../src/audit/migrate.ts';
import { setGatewayPassword } from '../../src/db/migrate.ts';
import { UserError } from '../../src/base/errors.ts';
import { until } from '../helpers/until.ts';

const asRoot = process.getuid?.() === 0;

/** A home that every account can go through, or the owner alone. */
function newHome(t: Test, mode: number): string {
  const parent = mkdtempSync(join(tmpdir(), 'onevisit-embedded-'));
  chmodSync(parent, mode);
  const home = join(parent, 'home');
  t.teardown(() => {
    if (serverOf(home) !== null) process.kill(serverOf(home)!, 'SIGKILL');
    for (const place of [join(home, 'postgres'), parent])
      rmSync(realpath(place), { recursive: true, force: true });
    rmSync(parent, { recursive: true, force: true });
  });
  return home;
}

function realpath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

async function query(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}
const answers = (url: string): Promise<boolean> =>
  query(url, 'select 1').then(
    () => true,
    () => false,
  );

/** The number of the server's process; null when none runs. */
function serverOf(home: string): number | null {
  try {
    const [pid] = readFileSync(join(home, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n');
    return isAlive(Number(pid)) ? Number(pid) : null;
  } catch {
    return null;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function killServer(home: string): Promise<void> {
  const pid = serverOf(home)!;
  process.kill(pid, 'SIGKILL');
  await until('the server is gone', () => !isAlive(pid));
}

/** A process of its own that opens the home and stays. */
async function openElsewhere(
  t: Test,
  home: string,
): Promise<{ child: ChildProcess; adminUrl: string; owned: boolean }> {
  const source = new URL('../../src/db/embedded.ts', import.meta.url).href;
  const script = `const { openEmbedded } = await import(${JSON.stringify(source)});
    const server = await openEmbedded(${JSON.stringify(home)});
    console.log(JSON.stringify({ adminUrl: server.adminUrl, owned: server.owned }));
    process.once('SIGTERM', () => server.stop().then(() => clearInterval(timer)));
    const timer = setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  for await (const line of createInterface(child.stdout))
    return { child, ...(JSON.parse(line) as EmbeddedServer) };
  throw new Error('the other process ended');
}

function kill(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}

await t.test('starts a server of its own, and finds its data at the next start', async (t) => {
  const home = newHome(t, 0o755);
  const first = await openEmbedded(home);
  t.equal(first.owned, true);
  t.equal(statSync(join(home, 'postgres.json')).mode & 0o777, 0o600);
  await migrate(first.adminUrl);
  await setGatewayPassword(first.adminUrl, first.gatewayPassword);
  t.strictSame(await query(first.gatewayUrl, 'select current_user as user'), [{ user: 'onevisit_gateway' }]);
  await query(first.adminUrl, `insert into registry.setting values ('kept', 'so')`);
  const wrong = new URL(first.adminUrl);
  wrong.password = 'wrong';
  await t.rejects(query(wrong.href, 'select 1'), { code: '28P01' }, 'a password is needed');
  await first.stop();
  await first.stop();
  await until('the server ends', () => serverOf(home) === null);

  const second = await openEmbedded(home);
  t.teardown(() => second.stop());
  t.strictSame(await query(second.gatewayUrl, `select value from registry.setting where key = 'kept'`), [
    { value: 'so' },
  ]);

  await t.test('lets a second process use the server, but not end it', async (t) => {
    const other = await openElsewhere(t, home);
    t.equal(other.owned, false);
    t.ok(await answers(other.adminUrl));
    const guest = await openEmbedded(home);
    t.equal(guest.owned, false);
    t.equal(guest.adminUrl, second.adminUrl);
    await guest.stop();
    await kill(other.child);
    t.ok(await answers(second.adminUrl));
  });

  await t.test('starts a server again that was killed, on the same port and with its data', async (t) => {
    const before = serverOf(home);
    await killServer(home);
    await until('it answers again', () => answers(second.adminUrl));
    t.not(serverOf(home), before);
    t.equal((await query(second.gatewayUrl, 'select 1 from registry.setting')).length, 1);
    await until('it is owned again', async () => {
      const locks = await query(
        second.adminUrl,
        `select 1 from pg_locks where locktype = 'advisory' and objid = 100`,
      );
      return locks.length === 1;
    });
    const guest = await openEmbedded(home);
    t.equal(guest.owned, false);
    await guest.stop();
  });
});

await t.test('adopts the server that a killed process left running', async (t) => {
  const home = newHome(t, 0o755);
  const other = await openElsewhere(t, home);
  t.equal(other.owned, true);
  await query(other.adminUrl, 'create table kept (n int)');
  const pid = serverOf(home);
  await kill(other.child);
  t.equal(serverOf(home), pid, 'the server goes on without its gateway');
  const adopted = await openEmbedded(home);
  t.equal(adopted.adminUrl, other.adminUrl);
  t.equal(adopted.owned, true);
  t.equal(serverOf(home), pid);
  t.strictSame(await query(adopted.adminUrl, 'select * from kept'), []);
  await adopted.stop();
  await until('the server ends', () => serverOf(home) === null);

  await t.test('starts although the number that a crash left behind is now another process', async (t) => {
    writeFileSync(
      join(home, 'postgres', 'data', 'postmaster.pid'),
      `${process.pid}\n${join(home, 'postgres', 'data')}\n1\n1\n\n127.0.0.1\n\nready\n`,
    );
    const again = await openEmbedded(home);
    t.equal(again.owned, true);
    t.ok(await answers(again.adminUrl));
    await again.stop();
  });
});

await t.test('ends for good when it is stopped while its server starts again', async (t) => {
  const home = newHome(t, 0o755);
  const { child } = await openElsewhere(t, home);
  let exit: number | string | null = null;
  child.once('exit', (code, signal) => (exit = code ?? signal));
  await killServer(home);
  child.kill('SIGTERM');
  await until('the process ends', () => exit !== null);
  t.equal(exit, 0);
  t.equal(serverOf(home), null, 'and so has its server');
});

await t.test('starts in a home that only root can reach', { skip: !asRoot && 'needs root' }, async (t) => {
  const home = newHome(t, 0o700);
  const server = await openEmbedded(home);
  t.teardown(() => server.stop());
  t.ok(await answers(server.adminUrl));
  const place = statSync(join(home, 'postgres'));
  t.equal(place.mode & 0o777, 0o700, 'nobody else sees the data');
  t.not(place.uid, 0);
  t.equal(statSync(join(home, '..')).mode & 0o777, 0o700, 'the folder above stays closed');
});

await t.test('says what is wrong with a file of passwords that is damaged', async (t) => {
  for (const content of [
    '',
    '{"password":"x',
    '{}',
    'null',
    '[]',
    '{"password":"x"}',
    '{"password":1,"gatewayPassword":""}',
  ]) {
    const home = t.testdir({ 'postgres.json': content });
    const opening = openEmbedded(home).then((server) => server.stop());
    await t.rejects(opening, { name: UserError.name, message: /postgres\.json/ }, content);
  }
});
