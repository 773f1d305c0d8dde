/**
 * For tests that need PostgreSQL: the one server of a test run, which starts when the first test asks for it. The run
 * (test/run.ts) listens on a port of this machine, named in the environment, and tells whoever asks where the server is.
 */
import { createServer, connect, type AddressInfo, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import pg from 'pg';

export interface ServerUrls {
  /** The superuser's connection to the database that tests clone. */
  adminUrl: string;
  /** The gateway's role's connection to it. */
  gatewayUrl: string;
}

type Answer = { urls: ServerUrls } | { error: string };

const portName = 'ONEVISIT_TEST_PORT';
const logsName = 'ONEVISIT_TEST_LOGS';
const notARun = 'run tests by "npm test -- FILE": they need the PostgreSQL that it starts';
let asked: Promise<ServerUrls> | null = null;

/** Where the run's server is. @throws when it does not start, or when no run of tests is there to start it */
export function findServer(): Promise<ServerUrls> {
  asked ??= askRun();
  return asked;
}

async function askRun(): Promise<ServerUrls> {
  const port = process.env[portName];
  if (port === undefined) throw new Error(notARun);
  const answer = JSON.parse(await text(connect(Number(port), '127.0.0.1'))) as Answer;
  if ('error' in answer) throw new Error(`the PostgreSQL of the tests does not start: ${answer.error}`);
  return answer.urls;
}

/** The file for what a gateway on a test's database logs: the run looks for personal data in it. */
export function logFile(databaseName: string): string {
  return join(logsFolder(), `${databaseName}.log`);
}

/** A place for the home of a gateway on a test's database, gone with the run; the folder is not made. */
export function gatewayHome(databaseName: string): string {
  return join(dirname(logsFolder()), 'homes', databaseName);
}

function logsFolder(): string {
  const logs = process.env[logsName];
  if (logs === undefined) throw new Error(notARun);
  return logs;
}

/** The same server's other database. */
export function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

/** Runs statements on the server, outside the databases of tests. */
export async function runOnServer(adminUrl: string, statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: withDatabase(adminUrl, 'postgres') });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

/**
 * Tells the tests of a run where the server is, or why it does not start.
 *
 * @param start starts it, once however many ask
 * @param logs the folder for what is logged
 * @returns the environment that tests need, and the end of answering
 */
export async function offerServer(
  start: () => Promise<ServerUrls>,
  logs: string,
): Promise<{ env: NodeJS.ProcessEnv; close(): void }> {
  const listener: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    void start()
      .then(
        (urls): Answer => ({ urls }),
        (error: unknown): Answer => ({ error: String(error) }),
      )
      .then((answer) => socket.end(JSON.stringify(answer)));
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  return { env: { [portName]: String(port), [logsName]: logs }, close: () => void listener.close() };
}
