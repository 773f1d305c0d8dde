import pg from 'pg';
import t from 'tap';
import { isDatabaseError } from '../../src/base/database-error.ts';
import { ProblemError, rethrowAsStoreUnavailable } from '../../src/base/errors.ts';

function coded(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}

function refusedBy(code: string): Error {
  return Object.assign(new pg.DatabaseError('permission denied', 18, 'error'), { code, severity: 'ERROR' });
}

/** What pg gives a query on a server that is not there, and one whose connection was ended under it. */
async function realErrors(): Promise<unknown[]> {
  const unreachable = new pg.Client({ host: '127.0.0.1', port: 1 });
  const pool = new pg.Pool({ host: '127.0.0.1', port: 1 });
  await pool.end();
  return Promise.all([
    unreachable.connect().catch((error: unknown) => error),
    pool.query('select 1').catch((error: unknown) => error),
  ]);
}

await t.test('tells errors of the database from bugs', async (t) => {
  const databaseErrors = [
    ...(await realErrors()),
    refusedBy('42501'),
    refusedBy('57P01'),
    coded('read ECONNRESET', 'ECONNRESET'),
    coded('getaddrinfo ENOTFOUND db', 'ENOTFOUND'),
    coded('certificate has expired', 'CERT_HAS_EXPIRED'),
    Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }),
    new Error('Connection terminated unexpectedly'),
    new Error('timeout exceeded when trying to connect'),
    new Error('Query read timeout'),
  ];
  for (const error of databaseErrors) {
    t.ok(isDatabaseError(error), String(error));
    t.throws(() => rethrowAsStoreUnavailable(error), { code: 'store-unavailable', cause: error });
  }
  const others = [
    new TypeError("Cannot read properties of undefined (reading 'id')"),
    new RangeError('Invalid array length'),
    coded('The "key" argument must be of type string', 'ERR_INVALID_ARG_TYPE'),
    coded('no such file', 'ENOENT'),
    coded('five letters and digits alone', '42501'),
    new ProblemError('not-found'),
    'Connection terminated',
    undefined,
  ];
  for (const error of others) {
    t.notOk(isDatabaseError(error), String(error));
    try {
      rethrowAsStoreUnavailable(error);
    } catch (thrown) {
      t.equal(thrown, error, 'stays what it is');
    }
  }
});
