import { join } from 'node:path';
import pg from 'pg';
import { administer } from './administer.ts';
import { createCalendar } from '../base/calendar.ts';
import { loadCatalogue } from '../catalogue/catalogue.ts';
import { table, type Command, type CommandInput, type CommandResult } from './command.ts';
import { connectionConfig } from '../db/connection.ts';
import { UserError } from '../base/errors.ts';
import { commandLineActor } from '../audit/act.ts';
import { archiveName } from '../audit/archive/manifest.ts';
import {
  archivePartitions,
  listArchivable,
  type Archivable,
  type Archived,
} from '../audit/archive/archive.ts';
import { expectValid } from '../audit/expect-valid.ts';
import { parseVerifierKey } from '../transparency/note.ts';
import { ownVerifierKey } from './own-key.ts';
import { createRetention, latestArchiveDay, leastMonthsOnline } from '../audit/archive/retention.ts';

export const archiveCommand: Command = {
  name: 'audit archive',
  summary: 'move the oldest entries, whole partitions of them, from the database to verified folders',
  needs: 'administer',
  options: [
    {
      flags: '--before <date>',
      description: `partitions all of whose entries are older, YYYY-MM-DD, at least ${leastMonthsOnline} months ago`,
      required: true,
    },
    { flags: '--out <folder>', description: 'where archives are; default "archive" in ONEVISIT_HOME' },
    { flags: '--dry-run', description: 'say what would be archived, and change nothing' },
    {
      flags: '--key <verifier key...>',
      description: 'what "audit key" prints; default from the own key file',
    },
  ],
  run: archive,
};

async function archive({ options, config, progress }: CommandInput): Promise<CommandResult> {
  const calendar = createCalendar(config.timeZone);
  const day = parseBefore(String(options.before), calendar.dayOf(new Date()));
  const before = calendar.startOf(day);
  const out = typeof options.out === 'string' ? options.out : join(config.home, 'archive');
  const retention = createRetention(loadCatalogue());
  const lines = options.key === undefined ? [ownVerifierKey(config)] : [options.key].flat().map(String);
  const keys = lines.map((line) => expectValid('--key', () => parseVerifierKey(line)));
  return administer(config, (_database, adminUrl) =>
    withSession(adminUrl, async (client) => {
      const parts = await listArchivable(client, before, retention);
      if (options.dryRun === true) return tellPlan(parts, day, out);
      const archived = await archivePartitions(client, parts, {
        out,
        before,
        keys,
        retention,
        actor: commandLineActor(),
        onProgress: progress,
      });
      return tellArchived(archived, day);
    }),
  );
}

/** @throws UserError unless it is a day, and long enough ago */
function parseBefore(text: string, today: string): string {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : NaN;
  if (Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== text)
    throw new UserError('--before: is no date YYYY-MM-DD');
  const latest = latestArchiveDay(today);
  if (text > latest)
    throw new UserError(
      `--before: must be ${latest} or earlier: entries stay in the database for ${leastMonthsOnline} months at least ` +
        '(Cybersecurity Law, art. 21)',
    );
  return text;
}

/** One run at a time, on a connection whose statements may read a whole partition's times. */
async function withSession<T>(adminUrl: string, work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
  const limits = { statement_timeout: 600_000, query_timeout: 610_000 };
  const client = new pg.Client(connectionConfig(adminUrl, 'onevisit archive', limits));
  // A connection that breaks fails the next query; without a listener it would end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ alone: boolean }>('select pg_try_advisory_lock(7103, 5) as alone');
    if (!rows[0]!.alone) throw new UserError('another "audit archive" is at work');
    return await work(client);
  } finally {
    await client.end();
  }
}

const headings = ['ENTRIES', 'NEWEST', 'KEEP UNTIL', 'FOLDER'];

function tellPlan(parts: Archivable[], day: string, out: string): CommandResult {
  const items = parts.map(({ first, next, newest, keepUntil }) => ({
    first,
    last: next - 1,
    newest: newest.toISOString(),
    keep_until: keepUntil,
    folder: join(out, archiveName({ first, next })),
  }));
  const rows = items.map((item) => [
    `${item.first} to ${item.last}`,
    item.newest,
    item.keep_until,
    item.folder,
  ]);
  const text = rows.length === 0 ? nothing(day) : `would be archived:\n${table(headings, rows)}`;
  return { json: { dry_run: true, before: day, items }, text };
}

function tellArchived(archived: Archived[], day: string): CommandResult {
  const items = archived.map(({ folder, manifest, digest, entry }) => ({
    first: manifest.first,
    last: manifest.last,
    newest: manifest.newest,
    keep_until: manifest.keep_until,
    folder,
    bytes: manifest.bytes,
    digest: digest.toString('hex'),
    entry,
  }));
  const rows = items.map((item) => [
    `${item.first} to ${item.last}`,
    item.newest,
    item.keep_until,
    item.folder,
  ]);
  const text =
    rows.length === 0
      ? nothing(day)
      : `archived and verified; no folder may be deleted before its day:\n${table(headings, rows)}`;
  return { json: { dry_run: false, before: day, items }, text };
}

function nothing(day: string): string {
  return `nothing to archive: no whole partition of the log is older than ${day}`;
}
