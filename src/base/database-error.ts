/** What PostgreSQL answers with: five letters and digits, of which the first two are the class (its appendix A). */
const sqlState = /^[0-9A-Z]{5}$/;
/** How Node names that a server can't be reached, a connection was lost, or its certificate is not to be trusted. */
const connectionCodes =
  /^(ECONN\w+|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_\w+|E(HOST|NET)(UNREACH|DOWN)|EADDRNOTAVAIL|EMFILE|ERR_(SSL|TLS|STREAM)_\w+|\w*CERT\w*|UNABLE_TO_\w+)$/;
/** What pg, its pool, Kysely and a closed link say without a code. */
const connectionMessages =
  /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client (was closed|has encountered a connection error)|Cannot use a pool after calling end|There was an error establishing an SSL|The server does not support SSL|SASL|SCRAM|driver has already been destroyed|The connection is closed)/;

/** True when the database refused a statement, or could not be reached; false for any other error, a bug of ours. */
export function isDatabaseError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  if (typeof code === 'string')
    return connectionCodes.test(code) || (sqlState.test(code) && typeof severity === 'string');
  return connectionMessages.test(error.message);
}
