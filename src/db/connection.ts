import pg from 'pg';

/** Every connection's limits: nothing waits for ever on a server that hangs. */
const limits = {
  connectionTimeoutMillis: 5000,
  keepAlive: true,
  statement_timeout: 5000,
  lock_timeout: 4000,
  idle_in_transaction_session_timeout: 10_000,
  query_timeout: 8000,
} as const;

const typeParsers: Record<number, (value: string) => unknown> = {
  [pg.types.builtins.INT8]: Number,
  [pg.types.builtins.NUMERIC]: Number,
  [pg.types.builtins.DATE]: String,
  [pg.types.builtins.TIMESTAMPTZ]: (value: string) => new Date(value),
};

/** Dates stay `YYYY-MM-DD`; bigint and numeric become numbers: the store keeps them below 2^53. */
type TypeId = Parameters<typeof pg.types.getTypeParser>[0];

const types: pg.CustomTypesConfig = {
  getTypeParser: (oid: TypeId, format?: 'text' | 'binary') =>
    (format !== 'binary' && typeParsers[oid]) || pg.types.getTypeParser(oid, format),
};

/** The settings of a connection by URL. */
export function connectionConfig(
  url: string,
  applicationName: string,
  more: pg.ClientConfig = {},
): pg.ClientConfig {
  return { connectionString: url, application_name: applicationName, ...limits, types, ...more };
}

/** One lasting connection, opened when first asked for and again after it broke. */
export interface Link {
  /** @throws when the server can't be reached */
  client(): Promise<pg.Client>;
  /** Drops a connection that can no longer be trusted; the next `client()` opens another. */
  discard(client: pg.Client): void;
  close(): Promise<void>;
}

/** How long a failed attempt to connect answers for those that follow it. */
const reconnectPauseMs = 100;

/** Opens a Link. `onOpen` prepares each new connection (LISTEN, say) before anyone uses it. */
export function openLink(config: pg.ClientConfig, onOpen?: (client: pg.Client) => Promise<void>): Link {
  let current: Promise<pg.Client> | null = null;
  let closed = false;
  const forgetters = new WeakMap<pg.Client, () => void>();

  function open(): Promise<pg.Client> {
    const client = new pg.Client(config);
    const opening = connect(client, onOpen);
    const forget = (): void => {
      if (current === opening) current = null;
    };
    forgetters.set(client, forget);
    opening.then(
      () => client.on('error', forget).on('end', forget),
      () => setTimeout(forget, reconnectPauseMs).unref(),
    );
    return opening;
  }

  return {
    client() {
      if (closed) return Promise.reject(new Error('The connection is closed.'));
      return (current ??= open());
    },
    discard(client) {
      forgetters.get(client)?.();
      void client.end().catch(() => undefined);
    },
    async close() {
      closed = true;
      await current?.then((client) => client.end()).catch(() => undefined);
    },
  };
}

async function connect(client: pg.Client, onOpen?: (client: pg.Client) => Promise<void>): Promise<pg.Client> {
  client.on('error', () => undefined);
  await client.connect();
  try {
    await onOpen?.(client);
    return client;
  } catch (error) {
    void client.end().catch(() => undefined);
    throw error;
  }
}

/** True when a query's error came from the server as an SQLSTATE, so that the connection still stands. */
export function isServerError(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && typeof error.code === 'string';
}

/** True when the data of the statement is at fault (SQLSTATE classes 22 and 23), not the server. */
export function isDataError(error: unknown): boolean {
  return isServerError(error) && /^2[23]/.test(error.code ?? '');
}
