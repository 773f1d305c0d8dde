import { createReadStream } from 'node:fs';
import type { CommandInput, CommandResult } from './command.ts';
import { UserError } from '../base/errors.ts';
import { NoteError, type Verifier } from '../transparency/note.ts';
import { ExportFormatError, verifyExport } from '../audit/export/verify-export.ts';

/**
 * Checks a file that `POST /v1/audit/export` answered as NDJSON, with nothing but the log's verifier keys.
 *
 * @throws UserError that says what is not as the log has it
 */
export async function checkExport(
  file: string,
  verifiers: readonly Verifier[],
  progress: CommandInput['progress'],
): Promise<CommandResult> {
  const verdict = await verifyExport(readLines(file), {
    verifiers,
    progress: (entries) => progress(entries, entries, 'checking entries'),
  }).catch((error: unknown) => refuse(file, error));
  const { entries, sizes, filter, from, findings, more } = verdict;
  if (findings.length > 0)
    throw new UserError(
      [
        `${file} is not as the log has it:`,
        ...findings.map(({ what }) => `  ${what}`),
        ...(more ? ['  and more'] : []),
      ].join('\n'),
    );
  const size = Math.max(...sizes);
  return {
    json: { entries, size, filter, from },
    text: [
      `${entries} entries are in the log, under a signed checkpoint of ${size} entries, and none was taken out`,
      ...(from > 0 ? [`entries before ${from} were archived, and are not in the file`] : []),
      `the filter was ${JSON.stringify(filter)}`,
    ].join('\n'),
  };
}

function refuse(file: string, error: unknown): never {
  if (error instanceof ExportFormatError || error instanceof NoteError)
    throw new UserError(`${file} does not hold: ${error.message}`, { cause: error });
  if (error instanceof Error && 'code' in error)
    throw new UserError(`--ndjson: cannot read ${file} (${String(error.code)})`, { cause: error });
  throw error;
}

/** No line of an export is longer: an entry of 64 KiB, and its proof. */
const maxLineLength = 1024 * 1024;

/**
 * Lines as NDJSON has them: JSON may hold what other readers take for the end of one (U+2028).
 *
 * @throws ExportFormatError when one is longer than an export's lines are
 */
async function* readLines(file: string): AsyncGenerator<string, void, undefined> {
  let rest = '';
  for await (const chunk of createReadStream(file, 'utf8') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    yield* lines;
    if (rest.length > maxLineLength)
      throw new ExportFormatError('a line of it is longer than the lines of an export are');
  }
  if (rest !== '') yield rest;
}
