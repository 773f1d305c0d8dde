import { administer, withClient } from './administer.ts';
import { type Command, type CommandInput, type CommandResult } from './command.ts';
import { reasonOption } from '../catalogue/recorded-text.ts';
import { parseOrigin as parseLogOrigin } from '../base/config.ts';
import { UserError } from '../base/errors.ts';
import { commandLineActor } from '../audit/act.ts';
import { describeLog } from './check-log.ts';
import { readText } from './check-receipt.ts';
import { expectValid } from '../audit/expect-valid.ts';
import { openCheckpoint } from '../transparency/checkpoint.ts';
import { parseVerifierKey } from '../transparency/note.ts';
import { databaseSource } from '../audit/database-source.ts';
import { checkpointFile } from '../audit/publishing/checkpoint-file.ts';
import { ownSigner, readSigner } from './own-key.ts';
import { verifierOf } from '../transparency/node/sign.ts';
import { reopenLog } from '../audit/change-log-key.ts';
import { dropSizeBounds, trustSuccessions } from '../transparency/succession.ts';
import { findLastCheckpoint } from '../audit/stored-log.ts';
import { verifyLog } from '../transparency/verify-log.ts';

export const reopenCommand: Command = {
  name: 'audit reopen',
  summary: 'open a log anew that lost entries, a database restored from a backup say, under another origin',
  needs: 'administer',
  options: [
    { flags: '--origin <name>', description: "the log's name from now on", required: true },
    { flags: '--reason <text>', description: 'what has happened: it goes into the entry', required: true },
    {
      flags: '--checkpoint <file>',
      description: "the last one that was seen; default the one in ONEVISIT_HOME, or else the database's",
    },
    {
      flags: '--key <verifier key...>',
      description:
        'other keys of the log that may have signed that checkpoint: the database may have lost them',
    },
    { flags: '--new-key <file>', description: 'another Ed25519 private key in PEM form; default the same' },
  ],
  run: reopen,
};

async function reopen({ options, config, progress }: CommandInput): Promise<CommandResult> {
  const from = ownSigner(config);
  const name = originOption(String(options.origin));
  const to =
    typeof options.newKey === 'string' ? readSigner('--new-key', options.newKey, name) : { ...from, name };
  const old = verifierOf(from.name, from.key);
  const file = typeof options.checkpoint === 'string' ? options.checkpoint : null;
  const kept = file === null ? checkpointFile(config.home, old).read() : await readText('--checkpoint', file);
  const given = [options.key ?? []]
    .flat()
    .map((line) => expectValid('--key', () => parseVerifierKey(String(line))));
  const { own, verifiers } = await withClient(config, async (client) => {
    const source = databaseSource(client);
    const successions = await source.successions();
    const trusted = expectValid('the succession of keys', () =>
      trustSuccessions([old, ...given], successions),
    );
    const verdict = await verifyLog(source, {
      verifiers: trusted,
      progress: (done, total) => progress(done, total, 'checking entries'),
    });
    describeLog(verdict, 0);
    return { own: (await findLastCheckpoint(client))?.note ?? null, verifiers: trusted };
  });
  // What nobody kept outside, the database may still have.
  const note = kept ?? own;
  const what = file ?? (kept === null ? "the database's last checkpoint" : 'the checkpoint in ONEVISIT_HOME');
  const seen =
    note === null
      ? null
      : { note, checkpoint: expectValid(what, () => openCheckpoint(note, dropSizeBounds(verifiers))) };
  const lost = { reason: reasonOption(options.reason), last: seen };
  const done = await administer(config, (database) =>
    reopenLog(database, commandLineActor(), { from, to }, lost),
  );
  const text = [
    `the log is opened anew as ${name}; entry ${done.entry} is its first, and tells of ${from.name}` +
      (seen === null ? '' : ` and its checkpoint of ${seen.checkpoint.size} entries`),
    `set LOG_ORIGIN to ${name}${to.key === from.key ? '' : `, LOG_KEY_FILE to ${String(options.newKey)}`} and start every gateway again`,
    `tell witnesses and verifiers the new key: ${done.to.line}`,
  ].join('\n');
  return {
    json: {
      entry: done.entry,
      origin: name,
      verifier_key: done.to.line,
      last_size: seen?.checkpoint.size ?? null,
    },
    text,
  };
}

function originOption(text: string): string {
  try {
    return parseLogOrigin(text);
  } catch (error) {
    throw new UserError(`--origin: ${(error as Error).message}`, { cause: error });
  }
}
