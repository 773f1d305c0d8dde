import { administer } from './administer.ts';
import { type Command, type CommandInput, type CommandResult } from './command.ts';
import { commandLineActor } from '../audit/act.ts';
import { ownSigner, readSigner } from './own-key.ts';
import { changeLogKey } from '../audit/change-log-key.ts';

export const rotateCommand: Command = {
  name: 'audit rotate',
  summary: "let another key sign the log's checkpoints from now on; the old ones stay verifiable",
  needs: 'administer',
  options: [{ flags: '--new-key <file>', description: 'an Ed25519 private key in PEM form', required: true }],
  run: changeKey,
};

async function changeKey({ options, config }: CommandInput): Promise<CommandResult> {
  const from = ownSigner(config);
  const file = String(options.newKey);
  const to = readSigner('--new-key', file, config.logOrigin);
  const done = await administer(config, (database) => changeLogKey(database, commandLineActor(), from, to));
  const text = [
    `from entry ${done.entry} on the log is signed with ${done.to.line}`,
    `set LOG_KEY_FILE to ${file} and start every gateway again; until one has it, nothing is signed`,
    'tell witnesses and verifiers the new key; the old one verifies what it has signed, and leads to the new one',
  ].join('\n');
  return { json: { entry: done.entry, verifier_key: done.to.line, old_verifier_key: done.from.line }, text };
}
