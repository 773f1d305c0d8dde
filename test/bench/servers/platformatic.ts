/** Platformatic's sql-openapi over the table of citizens: reads without token and without audit. */
import Fastify, { type FastifyPluginAsync } from 'fastify';
import { announce } from './announce.ts';

/** A package of the benchmark's own, which the checks of the product do without. */
async function load(name: string): Promise<FastifyPluginAsync<object>> {
  return ((await import(name)) as { default: FastifyPluginAsync<object> }).default;
}

const app = Fastify();
const database = { connectionString: process.env.DATABASE_URL, schema: ['store'], poolSize: 20 };
await app.register(await load('@platformatic/sql-mapper'), database);
await app.register(await load('@platformatic/sql-openapi'), {});
await announce(app);
