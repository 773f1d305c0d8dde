import { readFile } from 'node:fs/promises';
import type { CommandInput, CommandResult } from './command.ts';
import { UserError } from '../base/errors.ts';
import { opensCommitment } from '../audit/subjects.ts';
import { decodeBase64, type Verifier } from '../transparency/note.ts';
import { expectValid } from '../audit/expect-valid.ts';
import { verifyProof } from '../transparency/proof.ts';

interface ReceiptFile {
  entry: Buffer;
  proof: string;
  salt: string | undefined;
}

/**
 * Checks a receipt with nothing but the log's verifier keys, and the body that came with it where it is given.
 *
 * @throws UserError when one of them is not what it should be
 */
export async function checkReceipt(
  file: string,
  verifiers: readonly Verifier[],
  options: CommandInput['options'],
): Promise<CommandResult> {
  const receipt = parseReceipt(file, await readText('--receipt', file));
  const { index, checkpoint } = expectValid('the receipt', () =>
    verifyProof(receipt.proof, receipt.entry, verifiers),
  );
  const body = typeof options.body === 'string' ? await checkBody(options.body, receipt, options.salt) : null;
  const lines = [
    `entry ${index} is in the log, under a signed checkpoint of ${checkpoint.size} entries`,
    ...(body === null ? [] : ['the body is the one that was sent']),
  ];
  return { json: { index, size: checkpoint.size, body }, text: lines.join('\n') };
}

function parseReceipt(file: string, text: string): ReceiptFile {
  try {
    const { entry, proof, salt } = JSON.parse(text) as Record<string, unknown>;
    const bytes = typeof entry === 'string' ? decodeBase64(entry) : null;
    if (bytes !== null && typeof proof === 'string' && (salt === undefined || typeof salt === 'string'))
      return { entry: Buffer.from(bytes), proof, salt };
  } catch {
    // Said below, without the parser's message: it quotes the file.
  }
  throw new UserError(`${file}: is no receipt: JSON with "entry" in base64 and "proof" is expected`);
}

async function checkBody(file: string, receipt: ReceiptFile, given: unknown): Promise<true> {
  const entry = JSON.parse(receipt.entry.toString()) as { body?: unknown };
  const text = typeof given === 'string' ? given : receipt.salt;
  if (text === undefined) throw new UserError('--salt: required, because the receipt has none');
  const salt = decodeBase64(text);
  if (salt?.length !== 32) throw new UserError('--salt: is not 32 bytes in base64');
  if (typeof entry.body !== 'string')
    throw new UserError('the entry is bound to no body: nothing was released');
  const body = await readFile(file).catch(unreadable('--body', file));
  if (!opensCommitment(entry.body, Buffer.from(salt), body))
    throw new UserError(`${file}: is not the body that was sent, or the salt is that of another exchange`);
  return true;
}

/** @throws UserError naming the option and the file */
export function readText(option: string, file: string): Promise<string> {
  return readFile(file, 'utf8').catch(unreadable(option, file));
}

function unreadable(option: string, file: string) {
  return (error: unknown): never => {
    throw new UserError(`${option}: cannot read ${file} (${(error as NodeJS.ErrnoException).code})`, {
      cause: error,
    });
  };
}
