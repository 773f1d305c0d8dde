import { Command as Program, CommanderError, Option } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import type { Command, CommandInput } from './commands/command.ts';
import { readConfig, ConfigError, type Environment } from './base/config.ts';
import { describeError } from './base/describe-error.ts';
import { UserError } from './base/errors.ts';

/** The table of commands. Those of a word are imported when it is typed, because most need but a part of all. */
const commandsOf: Record<string, () => Promise<{ commands: Command[] }>> = {
  serve: () => import('./commands/serve.ts'),
  migrate: () => import('./commands/migrate.ts'),
  openapi: () => import('./commands/openapi.ts'),
  department: () => import('./commands/department.ts'),
  client: () => import('./commands/client.ts'),
  idp: () => import('./commands/idp.ts'),
  purpose: () => import('./commands/purpose.ts'),
  grant: () => import('./commands/grant.ts'),
  load: () => import('./commands/load.ts'),
  dataset: () => import('./commands/dataset.ts'),
  audit: () => import('./commands/audit.ts'),
  witness: () => import('./commands/witness.ts'),
  sandbox: () => import('./commands/sandbox.ts'),
  token: () => import('./commands/token.ts'),
};

const exitRefused = 1;
const exitWrongUsage = 2;
const undefinedTable = '42P01';
const insufficientPrivilege = '42501';
const lockNotAvailable = '55P03';

/** What the command line reads its settings from, and speaks to: the process, or a test. */
export interface Terminal {
  env: Environment;
  stdout: { write(text: string): unknown };
  stderr: { write(text: string): unknown; isTTY?: boolean };
}

/**
 * Runs one command.
 *
 * @param words as typed, without the program's name
 * @returns the exit code: 0 done, 1 refused or failed, 2 wrong usage
 */
export async function runCli(words: readonly string[], terminal: Terminal): Promise<number> {
  const program = new Program('onevisit')
    .description('OneVisit: a data-sharing API gateway between government departments')
    .version(packageJson.version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text),
    })
    .showHelpAfterError('(--help tells more)');
  const progress = createProgress(terminal.stderr);
  try {
    for (const command of await findCommands(words[0])) addCommand(program, command, terminal, progress);
    await program.parseAsync(words, { from: 'user' });
    return 0;
  } catch (error) {
    progress.clear();
    return explainFailure(error, terminal.stderr);
  }
}

/** The commands of a word; all of them when there is no such word, so that help can list them. */
async function findCommands(word = ''): Promise<Command[]> {
  const load = Object.hasOwn(commandsOf, word) ? [commandsOf[word]!] : Object.values(commandsOf);
  return (await Promise.all(load.map((each) => each()))).flatMap(({ commands }) => commands);
}

function addCommand(program: Program, command: Command, terminal: Terminal, progress: Progress): void {
  const [first, second] = command.name.split(' ') as [string, string?];
  const parent = second === undefined ? program : findOrAddGroup(program, first);
  const added = parent
    .command(`${second ?? first} ${command.args ?? ''}`.trim())
    .description(command.summary);
  for (const { flags, description, required, default: fallback } of command.options ?? []) {
    const option = new Option(flags, description).makeOptionMandatory(required === true);
    added.addOption(fallback === undefined ? option : option.default(fallback));
  }
  added.option('--json', 'one JSON document on stdout');
  added.exitOverride().action(async (...received: unknown[]) => {
    const options = received.at(-2) as CommandInput['options'];
    const args = received.slice(0, -2) as string[];
    const config = readConfig(command.needs, terminal.env);
    const result = await command.run({ args, options, config, progress: progress.show });
    progress.clear();
    if (result)
      terminal.stdout.write(`${options.json === true ? JSON.stringify(result.json) : result.text}\n`);
  });
}

function findOrAddGroup(program: Program, name: string): Program {
  const known = program.commands.find((command) => command.name() === name);
  if (known !== undefined) return known;
  return program
    .command(name)
    .description(`commands on ${name}: see "onevisit ${name} --help"`)
    .exitOverride();
}

interface Progress {
  show: CommandInput['progress'];
  clear(): void;
}

/** Shows how far long work is, in one line of a terminal. */
function createProgress(stderr: Terminal['stderr']): Progress {
  let lastShownMs = 0;
  let shown = false;
  return {
    show(done, total, what) {
      if (stderr.isTTY !== true || Date.now() - lastShownMs < 100) return;
      lastShownMs = Date.now();
      shown = true;
      stderr.write(`\r${what}: ${total === 0 ? 100 : Math.floor((100 * done) / total)}%`);
    },
    clear() {
      if (shown) stderr.write('\r\u001b[2K');
      shown = false;
    },
  };
}

/** Says why a command failed, in one line where the user can act on it; gives the exit code. */
function explainFailure(error: unknown, stderr: Terminal['stderr']): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitWrongUsage;
  stderr.write(`onevisit: ${reasonOf(error)}\n`);
  return exitRefused;
}

function reasonOf(error: unknown): string {
  if (error instanceof UserError || error instanceof ConfigError) return error.message;
  if (isUnreachable(error)) return `the database does not answer, or refuses the login (${error.code})`;
  switch ((error as { code?: unknown }).code) {
    case undefinedTable:
      return 'the database lacks a table of this program\'s: run "onevisit migrate"';
    case lockNotAvailable:
      return 'nothing was done, because others held the audit log or a table: run the same again';
    case insufficientPrivilege:
      return `this login may not do that in the database: ADMIN_DATABASE_URL must be its owner's (${(error as Error).message})`;
    default:
      return `failed unexpectedly: ${JSON.stringify(describeError(error))}`;
  }
}

function isUnreachable(error: unknown): error is NodeJS.ErrnoException {
  const { code } = error as { code?: unknown };
  return (
    typeof code === 'string' &&
    /^(ECONN\w+|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EPIPE|28\w{3}|3D000|57P0\d|08\w{3}|53300)$/.test(
      code,
    )
  );
}
