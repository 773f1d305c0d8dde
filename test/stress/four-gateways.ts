/**
 * Four gateway processes under load, each with a home of its own as on four machines, ended by SIGKILL in turn and
 * started again. Afterwards the log is whole, its checkpoints are consistent with one another and with all that was
 * seen or kept of them, and every answered exchange has a receipt that verifies.
 * `node test/stress/four-gateways.ts [seconds]`; exit code 1 when a promise is broken.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { openCheckpoint, type Checkpoint } from '../../src/transparency/checkpoint.ts';
import { databaseSource } from '../../src/audit/database-source.ts';
import { opensCommitment } from '../../src/audit/subjects.ts';
import { checkpointFile } from '../../src/audit/publishing/checkpoint-file.ts';
import { leafHash } from '../../src/transparency/merkle.ts';
import { verifyProof } from '../../src/transparency/proof.ts';
import { verifierOf } from '../../src/transparency/node/sign.ts';
import { readTreeState } from '../../src/audit/stored-log.ts';
import { verifyLog } from '../../src/transparency/verify-log.ts';
import { openDatabase } from '../../src/db/database.ts';
import { homeKeyFiles, readLogKey } from '../../src/base/keys.ts';
import { until } from '../helpers/until.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { logOrigin } from '../helpers/keys.ts';
import { checkAnswers, openRig, requestRecord, type Answered } from '../helpers/rig.ts';

const seconds = Number(process.argv[2] ?? 60);
const machineCount = 4;
const loopCount = 32;
/** Bounds what a minute's answers take in memory: 200,000 of them at most, of half a kilobyte each. */
const pauseMs = 10;
/** Together with what a start takes, each gateway is ended several times in a minute. */
const longestCalmMs = seconds * 25;
/** What may take some time: a start, the checkpoint of the last entry, reading the whole log. */
const withinMs = 30_000;
const receiptLoops = 16;
/** All receipts are asked for, unless that takes longer: then a random sample, of so many at least. */
const receiptSeconds = Math.max(60, seconds * 5);
const leastReceipts = 5000;

/** What a gateway runs on: its home outlives the process. */
interface Machine {
  home: string;
  url: string;
  process: ChildProcess;
  /** Whether the gateway was ready, and nobody is ending it. */
  live: boolean;
  kills: number;
}

/** An answered exchange, as its consumer keeps it. */
interface Exchange extends Answered {
  exchangeId: string;
  entry: number;
  leaf: string;
  salt: string;
  body: Buffer;
}

// What checks the log is a test's: it wants one to report to, which may take as long as all this does.
t.setTimeout(0);
const rig = await openRig();
const owner = openDatabase(rig.server.adminUrl, 'stress check', { statementTimeoutMs: withinMs });
const { key } = readLogKey(homeKeyFiles(join(rig.folder, 'keys-of-all')).LOG_KEY_FILE);
const log = { origin: logOrigin, key: key! };
const verifier = verifierOf(log.origin, log.key);

const answered = { status: 200, code: null, released: true };
const faults: string[] = [];
const exchanges: Exchange[] = [];
const tally = new Map<string, number>();
const seenNotes = new Set<string>();
let running = true;

try {
  const machines = await Promise.all(Array.from({ length: machineCount }, (_, i) => startMachine(i)));
  const token = await rig.newToken(machines[0]!.url);
  await sleep(1000);

  const loops = Array.from({ length: loopCount }, (_, i) => hammer(machines, token, i));
  loops.push(watchCheckpoints(machines));
  const beganAtMs = performance.now();
  for (let turn = 0; turn < machineCount || performance.now() - beganAtMs < seconds * 1000; turn++)
    await killAndRestart(machines[turn % machineCount]!);
  running = false;
  await Promise.all(loops);
  const tookSeconds = Math.round((performance.now() - beganAtMs) / 1000);

  const checkpoints = await checkLog(machines);
  const receipts = await checkReceipts(machines, token);
  console.log(
    `${exchanges.length} answers in ${tookSeconds} s`,
    Object.fromEntries(tally),
    `${machines.map(({ kills }) => kills).join(' + ')} kills, ${receipts} receipts, ${checkpoints} checkpoints`,
  );
} finally {
  running = false;
  await owner.close();
  await rig.close();
}
for (const fault of faults.slice(0, 20)) console.error(`FAULT: ${fault}`);
console.log(faults.length === 0 ? 'all promises kept' : `${faults.length} faults`);
if (faults.length > 0) process.exitCode = 1;

async function startMachine(i: number): Promise<Machine> {
  const home = join(rig.folder, `machine-${i}`);
  return { home, ...(await startGateway(home)), live: true, kills: 0 };
}

/** Starts a gateway in a home, and waits until it is ready. @throws Error when it is not in time */
async function startGateway(home: string): Promise<{ url: string; process: ChildProcess }> {
  const gateway = await rig.startGateway({ nodeFlags: [], env: { ONEVISIT_HOME: home } });
  const endsAtMs = performance.now() + withinMs;
  for (;;) {
    const unready = await whyUnready(gateway.url);
    if (unready === null) return gateway;
    if (performance.now() > endsAtMs) throw new Error(`${home} does not become ready: ${unready}`);
    await sleep(20);
  }
}

/** @returns the checks of a gateway that is not ready; null when it is */
async function whyUnready(url: string): Promise<string | null> {
  const response = await fetch(`${url}/readyz`);
  const checks = await response.text();
  return response.ok ? null : checks;
}

/** Ends a gateway at some moment, leaves it away for another while, and starts it again in its home. */
async function killAndRestart(machine: Machine): Promise<void> {
  await sleep(Math.random() * longestCalmMs);
  const { exitCode, signalCode } = machine.process;
  if (exitCode !== null || signalCode !== null)
    throw new Error(`the gateway of ${machine.home} ended by itself: ${exitCode ?? signalCode}`);
  machine.live = false;
  machine.kills++;
  const exited = once(machine.process, 'exit');
  machine.process.kill('SIGKILL');
  await exited;
  await sleep((Math.random() * longestCalmMs) / 4);
  Object.assign(machine, await startGateway(machine.home), { live: true });
}

/** Asks one gateway after the other, whether it is there or not: only one that was ended may break a connection. */
async function hammer(machines: readonly Machine[], token: string, loop: number): Promise<void> {
  for (let i = loop; running; i += 7) {
    const machine = machines[i % machines.length]!;
    const { live, kills } = machine;
    try {
      await ask(machine.url, token, rig.ids[i % rig.ids.length]!);
    } catch (error) {
      count('no answer');
      if (live && machine.kills === kills)
        faults.push(`a gateway that nobody ended gave no answer: ${String(error)}`);
    }
    await sleep(pauseMs);
  }
}

/** Asks for a record, and keeps the exchange when it is answered. @throws TypeError when the connection breaks */
async function ask(url: string, token: string, id: string): Promise<void> {
  const response = await requestRecord(url, token, id);
  const body = Buffer.from(await response.arrayBuffer());
  if (response.status === 200) keep(response.headers, body);
  else takeProblem(response, body.toString());
}

function keep(headers: Headers, body: Buffer): void {
  count('200');
  const [exchangeId, entry, leaf, salt] = ['id', 'entry', 'leaf', 'salt'].map((name) =>
    headers.get(`exchange-${name}`),
  );
  if (exchangeId == null || entry == null || leaf == null || salt == null)
    faults.push(`an answer lacks a header of its exchange, ${exchangeId}`);
  else exchanges.push({ ...answered, exchangeId, entry: Number(entry), leaf, salt, body });
}

/** A gateway may say "not now". */
function takeProblem({ status, headers }: Response, body: string): void {
  const isProblem = headers.get('content-type')?.startsWith('application/problem+json') === true;
  const what = isProblem ? `${status} ${(JSON.parse(body) as { code: string }).code}` : String(status);
  count(what);
  if (!isProblem || status !== 503) faults.push(`an answer ${what}`);
}

function count(what: string): void {
  tally.set(what, (tally.get(what) ?? 0) + 1);
}

/** Keeps the checkpoints that the gateways show, as a witness does. */
async function watchCheckpoints(machines: readonly Machine[]): Promise<void> {
  for (let i = 0; running; i++) {
    await sleep(100);
    const { live, url } = machines[i % machines.length]!;
    if (!live) continue;
    const note = await fetch(`${url}/log/checkpoint`).then(
      (response) => (response.ok ? response.text() : null),
      () => null,
    );
    if (note !== null) seenNotes.add(note);
  }
}

/** Checks the log once a checkpoint covers all of it. @returns how many checkpoints there are */
async function checkLog(machines: readonly Machine[]): Promise<number> {
  await until('a checkpoint covers every entry', isCovered, withinMs);
  for (const { url, home } of machines) {
    const unready = await whyUnready(url);
    if (unready !== null) faults.push(`${home} is not ready: ${unready}`);
  }
  faults.push(...(await checkAnswers(rig, exchanges)), ...(await checkLeaves()));
  // The check asks for the subjects of every entry, which nobody else does.
  await owner.pool.query('create index on audit.find_subject (index)');
  const { adminUrl, gatewayUrl } = rig.server;
  await checkAuditLog(t, { name: 'onevisit', adminUrl, gatewayUrl, ...owner }, log);
  if (!t.passing()) faults.push('the audit log is not whole');
  const outside = findOutsideCheckpoints(machines);
  const connection = await owner.pool.connect();
  const verdict = await verifyLog(databaseSource(connection), { verifiers: [verifier], outside });
  connection.release();
  faults.push(...verdict.findings.map(({ what }) => what));
  if (verdict.uncovered > 0) faults.push(`${verdict.uncovered} entries are covered by no checkpoint`);
  return verdict.checkpoints;
}

async function isCovered(): Promise<boolean> {
  const { entries, last } = await readTreeState(owner.pool);
  if (last?.size !== entries) await sleep(100);
  return last?.size === entries;
}

/** Holds the leaf that each answer named against the one at its index, which no other answer may name. */
async function checkLeaves(): Promise<string[]> {
  const rows = await rig.query<{ index: number; leaf: Buffer }>(
    'select index, leaf_hash as leaf from audit.entry',
  );
  const leafAt = new Map(rows.map(({ index, leaf }) => [index, leaf.toString('base64')]));
  const wrong = exchanges.filter(({ entry, leaf }) => leafAt.get(entry) !== leaf);
  const twice = exchanges.length - new Set(exchanges.map(({ entry }) => entry)).size;
  return [
    ...wrong.map(({ exchangeId, entry }) => `${exchangeId} has another leaf than entry ${entry}`),
    ...(twice > 0 ? [`${twice} entries were answered twice`] : []),
  ];
}

/** What the gateways have shown, and what each has kept in its home. */
function findOutsideCheckpoints(machines: readonly Machine[]): Checkpoint[] {
  const notes = new Set(seenNotes);
  for (const { home } of machines) {
    const note = checkpointFile(home, verifier).read();
    if (note === null) faults.push(`${home} holds no checkpoint`);
    else notes.add(note);
  }
  return [...notes].map((note) => openCheckpoint(note, [verifier]));
}

/** Checks the receipts of all exchanges, in random order. @returns how many they were, and whether that is all */
async function checkReceipts(machines: readonly Machine[], token: string): Promise<string> {
  const left = exchanges
    .map((exchange) => ({ exchange, rank: Math.random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ exchange }) => exchange);
  const endsAtMs = performance.now() + receiptSeconds * 1000;
  let checked = 0;
  async function work({ url }: Machine): Promise<void> {
    while (left.length > 0 && (checked < leastReceipts || performance.now() < endsAtMs)) {
      const exchange = left.pop()!;
      const fault = await findReceiptFault(url, token, exchange).catch(String);
      if (fault !== null) faults.push(`the receipt of ${exchange.exchangeId}: ${fault}`);
      checked++;
    }
  }
  await Promise.all(Array.from({ length: receiptLoops }, (_, i) => work(machines[i % machines.length]!)));
  return left.length === 0 ? `all ${checked}` : `a random sample of ${checked}`;
}

/**
 * Checks a receipt as its holder does, with the verifier key and what was answered.
 *
 * @returns what does not hold; null when all does
 * @throws NoteError when the proof does not hold
 */
async function findReceiptFault(url: string, token: string, exchange: Exchange): Promise<string | null> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${url}/v1/exchanges/${exchange.exchangeId}/receipt`, { headers });
  if (response.status !== 200) return `is answered ${response.status}: ${await response.text()}`;
  const receipt = (await response.json()) as { entry: string; proof: string; salt: string };
  const bytes = Buffer.from(receipt.entry, 'base64');
  const { index } = verifyProof(receipt.proof, bytes, [verifier]);
  const { id, body } = JSON.parse(bytes.toString()) as { id: string; body: string };
  if (index !== exchange.entry || id !== exchange.exchangeId) return `is of ${id}, entry ${index}`;
  if (Buffer.from(leafHash(bytes)).toString('base64') !== exchange.leaf) return 'is of another leaf';
  if (receipt.salt !== exchange.salt) return 'has another salt';
  return opensCommitment(body, Buffer.from(receipt.salt, 'base64'), exchange.body)
    ? null
    : 'is of another body';
}
