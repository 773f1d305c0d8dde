/** For tests of witnesses: one that listens on a port of its own. */
import { generateKeyPairSync } from 'node:crypto';
import type { Test } from 'tap';
import type { Verifier } from '../../src/transparency/note.ts';
import { verifierKey, verifierOf } from '../../src/transparency/node/sign.ts';
import { newFolder } from './folder.ts';
import { keys, logOrigin } from './keys.ts';
import { openWitnessState, type WitnessState } from '../../src/witness/state.ts';
import { createWitness } from '../../src/witness/witness.ts';
import { buildWitnessServer } from '../../src/witness/witness-routes.ts';

export interface ServedWitness {
  url: string;
  key: string;
  verifier: Verifier;
  state: WitnessState;
  folder: string;
  failures: unknown[];
  splitViews: number;
  /** Stops answering; what it has seen is kept. */
  stop(): Promise<void>;
  /** Answers again, at the same address. */
  start(): Promise<void>;
}

/** A witness of the tests' log that listens on a port of its own until the end of the test. */
export async function serveWitness(
  t: Test,
  { wrap = (state) => state }: { wrap?: (state: WitnessState) => WitnessState } = {},
): Promise<ServedWitness> {
  const name = 'witness.test/w1';
  const { privateKey } = generateKeyPairSync('ed25519');
  const folder = newFolder(t);
  const state = wrap(openWitnessState(folder));
  let app: ReturnType<typeof buildWitnessServer> | null = null;
  let port = 0;
  const served: ServedWitness = {
    url: '',
    key: verifierKey(name, privateKey, 'witness'),
    verifier: verifierOf(name, privateKey, 'witness'),
    state,
    folder,
    failures: [],
    splitViews: 0,
    async stop() {
      await app?.close();
      app = null;
    },
    async start() {
      const witness = createWitness({
        name,
        key: privateKey,
        logs: [verifierOf(logOrigin, keys.log)],
        state,
        now: () => new Date(),
        onSplitView: () => served.splitViews++,
      });
      app = buildWitnessServer({
        witness,
        state,
        origins: [logOrigin],
        onFailure: (error) => served.failures.push(error),
      });
      served.url = await app.listen({ port, host: '127.0.0.1' });
      port = Number(new URL(served.url).port);
    },
  };
  await served.start();
  t.teardown(() => served.stop());
  return served;
}
