import { createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Command } from '../command.ts';
import { ConfigError, type Config } from '../config.ts';
import { UserError } from '../errors.ts';
import { readLogKey } from '../keys.ts';
import { opensCommitment } from './entry.ts';
import { decodeBase64, NoteError, parseVerifierKey, verifierKey } from './note.ts';
import { verifyProof } from './proof.ts';

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
    summary: 'check a receipt: that the log holds its entry, and that a body is the one that was sent',
    needs: 'home',
    options: [
      { flags: '--receipt <file>', description: 'the receipt, as the gateway answered it', required: true },
      { flags: '--body <file>', description: 'the body that was received, byte by byte' },
      { flags: '--salt <base64>', description: "Exchange-Salt of the answer; default the receipt's own" },
      {
        flags: '--key <verifier key>',
        description: 'what "audit key" prints; default from the own key file',
      },
    ],
    run: async ({ options, config }) => {
      const receipt = parseReceipt(
        options.receipt as string,
        await readText('--receipt', options.receipt as string),
      );
      const { index, size, entry } = checkReceipt(receipt, (options.key as string) ?? ownVerifierKey(config));
      const bound =
        typeof options.body === 'string' ? await checkBody(options.body, receipt, entry, options.salt) : null;
      const lines = [
        `entry ${index} is in the log, under a signed checkpoint of ${size} entries`,
        ...(bound === null ? [] : ['the body is the one that was sent']),
      ];
      return { json: { index, size, body: bound }, text: lines.join('\n') };
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

function checkReceipt(
  { entry, proof }: Receipt,
  key: string,
): { index: number; size: number; entry: Record<string, unknown> } {
  try {
    const { index, checkpoint } = verifyProof(proof, entry, [parseVerifierKey(key)]);
    return { index, size: checkpoint.size, entry: JSON.parse(entry.toString()) as Record<string, unknown> };
  } catch (error) {
    if (error instanceof NoteError) throw new UserError(`the receipt does not hold: ${error.message}`);
    throw error;
  }
}

async function checkBody(
  file: string,
  receipt: Receipt,
  entry: Record<string, unknown>,
  given: unknown,
): Promise<true> {
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
