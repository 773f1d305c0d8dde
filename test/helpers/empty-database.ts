import type { Test } from 'tap';
import pg from 'pg';
import { withDatabase } from './gateway.ts';

export interface EmptyDatabase {
  adminUrl: string;
  gatewayUrl: string;
  pool: pg.Pool;
}

let counter = 0;

/** A database without anything in it, dropped at the end of the test. */
export async function createEmptyDatabase(t: Test): Promise<EmptyDatabase> {
  const { ONEVISIT_TEST_ADMIN_URL: adminUrl, ONEVISIT_TEST_GATEWAY_URL: gatewayUrl } = process.env;
  if (adminUrl === undefined || gatewayUrl === undefined)
    throw new Error('run tests by "npm test -- FILE": they need the PostgreSQL that it starts');
  const name = `empty_${process.pid}_${++counter}`;
  await onServer(adminUrl, `create database ${name} template template0`);
  const pool = new pg.Pool({ connectionString: withDatabase(adminUrl, name), max: 2 });
  pool.on('error', () => undefined);
  t.teardown(async () => {
    await pool.end();
    await onServer(adminUrl, `drop database ${name} with (force)`);
  });
  return { adminUrl: withDatabase(adminUrl, name), gatewayUrl: withDatabase(gatewayUrl, name), pool };
}

async function onServer(adminUrl: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: withDatabase(adminUrl, 'postgres') });
  await client.connect();
  await client.query(statement);
  await client.end();
}
