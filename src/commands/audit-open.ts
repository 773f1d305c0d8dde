import { text as readStream } from 'node:stream/consumers';
import type { Command } from './command.ts';
import { UserError } from '../base/errors.ts';
import { readAuditKey } from '../base/keys.ts';
import { readText } from './check-receipt.ts';
import { openSeal, SealError, unwrapDataKey } from '../audit/sealing/open.ts';
import { parseWrappedKey, type SealedSubjects } from '../audit/sealing/find-sealed.ts';

export const openCommand: Command = {
  name: 'audit open',
  args: '[file]',
  summary:
    "open on the auditor's machine what a gateway answered to an opening, from a file or standard input",
  needs: 'home',
  options: [
    {
      flags: '--key <file>',
      description: "the audit office's private key, X25519 in PEM form",
      required: true,
    },
  ],
  run: async ({ args, options }) => {
    const { key, faults } = readAuditKey(String(options.key), '--key');
    if (key === null) throw new UserError(faults.join('; '));
    const [file] = args;
    const fromFile = file !== undefined && file !== '-';
    const what = fromFile ? file : 'standard input';
    const answer = fromFile ? await readText('the answer', file) : await readStream(process.stdin);
    const { index, entry, dataset, sealed, data_key, wrapped_key } = parseAnswer(what, answer);
    try {
      const ids = openSeal(sealed, unwrapDataKey(wrapped_key, data_key, key), entry);
      return { json: { index, entry, dataset: dataset ?? null, ids }, text: ids.join('\n') };
    } catch (error) {
      if (error instanceof SealError) throw new UserError(`${what}: ${error.message}`, { cause: error });
      throw error;
    }
  },
};

function parseAnswer(what: string, text: string): SealedSubjects {
  try {
    const { index, entry, dataset, sealed, data_key, wrapped_key } = JSON.parse(text) as Record<
      string,
      unknown
    >;
    const wrapped = parseWrappedKey(wrapped_key);
    if (
      typeof index === 'number' &&
      typeof entry === 'string' &&
      typeof sealed === 'string' &&
      typeof data_key === 'string' &&
      (dataset === undefined || typeof dataset === 'string') &&
      wrapped !== null
    )
      return { index, entry, dataset, sealed, data_key, wrapped_key: wrapped };
  } catch {
    // Said below, without the parser's message: it quotes the text.
  }
  throw new UserError(`${what}: is not what POST /v1/audit/entries/{index}/open answers`);
}
