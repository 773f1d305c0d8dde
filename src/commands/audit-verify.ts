import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { text as readStream } from 'node:stream/consumers';
import { withClient } from './administer.ts';
import { listOption, type Command, type CommandInput, type CommandResult } from './command.ts';
import { UserError } from '../base/errors.ts';
import { checkExport } from './check-export.ts';
import { manifestName } from '../audit/archive/manifest.ts';
import { archiveFiles, requireManifests, withArchives } from '../audit/archive/archived.ts';
import { checkLog } from './check-log.ts';
import { checkReceipt, readText } from './check-receipt.ts';
import { expectValid } from '../audit/expect-valid.ts';
import { databaseSource } from '../audit/database-source.ts';
import { folderFiles, gatewayFiles } from '../transparency/node/log-files.ts';
import { parseVerifierKey, type Verifier } from '../transparency/note.ts';
import { ownVerifierKey } from './own-key.ts';
import { tilesSource, type ReadLogFile } from '../transparency/tiles-source.ts';
import type { LogSource } from '../transparency/verify-log.ts';
import { verifyArchive } from '../audit/archive/verify-archive.ts';

export const verifyCommand: Command = {
  name: 'audit verify',
  summary: "check the whole audit log, in the database, at a gateway's address or exported, or one receipt",
  needs: 'home',
  options: [
    { flags: '--url <url>', description: "the log of a running gateway, in place of the database's" },
    {
      flags: '--token-file <file>',
      description: 'with --url: an access token of the audit office; "-" reads it from standard input',
    },
    { flags: '--ndjson <file>', description: 'check this answer of POST /v1/audit/export alone' },
    {
      flags: '--export <folder>',
      description: 'what "audit export" wrote, or one archive, in place of a database',
    },
    {
      flags: '--archive <folder>',
      description: 'where "audit archive" wrote: archived entries are checked too',
    },
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
    const verifiers = keys.map((key) => expectValid('--key', () => parseVerifierKey(key)));
    if (typeof options.ndjson === 'string') return checkExport(options.ndjson, verifiers, progress);
    if (isArchive(options.export)) return checkArchive(options.export, verifiers, progress);
    return typeof options.receipt === 'string'
      ? checkReceipt(options.receipt, verifiers, options)
      : withSource({ options, config }, (source) =>
          checkLog(source, {
            keys: verifiers,
            files: listOption(options.checkpoint),
            // An export may be older than what the home has seen.
            home: options.export === undefined ? config.home : null,
            progress,
          }),
        );
  },
};

async function checkArchive(
  folder: string,
  verifiers: readonly Verifier[],
  progress: CommandInput['progress'],
): Promise<CommandResult> {
  const { manifest, digest, checkpoint } = await verifyArchive(folder, verifiers, (done, total) =>
    progress(done, total, 'checking entries'),
  );
  const { first, last, keep_until: keepUntil } = manifest;
  const text = [
    `entries ${first} to ${last} are as they were written, under a signed checkpoint of ${checkpoint.size} entries`,
    `the archive may be deleted from ${keepUntil} on, if the log has entered it with the digest ${digest.toString('hex')}`,
  ].join('\n');
  return {
    json: { first, last, size: checkpoint.size, keep_until: keepUntil, digest: digest.toString('hex') },
    text,
  };
}

/** Whether a folder is one archive, and no export of a whole log. */
function isArchive(folder: unknown): folder is string {
  return typeof folder === 'string' && existsSync(join(folder, manifestName));
}

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
  const sources = ['url', 'export', 'receipt', 'ndjson'].filter((name) => value(name) !== undefined);
  if (sources.length > 1) throw new UserError(`--${sources[0]}: does not go with --${sources[1]}`);
  const alone = isArchive(options.export)
    ? 'export'
    : ['receipt', 'ndjson'].find((name) => sources.includes(name));
  const whole = ['checkpoint', 'archive'].find((name) => value(name) !== undefined);
  if (alone !== undefined && whole !== undefined)
    throw new UserError(`--${whole}: goes with a whole log, not with what --${alone} names`);
}

function withSource(
  { options, config }: Pick<CommandInput, 'options' | 'config'>,
  work: (source: LogSource) => Promise<CommandResult>,
): Promise<CommandResult> {
  const archives = typeof options.archive === 'string' ? archiveFiles(options.archive) : null;
  const open = (read: ReadLogFile): LogSource =>
    tilesSource(archives === null ? read : withArchives(read, archives));
  if (typeof options.export === 'string') return work(open(folderFiles(options.export)));
  if (typeof options.url === 'string') {
    const base = parseUrl(options.url);
    return work(open(gatewayFiles(base, () => readToken(options.tokenFile))));
  }
  return withClient(config, async (client) => {
    if (typeof options.archive === 'string') await requireManifests(client, options.archive);
    return work(databaseSource(client, archives));
  });
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
