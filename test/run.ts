/**
 * Runs the test suite on one real PostgreSQL: starts it, prepares the database that tests clone, runs tap, and
 * then looks for personal data in everything that was logged. Arguments go to tap (`npm test -- test/app.test.ts`).
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbedded } from '../src/db/embedded.ts';
import { migrate } from '../src/audit/migrate.ts';
import { setGatewayPassword } from '../src/db/migrate.ts';
import { loadCatalogue } from '../src/catalogue/catalogue.ts';
import { fillSandbox } from '../src/sandbox/seed.ts';
import { findPersonalData } from './helpers/personal-data.ts';

const folder = mkdtempSync(join(tmpdir(), 'onevisit-test-'));
chmodSync(folder, 0o711);
const logs = join(folder, 'logs');
const results = join(import.meta.dirname, '..', '.tap', 'test-results');
rmSync(results, { recursive: true, force: true });
mkdirSync(logs, { mode: 0o777 });
process.exitCode = await run();

async function run(): Promise<number> {
  const server = await openEmbedded(join(folder, 'home'));
  try {
    await migrate(server.adminUrl);
    await setGatewayPassword(server.adminUrl, server.gatewayPassword);
    const province = { seed: 7, citizens: 300, enterprises: 60 };
    await fillSandbox({
      home: folder,
      adminUrl: server.adminUrl,
      catalogue: loadCatalogue(),
      province,
      say: () => undefined,
    });
    const failed = await runTap({
      ...process.env,
      NODE_COMPILE_CACHE: join(folder, 'compiled'),
      ONEVISIT_TEST_ADMIN_URL: server.adminUrl,
      ONEVISIT_TEST_GATEWAY_URL: server.gatewayUrl,
      ONEVISIT_TEST_LOGS: logs,
    });
    const leaks = findPersonalData([...filesIn(logs), join(folder, 'home', 'postgres', 'server.log')]);
    for (const leak of leaks) console.error(`personal data in a log: ${leak}`);
    const { passed, failed: failures } = countResults();
    console.log(`${passed} passed, ${failures} failed`);
    return failed || leaks.length > 0 ? 1 : 0;
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function runTap(env: NodeJS.ProcessEnv): Promise<boolean> {
  const tap = join(import.meta.dirname, '..', 'node_modules', '.bin', 'tap');
  const child = spawn(tap, ['run', ...process.argv.slice(2)], { env, stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => child.once('close', (code) => resolve(code !== 0)));
}

function filesIn(directory: string): string[] {
  return readdirSync(directory).map((name) => join(directory, name));
}

/** Counts the assertions of the run from the results that tap keeps. */
function countResults(): { passed: number; failed: number } {
  let passed = 0;
  let failed = 0;
  for (const name of readdirSync(results, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.tap')) continue;
    for (const line of readFileSync(join(results, name), 'utf8').split('\n')) {
      if (line.includes('# time=')) continue;
      if (/^\s*ok \d+ - (?!.*\{$)/.test(line)) passed++;
      if (/^\s*not ok \d+ - (?!.*\{$)/.test(line)) failed++;
    }
  }
  return { passed, failed };
}
