import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expectValid } from '../audit/expect-valid.ts';
import { parseVerifierKey, type Verifier } from '../transparency/note.ts';
import { verifierKey } from '../transparency/node/sign.ts';
import type { Command, CommandInput } from './command.ts';
import { describeError } from '../base/describe-error.ts';
import { UserError } from '../base/errors.ts';
import { openWitnessState, originHash } from '../witness/state.ts';
import { createWitness } from '../witness/witness.ts';
import { buildWitnessServer } from '../witness/witness-routes.ts';

export const commands: Command[] = [
  {
    name: 'witness',
    summary: 'run a witness of audit logs: cosigns each checkpoint that continues the last one it has seen',
    needs: 'home',
    options: [
      {
        flags: '--log <verifier key...>',
        description:
          'the logs to follow: what "audit key" prints; after a change of key, the old one and the new one',
        required: true,
      },
      {
        flags: '--name <name>',
        description: "the witness's name in its signatures, its host name say",
        required: true,
      },
      {
        flags: '--state <folder>',
        description: 'where checkpoints are kept; default "witness" in ONEVISIT_HOME',
      },
      {
        flags: '--key <file>',
        description: 'its Ed25519 private key in PEM; default in the state, made when missing',
      },
      { flags: '--host <address>', description: 'where it listens', default: '127.0.0.1' },
      { flags: '--port <port>', description: 'where it listens; 0 takes a free one', default: '8090' },
    ],
    run: runWitness,
  },
];

async function runWitness({ options, config }: CommandInput): Promise<void> {
  const stopping = new Promise<void>((done) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => done());
  });
  const name = String(options.name);
  const logs = [options.log ?? []].flat().map((line) => parseLog(String(line)));
  const folder = resolve(typeof options.state === 'string' ? options.state : join(config.home, 'witness'));
  const key = readKey(folder, options.key);
  const own = expectValid('--name', () => verifierKey(name, key, 'witness'));
  const state = openWitnessState(folder);
  const origins = [...new Set(logs.map((log) => log.name))];
  const warn = (line: string): void => void process.stderr.write(`onevisit: ${line}\n`);
  const witness = createWitness({
    name,
    key,
    logs,
    state,
    now: () => new Date(),
    onSplitView: (seen, other) =>
      warn(`two signed checkpoints of one size that differ; keep both:\n${seen}\n${other}`),
  });
  const app = buildWitnessServer({
    witness,
    state,
    origins,
    onFailure: (error) => warn(`a checkpoint could not be kept: ${JSON.stringify(describeError(error))}`),
  });
  const url = await startListening(app, {
    host: String(options.host),
    port: portOption(String(options.port)),
  });
  const lines = [
    `The witness listens on ${url}; its checkpoints are in ${folder}`,
    `verifier key: ${own}`,
    ...origins.map((origin) => `follows ${origin}: ${url}/${originHash(origin)}/checkpoint`),
  ];
  process.stdout.write(
    options.json === true
      ? `${JSON.stringify({ url, verifier_key: own, origins })}\n`
      : `${lines.join('\n')}\n`,
  );
  await stopping;
  await app.close();
}

function parseLog(line: string): Verifier {
  const log = expectValid('--log', () => parseVerifierKey(line));
  if (log.kind !== 'log') throw new UserError('--log: is the verifier key of a witness, not of a log');
  return log;
}

/** @throws UserError when the key can't be read, or made */
function readKey(folder: string, given: unknown): KeyObject {
  const file = typeof given === 'string' ? given : join(folder, 'witness-key.pem');
  try {
    if (typeof given !== 'string' && !existsSync(file)) {
      mkdirSync(folder, { recursive: true });
      const { privateKey } = generateKeyPairSync('ed25519');
      writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' });
    }
    const key = createPrivateKey(readFileSync(file));
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (/^E[A-Z]+$/.test(code))
      throw new UserError(`--key: cannot read or make ${file} (${code})`, { cause: error });
  }
  throw new UserError(`--key: ${file} is not an Ed25519 private key in PEM form`);
}

function portOption(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new UserError(`--port: "${text}" is not a port`);
  return Number(text);
}

async function startListening(
  app: ReturnType<typeof buildWitnessServer>,
  address: { host: string; port: number },
): Promise<string> {
  try {
    return await app.listen(address);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError(`can't listen on ${address.host}:${address.port} (${code})`, {
      cause: error,
    });
  }
}
