import { createPublicKey } from 'node:crypto';
import { text as readStream } from 'node:stream/consumers';
import pg from 'pg';
import { withAdminUrl } from '../admin.ts';
import { listOption, type Command, type CommandInput, type CommandResult } from '../command.ts';
import { ConfigError, type Config } from '../config.ts';
import { connectionConfig } from '../db/connection.ts';
import { UserError } from '../errors.ts';
import { readLogKey } from '../keys.ts';
import { checkReceipt, holding, readText } from './check-receipt.ts';
import { openCheckpoint, type Checkpoint } from './checkpoint.ts';
import { databaseSource } from './database-source.ts';
import { exportLog } from './export.ts';
import { checkpointFile } from './kept-checkpoint.ts';
import { folderFiles, gatewayFiles } from './log-files.ts';
import { NoteError, parseVerifierKey, type Verifier } from './note.ts';
import { verifierKey } from './sign.ts';
import { LogFormatError, tilesSource } from './tiles-source.ts';
import { verifyLog, type LogSource, type Verdict } from './verify.ts';

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
    summary: "check the whole audit log, in the database, at a gateway's address or exported, or one receipt",
    needs: 'home',
    options: [
      { flags: '--url <url>', description: "the log of a running gateway, in place of the database's" },
      {
        flags: '--token-file <file>',
        description: 'with --url: an access token of the audit office; "-" reads it from standard input',
      },
      { flags: '--export <folder>', description: 'what "audit export" wrote, in place of a database' },
      {
        flags: '--checkpoint <file...>',
        description: 'signed checkpoints that somebody kept: the log must continue each',
      },
      { flags: '--receipt <file>', description: 'check this receipt alone, as the gateway answered it' },
      { flags: '--body <file>', description: 'with a receipt: the body that was received, byte by byte' },
      { flags: '--salt <base64>', description: "with a body: Exchange-Salt; default the receipt's own" },
      {
        flags: '--key <verifier key...>',
        description: 'what "audit key" prints, old ones too; default from the own key file',
      },
    ],
    run: async ({ options, config, progress }) => {
      refuseTogether(options);
      const keys = options.key === undefined ? [ownVerifierKey(config)] : [options.key].flat().map(String);
      const verifiers = keys.map((key) => holding('--key', () => parseVerifierKey(key)));
      return typeof options.receipt === 'string'
        ? checkReceipt(options.receipt, verifiers, options)
        : withSource({ options, config }, (source) =>
            checkLog(source, {
              verifiers,
              files: listOption(options.checkpoint),
              // An export may be older than what the home has seen.
              home: options.export === undefined ? config.home : null,
              progress,
            }),
          );
    },
  },
  {
    name: 'audit export',
    summary: 'write the audit log to a folder, for verifying elsewhere; an earlier export is continued',
    needs: 'home',
    options: [{ flags: '--out <folder>', description: 'a new folder, or one of an export', required: true }],
    run: async ({ options, config, progress }) => {
      const folder = String(options.out);
      const { size, origin } = await withDatabase(config, (db) =>
        exportLog(db, folder, (done, total) => progress(done, total, 'exporting entries')),
      );
      return { json: { size, origin, folder }, text: `${size} entries of ${origin} are in ${folder}` };
    },
  },
];

/** Options that say nothing together are a misunderstanding. @throws UserError */
function refuseTogether(options: CommandInput['options']): void {
  const goesWith: [string, string][] = [
    ['body', 'receipt'],
    ['salt', 'body'],
    ['token-file', 'url'],
  ];
  const value = (name: string): unknown => options[name === 'token-file' ? 'tokenFile' : name];
  for (const [name, other] of goesWith)
    if (value(name) !== undefined && value(other) === undefined)
      throw new UserError(`--${name}: goes with --${other}`);
  const sources = ['url', 'export', 'receipt'].filter((name) => value(name) !== undefined);
  if (sources.length > 1) throw new UserError(`--${sources[0]}: does not go with --${sources[1]}`);
}

/** @throws ConfigError, UserError when there is no own key */
function ownVerifierKey(config: Config): string {
  const file = config.keyFiles.LOG_KEY_FILE;
  if (file === undefined)
    throw new UserError('LOG_KEY_FILE: required when DATABASE_URL is set; or --key where a command takes it');
  const { key, faults } = readLogKey(file);
  if (key === null) throw new ConfigError(faults);
  return verifierKey(config.logOrigin, createPublicKey(key));
}

function withSource(
  { options, config }: Pick<CommandInput, 'options' | 'config'>,
  work: (source: LogSource) => Promise<CommandResult>,
): Promise<CommandResult> {
  if (typeof options.export === 'string') return work(tilesSource(folderFiles(options.export)));
  if (typeof options.url === 'string') {
    const base = parseUrl(options.url);
    return work(tilesSource(gatewayFiles(base, () => readToken(options.tokenFile))));
  }
  return withDatabase(config, (db) => work(databaseSource(db)));
}

function parseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.search || url.hash || url.username)
    throw new UserError('--url: is not the http or https URL of a gateway');
  return url.href.replace(/\/+$/, '');
}

async function readToken(file: string | string[] | boolean | undefined): Promise<string> {
  if (typeof file !== 'string')
    throw new UserError('--token-file: required, because entries are shown to the audit office alone');
  const token = file === '-' ? await readStream(process.stdin) : await readText('--token-file', file);
  if (!/^[\w.~+/=-]+$/.test(token.trim())) throw new UserError('--token-file: holds no access token');
  return token.trim();
}

interface LogCheck {
  verifiers: readonly Verifier[];
  files: string[];
  /** Where a gateway keeps the last checkpoint that it has seen. */
  home: string | null;
  progress: CommandInput['progress'];
}

/** The whole log, against the checkpoints in it, the one in the home, and those given. */
async function checkLog(
  source: LogSource,
  { verifiers, files, home, progress }: LogCheck,
): Promise<CommandResult> {
  const outside: Checkpoint[] = [];
  for (const verifier of verifiers) {
    if (home === null) break;
    const own = checkpointFile(home, verifier);
    const kept = own.read();
    if (kept !== null) outside.push(holding(own.path, () => openCheckpoint(kept, verifiers)));
  }
  for (const file of files) {
    const note = await readText('--checkpoint', file);
    outside.push(holding(file, () => openCheckpoint(note, verifiers)));
  }
  const onProgress = (done: number, total: number): void => progress(done, total, 'checking entries');
  const verdict = await verifyLog(source, { verifiers, outside, progress: onProgress }).catch(unreadableLog);
  return tell(verdict, outside.length);
}

function unreadableLog(error: unknown): never {
  if (error instanceof LogFormatError || error instanceof NoteError)
    throw new UserError(`the audit log can't be read: ${error.message}`, { cause: error });
  throw error;
}

function tell({ findings, more, ...verdict }: Verdict, outside: number): CommandResult {
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
    ...(outside > 0 ? [`the log continues the ${outside} checkpoints kept outside`] : []),
    ...(uncovered > 0 ? [`the last ${uncovered} entries are covered by no checkpoint yet`] : []),
  ];
  return { json: { ...verdict, outside }, text: lines.join('\n') };
}

function withDatabase<T>(config: Config, work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
  const url = config.adminDatabaseUrl ?? config.databaseUrl;
  const onUrl = async (found: string): Promise<T> => {
    const client = new pg.Client(connectionConfig(found, 'onevisit verify'));
    // What happens to it is heard of by whoever asks it.
    client.on('error', () => undefined);
    try {
      await client.connect();
      return await work(client);
    } finally {
      await client.end();
    }
  };
  return url === null ? withAdminUrl(config, onUrl) : onUrl(url);
}
