import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LightMyRequestResponse } from 'fastify';
import t, { type Test } from 'tap';
import { personaCitizens } from '../../src/sandbox/personas.ts';
import { until } from '../helpers/until.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway } from '../helpers/gateway.ts';

const { id, name } = personaCitizens[0]!;
const request = { id, fields: ['name'] };
const test = await startGateway(t);

function makeBug(): never {
  throw new TypeError(`no such member of ${name}\n    at ${name}`);
}

async function countBugs(): Promise<number> {
  const metrics = await test.gateway.metrics.registry.metrics();
  return Number(/^onevisit_internal_errors_total (\d+)$/m.exec(metrics)![1]);
}

/** Checks that a request met a bug, which is counted, and logged with its stack but without its message. */
async function isBug(t: Test, ask: () => Promise<LightMyRequestResponse>): Promise<void> {
  const before = await countBugs();
  const { statusCode, body } = await ask();
  t.equal(statusCode, 500);
  const { code, instance } = JSON.parse(body) as { code: string; instance: string };
  t.equal(code, 'internal-error');
  t.equal(await countBugs(), before + 1);
  const logged = (): string[] =>
    readFileSync(join(process.env.ONEVISIT_TEST_LOGS!, `${test.name}.log`), 'utf8')
      .split('\n')
      .filter((line) => line.includes(instance.slice('urn:uuid:'.length)) && line.includes('request failed'));
  await until('it is logged', () => logged().length > 0);
  const [line] = logged();
  t.match(JSON.parse(line!), {
    code: 'internal-error',
    cause: { name: 'TypeError', at: [/^at .*makeBug .*bugs\.test\.ts/] },
  });
  t.notOk(line!.includes(name), 'what its message quotes is not logged');
}

await t.test('answers a bug within a read as one, and not as a store that is away', async (t) => {
  const served = test.gateway.served.find(
    ({ dataset }) => dataset.name === 'citizens' && dataset.version === 1,
  )!;
  const { project } = served;
  served.project = makeBug;
  await isBug(t, () => test.read('citizens', request));
  served.project = project;
  t.equal((await test.read('citizens', request)).statusCode, 200);
});

await t.test('answers a bug within a statement as one', async (t) => {
  const token = await test.token('civil-affairs');
  const { registry } = test.gateway;
  const list = async (): Promise<LightMyRequestResponse> =>
    test.app.inject({ url: '/v1/purposes', headers: { authorization: `Bearer ${token}` } });
  t.equal((await list()).statusCode, 200);
  registry.selectFrom = makeBug;
  await isBug(t, list);
});

await t.test('enters nothing of them', async (t) => {
  const entries = await checkAuditLog(t, test);
  t.equal(entries.filter(({ kind }) => kind === 'exchange').length, 1);
});
