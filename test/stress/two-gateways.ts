/**
 * Two gateway processes on one database, four clients hammering both, a grant revoked in the middle.
 * `node test/stress/two-gateways.ts [seconds]`; exit code 1 when a promise is broken.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { revokeGrant } from '../../src/grants/administer-grants.ts';
import { listGrants } from '../../src/grants/find-grants.ts';
import { actor, ask, checkAnswers, openRig, type Answered } from '../helpers/rig.ts';

const seconds = Number(process.argv[2] ?? 60);
const loopsPerClient = 8;

const rig = await openRig();
const faults: string[] = [];
try {
  const gateways = await Promise.all([rig.startGateway(), rig.startGateway()]);
  const tokens = await Promise.all([0, 1, 2, 3].map(() => rig.newToken(gateways[0].url)));
  await sleep(1000);

  const answers: Answered[] = [];
  let running = true;
  async function hammer(token: string, loop: number): Promise<void> {
    for (let i = loop; running; i += 7) {
      const gateway = gateways[i % gateways.length]!;
      answers.push(await ask(gateway.url, token, rig.ids[i % rig.ids.length]!));
    }
  }
  const loops = tokens.flatMap((token) => Array.from({ length: loopsPerClient }, (_, i) => hammer(token, i)));
  await sleep((seconds * 1000) / 2);
  const [grant] = await listGrants(rig.database, { consumer: 'civil-affairs', dataset: 'citizens' });
  const { entry: revokedAt } = await revokeGrant(rig.database, actor, grant!.id, null);
  await sleep((seconds * 1000) / 2);
  running = false;
  await Promise.all(loops);

  faults.push(...(await checkAnswers(rig, answers)));
  const [after] = await rig.query<{ released: number; refused: number }>(
    `select count(*) filter (where j ->> 'outcome' = 'released') as released,
            count(*) filter (where j ->> 'outcome' = 'refused') as refused
     from audit.entry, lateral (select convert_from(bytes, 'UTF8')::jsonb as j) p where index > $1`,
    [revokedAt],
  );
  if (after!.released > 0) faults.push(`${after!.released} released after the revocation`);
  if (after!.refused === 0) faults.push('nothing was refused after the revocation');
  const statuses = Object.fromEntries(
    [...Map.groupBy(answers, ({ status, code }) => `${status} ${code ?? ''}`.trim())].map(([k, v]) => [
      k,
      v.length,
    ]),
  );
  const unexpected = answers.filter(({ status }) => status !== 200 && status !== 403);
  if (unexpected.length > 0) faults.push(`${unexpected.length} answers beside 200 and 403`);
  console.log(`${answers.length} answers in ${seconds} s`, statuses, `revoked at entry ${revokedAt}`);
} finally {
  await rig.close();
}
for (const fault of faults) console.error(`FAULT: ${fault}`);
console.log(faults.length === 0 ? 'all promises kept' : `${faults.length} faults`);
process.exitCode = faults.length === 0 ? 0 : 1;
