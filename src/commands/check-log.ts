import type { CommandInput, CommandResult } from './command.ts';
import { UserError } from '../base/errors.ts';
import { readText } from './check-receipt.ts';
import { expectValid } from '../audit/expect-valid.ts';
import { openCheckpoint, type Checkpoint } from '../transparency/checkpoint.ts';
import { checkpointFile } from '../audit/publishing/checkpoint-file.ts';
import { NoteError, type Verifier } from '../transparency/note.ts';
import { dropSizeBounds, trustSuccessions } from '../transparency/succession.ts';
import { LogFormatError } from '../transparency/tiles-source.ts';
import { verifyLog, type LogSource, type LogVerdict } from '../transparency/verify-log.ts';

export interface LogCheck {
  /** Those that are trusted; the log may tell of others that they trust. */
  keys: readonly Verifier[];
  files: string[];
  /** Where a gateway keeps the last checkpoint that it has seen. */
  home: string | null;
  progress: CommandInput['progress'];
}

/** The whole log, against the checkpoints in it, the one in the home, and those given. */
export async function checkLog(
  source: LogSource,
  { keys, files, home, progress }: LogCheck,
): Promise<CommandResult> {
  const successions = await source.successions().catch(unreadableLog);
  const verifiers = expectValid('the succession of keys', () => trustSuccessions(keys, successions));
  // What somebody kept may be larger than what its key counts for by now: that is what was lost.
  const anySize = dropSizeBounds(verifiers);
  const outside: Checkpoint[] = [];
  const newest = new Set(keys.map(({ name }) => name));
  for (const key of verifiers.filter(({ name }) => newest.has(name))) {
    if (home === null) break;
    const own = checkpointFile(home, key);
    const kept = own.read();
    if (kept !== null) outside.push(expectValid(own.path, () => openCheckpoint(kept, anySize)));
  }
  for (const file of files) {
    const note = await readText('--checkpoint', file);
    outside.push(expectValid(file, () => openCheckpoint(note, anySize)));
  }
  const onProgress = (done: number, total: number): void => progress(done, total, 'checking entries');
  const verdict = await verifyLog(source, { verifiers, outside, progress: onProgress }).catch(unreadableLog);
  return describeLog(verdict, outside.length);
}

function unreadableLog(error: unknown): never {
  if (error instanceof LogFormatError || error instanceof NoteError)
    throw new UserError(`the audit log can't be read: ${error.message}`, { cause: error });
  throw error;
}

/** What is said of a log that is whole. @throws UserError that says what is not as it was written */
export function describeLog({ findings, more, ...verdict }: LogVerdict, outside: number): CommandResult {
  if (findings.length > 0)
    throw new UserError(
      [
        'the audit log is not as it was written:',
        ...findings.map(({ what }) => `  ${what}`),
        ...(more ? ['  and more'] : []),
      ].join('\n'),
    );
  const { entries, checkpoints, uncovered, archived } = verdict;
  const lines = [
    `${entries - archived} entries and ${checkpoints} checkpoints are as they were written`,
    ...(archived > 0
      ? [
          `${archived} entries are archived and were not looked at: their hashes are those that the checkpoints cover; ` +
            'for the entries themselves, give --archive',
        ]
      : []),
    ...(outside > 0 ? [`the log continues the ${outside} checkpoints kept outside`] : []),
    ...(uncovered > 0 ? [`the last ${uncovered} entries are covered by no checkpoint yet`] : []),
  ];
  return { json: { ...verdict, outside }, text: lines.join('\n') };
}
