import t from 'tap';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

async function runScript(name: string, argument: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(import.meta.dirname, name), argument]);
  return stdout;
}

await t.test('two gateways under load keep every promise, a revocation in the middle included', async (t) => {
  t.match(await runScript('two-gateways.ts', '6'), 'all promises kept');
});

await t.test('a database killed under load costs 503 problems alone, and service resumes', async (t) => {
  t.match(await runScript('killed-database.ts', '2'), 'all promises kept');
});

await t.test(
  'four gateways killed in turn under load leave a whole log, and a receipt of every answer',
  async (t) => {
    t.match(await runScript('four-gateways.ts', '8'), 'all promises kept');
  },
);
