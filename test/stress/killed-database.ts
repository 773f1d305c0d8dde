/**
 * PostgreSQL ended by SIGKILL under load and started again, round after round: meanwhile only 503 problems, no
 * data without entry, and service resumes by itself. `node test/stress/killed-database.ts [rounds]`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, checkAnswers, openRig, type Answered } from '../helpers/rig.ts';

const rounds = Number(process.argv[2] ?? 20);
const loopsPerGateway = 16;
const resumeWithinMs = 30_000;

const rig = await openRig();
const faults: string[] = [];
try {
  const gateways = await Promise.all([rig.startGateway(), rig.startGateway()]);
  const token = await rig.newToken(gateways[0].url);
  await sleep(1000);

  const answers: Answered[] = [];
  let running = true;
  async function hammer(url: string, loop: number): Promise<void> {
    for (let i = loop; running; i += 7) {
      const answer = await ask(url, token, rig.ids[i % rig.ids.length]!);
      answers.push(answer);
      if (answer.status !== 200) await sleep(5);
    }
  }
  const loops = gateways.flatMap(({ url }) =>
    Array.from({ length: loopsPerGateway }, (_, i) => hammer(url, i)),
  );

  for (let round = 1; round <= rounds; round++) {
    await sleep(500 + Math.random() * 500);
    const before = answers.length;
    const killedAt = Date.now();
    process.kill(postmasterPid(), 'SIGKILL');
    await sleep(200);
    // Each gateway must answer well again, by itself.
    const wellFrom = answers.length;
    for (const { url } of gateways) {
      while ((await ask(url, token, rig.ids[round]!)).status !== 200) {
        if (Date.now() - killedAt > resumeWithinMs) throw new Error(`round ${round}: service did not resume`);
        await sleep(20);
      }
    }
    const meanwhile = answers.slice(before);
    const failed = meanwhile.filter(({ status }) => status !== 200);
    const strange = failed.filter(
      ({ status, code }) => status !== 503 || (code !== 'store-unavailable' && code !== 'audit-unavailable'),
    );
    if (strange.length > 0) faults.push(`round ${round}: ${JSON.stringify(strange.slice(0, 3))}`);
    console.log(
      `round ${round}: resumed after ${Date.now() - killedAt} ms, ${failed.length} answers 503, ${answers.length - wellFrom} since`,
    );
  }
  running = false;
  await Promise.all(loops);
  faults.push(...(await checkAnswers(rig, answers)));
  console.log(
    `${answers.length} answers, ${answers.filter(({ released }) => released).length} of them with data`,
  );
} finally {
  await rig.close();
}
for (const fault of faults) console.error(`FAULT: ${fault}`);
console.log(faults.length === 0 ? 'all promises kept' : `${faults.length} faults`);
process.exitCode = faults.length === 0 ? 0 : 1;

function postmasterPid(): number {
  const file = join(rig.folder, 'postgres', 'postgres', 'data', 'postmaster.pid');
  return Number(readFileSync(file, 'utf8').split('\n')[0]);
}
