/**
 * The benchmark: peers and the gateway on one PostgreSQL, one after another and round by round in one run.
 * `npm run bench -- --help` tells its options.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openRig, type Rig } from '../helpers/rig.ts';
import { competitors, findPgbench, type Competitor } from './competitors.ts';
import { competitorTable, judge, outcomeTable } from './report.ts';
import { extremesTable, goToExtremes, judgeExtremes } from './extremes.ts';
import { exportsTable, judgeExports, measureExports } from './exports.ts';
import { compareQueries, judgeQueries, queriesTable } from './queries.ts';
import { compareVerifier, judgeVerifier } from './verifier.ts';
import { compete, prepare, serverSettings, type Pace } from './turns.ts';

const names = [...competitors.map(({ name }) => name), 'queries', 'exports'];
const defaults = {
  rounds: '3',
  seconds: '2.5',
  warm: '5',
  citizens: '1000000',
  log: '10000000',
  exported: '1000000',
  only: names.join(','),
  out: join(import.meta.dirname, 'results'),
};

const help = `npm run bench -- [options]

  --rounds N      how often each competitor takes its turn (default ${defaults.rounds})
  --seconds S     how long each measurement takes (default ${defaults.seconds})
  --warm S        how long each competitor warms up, once (default ${defaults.warm})
  --citizens N    how many citizens are asked for (default ${defaults.citizens})
  --log N         how many entries the larger of the logs that are searched has (default ${defaults.log})
  --exported N    how many entries the log that is exported has (default ${defaults.exported})
  --only A,B      these alone: ${names.join(', ')}
  --out FOLDER    where <date>.json goes (default test/bench/results)
  --help`;

interface Options {
  pace: Pace;
  citizens: number;
  /** Entries of the log that is searched; null leaves that out. */
  log: number | null;
  /** Entries of the log that is exported; null leaves that out. */
  exported: number | null;
  chosen: Competitor[];
  out: string;
}

const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    if (interruption.signal.aborted) process.exit(130);
    say('interrupted: what runs is stopped; once more to leave it running');
    interruption.abort(new Error('interrupted'));
  });
process.exitCode = await main();

/** @returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted */
async function main(): Promise<number> {
  let options: Options | null;
  try {
    options = readOptions();
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${help}`);
    return 2;
  }
  if (options === null) {
    console.log(help);
    return 0;
  }
  try {
    await run(options);
    return 0;
  } catch (error) {
    console.error((error as Error).message);
    return interruption.signal.aborted ? 130 : 1;
  }
}

async function run({ pace, citizens, log, exported, chosen, out }: Options): Promise<void> {
  const startedAt = Date.now();
  ensurePackages(chosen);
  // Searches and exports bring logs of their own: then nobody asks for citizens.
  const asked = chosen.length > 0 ? citizens : Math.min(citizens, 1000);
  say(`loading ${asked.toLocaleString('en')} citizens`);
  const rig = await openRig({ seed: 3, citizens: asked, enterprises: 100 }, serverSettings);
  try {
    const idsFile = await prepare(rig);
    const measurements = await compete(rig, chosen, { idsFile, pace, say, interrupted: interruption.signal });
    const extremes = chosen.some(({ name }) => name === 'gateway')
      ? await goToExtremes(rig, { idsFile, pace, say, interrupted: interruption.signal })
      : [];
    const verifying = await compareVerifier(rig, { rounds: pace.rounds, say });
    const queries =
      log === null
        ? []
        : await compareQueries(rig, {
            entries: log,
            rounds: pace.rounds,
            say,
            interrupted: interruption.signal,
          });
    const exports =
      exported === null
        ? []
        : await measureExports({ entries: exported, say, interrupted: interruption.signal });
    const outcomes = [
      ...judge(measurements),
      ...judgeExtremes(extremes),
      ...judgeVerifier(verifying),
      judgeQueries(queries),
      judgeExports(exports),
    ];
    const tables = [
      ...(chosen.length > 0 ? [competitorTable(chosen, measurements)] : []),
      ...(extremes.length > 0 ? [extremesTable(extremes)] : []),
      ...(queries.length > 0 ? [queriesTable(queries)] : []),
      ...(exports.length > 0 ? [exportsTable(exports)] : []),
      outcomeTable(outcomes),
    ];
    console.log(`\n${tables.join('\n\n')}`);
    const file = write(out, {
      ...(await describeRun(rig)),
      pace,
      citizens: asked,
      outcomes,
      measurements,
      extremes,
      verifying,
      queries,
      exports,
    });
    say(`wrote ${file}, ${Math.round((Date.now() - startedAt) / 1000)} s in all`);
  } finally {
    await rig.close();
  }
}

/** @returns null when help is asked for @throws Error that says which option is wrong */
function readOptions(): Options | null {
  const strings = Object.entries(defaults).map(([name, value]) => [name, { type: 'string', default: value }]);
  const { values } = parseArgs({
    options: { ...Object.fromEntries(strings), help: { type: 'boolean' } } as Record<
      string,
      { type: 'string' | 'boolean' }
    >,
  });
  if (values.help === true) return null;
  const text = (name: keyof typeof defaults): string => values[name] as string;
  function positive(name: keyof typeof defaults): number {
    const value = Number(text(name));
    if (!(value > 0)) throw new Error(`--${name}: "${text(name)}" is not a number above 0`);
    return value;
  }
  const wanted = text('only').split(',');
  const unknown = wanted.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`--only: there is no ${unknown.join(', ')}`);
  const pgbench = findPgbench() !== null;
  if (!pgbench && wanted.includes('pgbench')) say('pgbench is not installed: left out');
  return {
    pace: {
      rounds: Math.ceil(positive('rounds')),
      measureMs: positive('seconds') * 1000,
      warmMs: positive('warm') * 1000,
    },
    citizens: Math.ceil(positive('citizens')),
    log: wanted.includes('queries') ? Math.max(2000, Math.ceil(positive('log'))) : null,
    exported: wanted.includes('exports') ? Math.ceil(positive('exported')) : null,
    chosen: competitors.filter(({ name }) => wanted.includes(name) && (pgbench || name !== 'pgbench')),
    out: text('out'),
  };
}

/** The peers' packages are the benchmark's own: they come by a lock file beside it, without install scripts. */
function ensurePackages(chosen: readonly Competitor[]): void {
  if (!chosen.some(({ name }) => name === 'platformatic')) return;
  if (existsSync(join(import.meta.dirname, 'node_modules'))) return;
  say("installing the peers' packages");
  const options = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  execFileSync('npm', options, { cwd: import.meta.dirname, stdio: 'inherit' });
}

async function describeRun(rig: Rig): Promise<object> {
  const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim();
  const versionOf = (name: string, folder = join(import.meta.dirname, '..', '..')): string | null => {
    const file = join(folder, 'node_modules', name, 'package.json');
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version : null;
  };
  const [server] = await rig.query<{ version: string; durable: string }>(
    `select version(), concat_ws(', ', 'fsync=' || current_setting('fsync'),
       'synchronous_commit=' || current_setting('synchronous_commit'),
       'full_page_writes=' || current_setting('full_page_writes'),
       'shared_buffers=' || current_setting('shared_buffers')) as durable`,
  );
  return {
    date: new Date().toISOString(),
    commit: git('rev-parse', 'HEAD'),
    clean: git('status', '--porcelain') === '',
    machine: {
      processor: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memoryGb: Math.round(totalmem() / 2 ** 30),
      system: `${process.platform} ${release()}`,
    },
    versions: {
      node: process.version,
      postgres: server!.version,
      fastify: versionOf('fastify'),
      '@fastify/jwt': versionOf('@fastify/jwt'),
      pg: versionOf('pg'),
      '@platformatic/sql-openapi': versionOf('@platformatic/sql-openapi', import.meta.dirname),
    },
    settings: server!.durable,
  };
}

/** @returns the file that holds the results of the day */
function write(folder: string, results: object): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${new Date().toISOString().slice(0, 10)}.json`);
  writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);
  return file;
}

function say(line: string): void {
  console.error(line);
}
