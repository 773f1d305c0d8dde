import { createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import { withAdminUrl } from '../admin.ts';
import { listOption, type Command, type CommandInput, type CommandResult } from '../command.ts';
import { ConfigError, type Config } from '../config.ts';
import { openDatabase } from '../db/database.ts';
import { UserError } from '../errors.ts';
import { readLogKey } from '../keys.ts';
import { openCheckpoint, type Checkpoint } from './checkpoint.ts';
import { databaseSource } from './database-source.ts';
import { opensCommitment } from './entry.ts';
import { checkpointFile } from './kept-checkpoint.ts';
import { decodeBase64, NoteError, parseVerifierKey, verifierKey, type Verifier } from './note.ts';
import { verifyProof } from './proof.ts';
import { verifyLog } from './verify.ts';

export const auditCommands: Command[] = [
  {
    name: 'audit key',
    summary: "print the verifier key of the audit log's checkpoints",
    needs: 'home',
    run: ({ config }) => {
      const line = ownVerifierKey(config);
      return Promise.resolve({ json: { verifier_key: line, origin: config.logOrigin }, text: line });
    },
  },
  {
    name: 'audit verify',
    summary: 'check the whole audit log in the database, or one receipt',
    needs: 'home',
    options: [
      {
        flags: '--checkpoint <file...>',
        description: 'signed checkpoints that somebody kept: the log must continue each',
      },
      { flags: '--receipt <file>', description: 'check this receipt alone, as the gateway answered it' },
      { flags: '--body <file>', description: 'with a receipt: the body that was received, byte by byte' },
      { flags: '--salt <base64>', description: "with a body: Exchange-Salt; default the receipt's own" },
      {
        flags: '--key <verifier key>',
        description: 'what "audit key" prints; default from the own key file',
      },
    ],
    run: async ({ options, config, progress }) => {
      const key = typeof options.key === 'string' ? options.key : ownVerifierKey(config);
      if (typeof options.receipt === 'string') return checkReceipt(options.receipt, key, options);
      for (const name of ['body', 'salt'])
        if (options[name] !== undefined) throw new UserError(`--${name}: goes with --receipt`);
      return checkLog(config, key, listOption(options.checkpoint), progress);
    },
  },
];

interface Receipt {
  entry: Buffer;
  proof: string;
  salt: string | undefined;
}

/** @throws ConfigError, UserError when there is no own key */
function ownVerifierKey(config: Config): string {
  const file = config.keyFiles.LOG_KEY_FILE;
  if (file === undefined) throw new UserError('LOG_KEY_FILE: required when DATABASE_URL is set');
  const { key, faults } = readLogKey(file);
  if (key === null) throw new ConfigError(faults);
  return verifierKey(config.logOrigin, createPublicKey(key));
}

function parseReceipt(file: string, text: string): Receipt {
  try {
    const { entry, proof, salt } = JSON.parse(text) as Record<string, unknown>;
    const bytes = typeof entry === 'string' ? decodeBase64(entry) : null;
    if (bytes !== null && typeof proof === 'string' && (salt === undefined || typeof salt === 'string'))
      return { entry: bytes, proof, salt };
  } catch {
    // Said below, without the parser's message: it quotes the file.
  }
  throw new UserError(`${file}: is no receipt: JSON with "entry" in base64 and "proof" is expected`);
}

async function checkReceipt(
  file: string,
  key: string,
  options: CommandInput['options'],
): Promise<CommandResult> {
  const receipt = parseReceipt(file, await readText('--receipt', file));
  const verifier = parseKey(key);
  const { index, checkpoint } = holding('the receipt', () =>
    verifyProof(receipt.proof, receipt.entry, [verifier]),
  );
  const body = typeof options.body === 'string' ? await checkBody(options.body, receipt, options.salt) : null;
  const lines = [
    `entry ${index} is in the log, under a signed checkpoint of ${checkpoint.size} entries`,
    ...(body === null ? [] : ['the body is the one that was sent']),
  ];
  return { json: { index, size: checkpoint.size, body }, text: lines.join('\n') };
}

/** What must hold for the command to go on. @throws UserError instead of a NoteError */
function holding<T>(what: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof NoteError) throw new UserError(`${what} does not hold: ${error.message}`);
    throw error;
  }
}

function parseKey(key: string): Verifier {
  return holding('--key', () => parseVerifierKey(key));
}

/** The whole log in the database, against the checkpoints in it, the one in the home, and those given. */
async function checkLog(
  config: Config,
  key: string,
  files: string[],
  progress: CommandInput['progress'],
): Promise<CommandResult> {
  const verifier = parseKey(key);
  const outside: Checkpoint[] = [];
  const own = checkpointFile(config.home, verifier);
  const kept = own.read();
  if (kept !== null) outside.push(holding(own.path, () => openCheckpoint(kept, [verifier])));
  for (const file of files) {
    const note = await readText('--checkpoint', file);
    outside.push(holding(file, () => openCheckpoint(note, [verifier])));
  }
  const { findings, more, ...verdict } = await withDatabase(config, (pool) =>
    verifyLog(databaseSource(pool), {
      verifiers: [verifier],
      outside,
      progress: (done, total) => progress(done, total, 'checking entries'),
    }),
  );
  if (findings.length > 0)
    throw new UserError(
      [
        'the audit log is not as it was written:',
        ...findings.map(({ what }) => `  ${what}`),
        ...(more ? ['  and more'] : []),
      ].join('\n'),
    );
  const { entries, checkpoints, uncovered } = verdict;
  const lines = [
    `${entries} entries and ${checkpoints} checkpoints are as they were written`,
    ...(outside.length > 0 ? [`the log continues the ${outside.length} checkpoints kept outside`] : []),
    ...(uncovered > 0 ? [`the last ${uncovered} entries are covered by no checkpoint yet`] : []),
  ];
  return { json: { ...verdict, outside: outside.length }, text: lines.join('\n') };
}

function withDatabase<T>(config: Config, work: (pool: pg.Pool) => Promise<T>): Promise<T> {
  const url = config.adminDatabaseUrl ?? config.databaseUrl;
  const onUrl = async (found: string): Promise<T> => {
    const { pool, close } = openDatabase(found, 'onevisit verify', { maxConnections: 1 });
    try {
      return await work(pool);
    } finally {
      await close();
    }
  };
  return url === null ? withAdminUrl(config, onUrl) : onUrl(url);
}

async function checkBody(file: string, receipt: Receipt, given: unknown): Promise<true> {
  const entry = JSON.parse(receipt.entry.toString()) as { body?: unknown };
  const text = typeof given === 'string' ? given : receipt.salt;
  if (text === undefined) throw new UserError('--salt: required, because the receipt has none');
  const salt = decodeBase64(text);
  if (salt?.length !== 32) throw new UserError('--salt: is not 32 bytes in base64');
  if (typeof entry.body !== 'string')
    throw new UserError('the entry is bound to no body: nothing was released');
  const body = await readFile(file).catch(unreadable('--body', file));
  if (!opensCommitment(entry.body, salt, body))
    throw new UserError(`${file}: is not the body that was sent, or the salt is that of another exchange`);
  return true;
}

function readText(option: string, file: string): Promise<string> {
  return readFile(file, 'utf8').catch(unreadable(option, file));
}

function unreadable(option: string, file: string) {
  return (error: unknown): never => {
    throw new UserError(`${option}: cannot read ${file} (${(error as NodeJS.ErrnoException).code})`, {
      cause: error,
    });
  };
}
