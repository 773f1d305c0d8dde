/** For tests that need a database: one of their own on the run's server, filled or empty. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Test } from 'tap';
import { openDatabase, type Database } from '../../src/db/database.ts';
import { findServer, runOnServer, withDatabase } from './server.ts';

export interface TestDatabase {
  name: string;
  adminUrl: string;
  gatewayUrl: string;
  /** The owner's connection. */
  database: Database;
  pool: pg.Pool;
}

let counter = 0;

/** Clones the run's template: migrated, with the sandbox's registry, its personas and a small province. */
export async function createDatabase(t: Test): Promise<TestDatabase> {
  const { adminUrl, gatewayUrl } = await findServer();
  const name = `test_${process.pid}_${++counter}`;
  await cloneTemplate(adminUrl, name);
  const urls = { adminUrl: withDatabase(adminUrl, name), gatewayUrl: withDatabase(gatewayUrl, name) };
  const { database, pool, close } = openDatabase(urls.adminUrl, 'test', { maxConnections: 4 });
  t.teardown(async () => {
    await close();
    await runOnServer(adminUrl, [`drop database ${name} with (force)`]);
  });
  return { name, ...urls, database, pool };
}

/** Several test files clone the template at once; PostgreSQL refuses while another one copies it. */
async function cloneTemplate(adminUrl: string, name: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await runOnServer(adminUrl, [`create database ${name} template onevisit`]);
    } catch (error) {
      if ((error as pg.DatabaseError).code !== '55006' || attempt > 100) throw error;
      await sleep(50);
    }
  }
}

export interface EmptyDatabase {
  adminUrl: string;
  gatewayUrl: string;
  pool: pg.Pool;
}

/** A database without anything in it, dropped at the end of the test. */
export async function createEmptyDatabase(t: Test): Promise<EmptyDatabase> {
  const { adminUrl, gatewayUrl } = await findServer();
  const name = `empty_${process.pid}_${++counter}`;
  await runOnServer(adminUrl, [`create database ${name} template template0`]);
  const pool = new pg.Pool({ connectionString: withDatabase(adminUrl, name), max: 2 });
  pool.on('error', () => undefined);
  t.teardown(async () => {
    await pool.end();
    await runOnServer(adminUrl, [`drop database ${name} with (force)`]);
  });
  return { adminUrl: withDatabase(adminUrl, name), gatewayUrl: withDatabase(gatewayUrl, name), pool };
}
