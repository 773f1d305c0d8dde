import { generateKeyPairSync } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { formatAddCheckpoint, parseAddCheckpoint } from '../../src/transparency/add-checkpoint.ts';
import { openCheckpoint } from '../../src/transparency/checkpoint.ts';
import { leafHash, rootOf } from '../../src/transparency/merkle.ts';
import { NoteError, openNote } from '../../src/transparency/note.ts';
import { signCheckpoint, verifierOf } from '../../src/transparency/node/sign.ts';
import { proveConsistency } from '../../src/transparency/tiles.ts';
import { openWitnessState, originHash, type WitnessState } from '../../src/witness/state.ts';
import { createWitness, type Witness, type WitnessAnswer } from '../../src/witness/witness.ts';
import { newFolder } from '../helpers/folder.ts';
import { tilesOf } from '../helpers/tree.ts';

const origin = 'onevisit.test/audit';
const logKey = generateKeyPairSync('ed25519').privateKey;
const witnessKey = generateKeyPairSync('ed25519').privateKey;
const log = verifierOf(origin, logKey);
const witnessVerifier = verifierOf('witness.test/w1', witnessKey, 'witness');
const at = new Date('2026-11-25T10:00:00.900Z');
const leaves = Array.from({ length: 300 }, (_, i) => leafHash(Buffer.from(`entry ${i}`)));
const tiles = tilesOf(leaves);

/** A checkpoint of the log at a size, as the log shows it to a witness that has seen `oldSize`. */
async function shown(size: number, oldSize: number): Promise<string> {
  const proof = oldSize === 0 || oldSize >= size ? [] : await proveConsistency(oldSize, size, tiles);
  return formatAddCheckpoint({ oldSize, proof, note: noteOf(size) });
}

function noteOf(size: number, root = rootOf(leaves.slice(0, size)), key = logKey): string {
  return signCheckpoint({ origin, size, root }, key);
}

interface TestWitness extends Witness {
  state: WitnessState;
  folder: string;
  splitViews: [string, string][];
}

function newWitness(
  t: Test,
  folder = newFolder(t),
  wrap = (state: WitnessState): WitnessState => state,
): TestWitness {
  const state = wrap(openWitnessState(folder));
  const splitViews: [string, string][] = [];
  const witness = createWitness({
    name: witnessVerifier.name,
    key: witnessKey,
    logs: [log],
    state,
    now: () => at,
    onSplitView: (...notes) => splitViews.push(notes),
  });
  return { ...witness, state, folder, splitViews };
}

const is = (answer: WitnessAnswer, status: number, body: string | RegExp): void => {
  t.equal(answer.status, status, answer.body);
  t.match(answer.body, body);
};

await t.test('cosigns the first checkpoint, and each that continues the last one', async (t) => {
  const witness = newWitness(t);
  for (const [oldSize, size] of [
    [0, 254],
    [254, 256],
    [256, 257],
    [257, 257],
    [257, 300],
  ] as const) {
    const answer = await witness.addCheckpoint(await shown(size, oldSize));
    t.equal(answer.status, 200, answer.body);
    const note = noteOf(size) + answer.body;
    t.same(openNote(note, [log, witnessVerifier]).signers, [log, witnessVerifier]);
    t.equal((await witness.state.read(origin))!.note, note, 'kept before it answers');
  }
  t.equal(readdirSync(witness.folder).length, 2, 'it keeps the last one, and the one before');
});

await t.test('its signature is of the checkpoint and the second in which it saw it', async (t) => {
  const witness = newWitness(t);
  const { body } = await witness.addCheckpoint(await shown(3, 0));
  const signature = Buffer.from(body.trim().split(' ')[2]!, 'base64');
  t.equal(signature.length, 4 + 8 + 64);
  t.equal(signature.readUInt32BE(0), witnessVerifier.keyId);
  t.equal(signature.readBigUInt64BE(4), BigInt(Math.floor(at.getTime() / 1000)));
  t.throws(() => openNote(noteOf(4) + body, [witnessVerifier]), NoteError, 'it fits no other checkpoint');
  signature[11]! ^= 1;
  const later = `— ${witnessVerifier.name} ${signature.toString('base64')}\n`;
  t.throws(() => openNote(noteOf(3) + later, [witnessVerifier]), NoteError, 'nor another second');
});

await t.test("a witness's signature does not stand in for the log's", (t) => {
  const namesake = verifierOf(origin, witnessKey, 'witness');
  t.throws(() => openCheckpoint(noteOf(3, undefined, witnessKey), [namesake]), NoteError);
  t.end();
});

await t.test('a size that is not the last one is answered with the last one', async (t) => {
  const witness = newWitness(t);
  is(await witness.addCheckpoint(await shown(20, 10)), 409, /^0\n$/);
  await witness.addCheckpoint(await shown(20, 0));
  for (const [oldSize, size] of [
    [0, 30],
    [10, 30],
    [0, 20],
    [0, 10],
    [10, 10],
  ] as const) {
    const answer = await witness.addCheckpoint(await shown(size, oldSize));
    is(answer, 409, /^20\n$/);
    t.equal(answer.type, 'text/x.tlog.size');
  }
});

await t.test('refuses what does not continue the last one, and keeps it', async (t) => {
  const witness = newWitness(t);
  await witness.addCheckpoint(await shown(20, 0));
  const other = leaves.map((leaf, i) => (i === 7 ? leafHash(Buffer.from('another')) : leaf));
  const proof = await proveConsistency(20, 30, tilesOf(other));
  const note = noteOf(30, rootOf(other.slice(0, 30)));
  is(await witness.addCheckpoint(formatAddCheckpoint({ oldSize: 20, proof, note })), 422, /does not show/);
  is(
    await witness.addCheckpoint(formatAddCheckpoint({ oldSize: 20, proof: [], note })),
    422,
    /does not show/,
  );
  const same = formatAddCheckpoint({ oldSize: 20, proof: [], note: noteOf(20, rootOf(other.slice(0, 20))) });
  is(await witness.addCheckpoint(same), 409, /^20\n$/);
  t.equal(witness.splitViews.length, 1, 'two of one size are told of: the log has lied to somebody');
  is(
    await witness.addCheckpoint(formatAddCheckpoint({ oldSize: 20, proof, note: noteOf(20) })),
    422,
    /not show/,
  );
  t.equal(openCheckpoint((await witness.state.read(origin))!.note, [log]).size, 20);
  is(
    await newWitness(t).addCheckpoint(formatAddCheckpoint({ oldSize: 0, proof, note: noteOf(30) })),
    422,
    /not show/,
  );
});

await t.test('refuses what the log has not signed, and logs that it does not follow', async (t) => {
  const witness = newWitness(t);
  const stranger = generateKeyPairSync('ed25519').privateKey;
  const ask = (note: string) => witness.addCheckpoint(formatAddCheckpoint({ oldSize: 0, proof: [], note }));
  is(await ask(noteOf(3, undefined, stranger)), 403, /nobody who is known has signed/);
  is(await ask(noteOf(3).replace('\n3\n', '\n4\n')), 403, /signature of .* is bad/);
  const root = leaves[0]!;
  is(await ask(signCheckpoint({ origin: 'other/log', size: 3, root }, logKey)), 404, /does not follow/);
  is(await witness.addCheckpoint(await shown(3, 4)), 400, /larger than/);
});

for (const [what, body] of Object.entries({
  nothing: '',
  'no checkpoint': 'old 0\n',
  'no old size': `\n\n${noteOf(3)}`,
  'a leading zero': `old 03\n\n${noteOf(3)}`,
  'a line that is no hash': `old 2\nxyz\n\n${noteOf(3)}`,
  'a hash of 31 bytes': `old 2\n${Buffer.alloc(31).toString('base64')}\n\n${noteOf(3)}`,
  '64 hashes': `old 2\n${`${Buffer.alloc(32).toString('base64')}\n`.repeat(64)}\n${noteOf(3)}`,
  'a note that is none': `old 0\n\nx\n`,
}))
  await t.test(`refuses as a request: ${what}`, async (t) => {
    t.equal((await newWitness(t).addCheckpoint(body)).status, 400);
  });

await t.test('reads the requests that it writes', (t) => {
  const asked = { oldSize: 7, proof: [leaves[0]!, leaves[1]!], note: noteOf(9) };
  t.same(parseAddCheckpoint(formatAddCheckpoint(asked)), asked);
  t.end();
});

await t.test('of checkpoints that come at once, in two processes, one continues the last', async (t) => {
  const first = newWitness(t);
  const second = newWitness(t, first.folder);
  await first.addCheckpoint(await shown(10, 0));
  let size = 10;
  for (let round = 0; round < 20; round++) {
    const asked = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((more) => shown(size + more, size)));
    const answers = await Promise.all(
      asked.map((body, i) => (i % 2 === 0 ? first : second).addCheckpoint(body)),
    );
    const cosigned = answers.filter(({ status }) => status === 200);
    t.equal(cosigned.length, 1);
    t.equal(answers.filter(({ status }) => status === 409).length, 7);
    const last = openCheckpoint((await first.state.read(origin))!.note, [log]);
    t.ok((await second.state.read(origin))!.note.endsWith(cosigned[0]!.body));
    size = last.size;
  }
});

await t.test('a process that was asleep takes no step back', async (t) => {
  const { state, folder } = newWitness(t);
  for (let version = 0; version < 6; version++)
    t.ok(await state.replace(origin, version, `${version + 1}\n`));
  for (let version = 0; version < 6; version++) t.notOk(await state.replace(origin, version, 'late\n'));
  t.strictSame(await state.read(origin), { version: 6, note: '6\n' });
  t.strictSame(
    readdirSync(folder).toSorted(),
    [5, 6].map((version) => `${originHash(origin)}.${version}`),
  );
  t.equal(readFileSync(join(folder, `${originHash(origin)}.6`), 'utf8'), '6\n');
});

await t.test(
  'what could not be kept is not cosigned, and what was kept all the same is gone on from',
  async (t) => {
    let fault: 'before' | 'after' | null = null;
    const witness = newWitness(t, newFolder(t), (state) => ({
      read: (log) => state.read(log),
      settle: () => state.settle(),
      async replace(...given) {
        if (fault === 'before') throw new Error('the disk is full');
        const done = await state.replace(...given);
        if (fault === 'after') throw new Error('the answer was lost');
        return done;
      },
    }));
    await witness.addCheckpoint(await shown(254, 0));
    fault = 'before';
    await t.rejects(witness.addCheckpoint(await shown(256, 254)));
    fault = null;
    is(await witness.addCheckpoint(await shown(257, 254)), 200, /^— /);
    fault = 'after';
    await t.rejects(witness.addCheckpoint(await shown(260, 257)));
    fault = null;
    is(await witness.addCheckpoint(await shown(270, 257)), 409, /^260\n$/);
    is(await witness.addCheckpoint(await shown(270, 260)), 200, /^— /);
  },
);

await t.test('keeps no signature but those of the log and its own, whatever a stranger adds', async (t) => {
  const witness = newWitness(t);
  const junk = '— x AAAAAAAA\n'.repeat(99);
  const ask = (note: string, oldSize: number, proof: Awaited<ReturnType<typeof proveConsistency>> = []) =>
    witness.addCheckpoint(formatAddCheckpoint({ oldSize, proof, note }));
  const answer = await ask(noteOf(20) + junk, 0);
  is(answer, 200, /^— witness/);
  t.equal((await witness.state.read(origin))!.note, noteOf(20) + answer.body);
  const forged = `— ${witnessVerifier.name} ${answer.body.trim().split(' ')[2]!.slice(0, 8)}AAAA\n`;
  const version = (await witness.state.read(origin))!.version;
  is(await ask(noteOf(20) + forged, 20), 200, /^— witness/);
  t.equal((await witness.state.read(origin))!.version, version, 'the same once more writes nothing');
  is(await ask(noteOf(30) + forged, 20, await proveConsistency(20, 30, tiles)), 200, /^— witness/);
  const kept = (await witness.state.read(origin))!.note;
  t.equal(openNote(kept, [log, witnessVerifier]).signers.length, 2);
});

await t.test(
  'tells of another checkpoint of the same size, whatever size it is said to continue',
  async (t) => {
    const witness = newWitness(t);
    await witness.addCheckpoint(await shown(20, 0));
    const note = noteOf(20, leaves[0]);
    is(await witness.addCheckpoint(formatAddCheckpoint({ oldSize: 0, proof: [], note })), 409, /^20\n$/);
    t.equal(witness.splitViews.length, 1);
    const empty = noteOf(0, leaves[0]);
    is(
      await witness.addCheckpoint(formatAddCheckpoint({ oldSize: 0, proof: [], note: empty })),
      400,
      /another root/,
    );
  },
);

await t.test('of two logs that it follows, one takes nothing from what it keeps of the other', async (t) => {
  const otherLog = verifierOf('other/log', generateKeyPairSync('ed25519').privateKey);
  const state = openWitnessState(newFolder(t));
  const witness = createWitness({
    name: witnessVerifier.name,
    key: witnessKey,
    logs: [log, otherLog],
    state,
    now: () => at,
    onSplitView: () => undefined,
  });
  const id = Buffer.alloc(4);
  id.writeUInt32BE(otherLog.keyId);
  const junk = `— other/log ${Buffer.concat([id, Buffer.alloc(64)]).toString('base64')}\n`;
  const [text, own] = noteOf(20).split('\n\n') as [string, string];
  const note = `${text}\n\n${junk}${junk}${own}`;
  is(await witness.addCheckpoint(formatAddCheckpoint({ oldSize: 0, proof: [], note })), 200, /^— witness/);
  t.equal(openCheckpoint((await state.read(origin))!.note, [log]).size, 20);
});
