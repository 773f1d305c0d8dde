/**
 * What a good engineer writes by hand in a day: Fastify, @fastify/jwt and a pool of 20 connections; each request
 * verifies its token, reads the record and inserts its audit row in one transaction, then answers.
 */
import { randomUUID } from 'node:crypto';
import Fastify from 'fastify';
import pg from 'pg';
import { announce, registerJwt } from './announce.ts';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 20 });
const app = Fastify();
await registerJwt(app);

const bodySchema = {
  type: 'object',
  required: ['id'],
  additionalProperties: false,
  properties: { id: { type: 'string', maxLength: 64 } },
};
const recordSchema = {
  type: 'object',
  properties: {
    name: { type: ['string', 'null'] },
    birth_date: { type: ['string', 'null'] },
    mobile_phone: { type: ['string', 'null'] },
  },
};

app.post<{ Body: { id: string } }>(
  '/citizens/read',
  {
    onRequest: (request) => request.jwtVerify(),
    schema: { body: bodySchema, response: { 200: recordSchema } },
  },
  async (request, reply) => {
    const { department } = request.user as { department: string };
    const client = await pool.connect();
    try {
      await client.query('begin');
      const { rows } = await client.query(
        'select name, birth_date::text, mobile_phone from v2.citizens where id = $1',
        [request.body.id],
      );
      await client.query(
        'insert into bench.audit (exchange, at, department, subject, fields, found) values ($1, now(), $2, $3, $4, $5)',
        [randomUUID(), department, request.body.id, ['name', 'birth_date', 'mobile_phone'], rows.length > 0],
      );
      await client.query('commit');
      if (rows.length === 0) return await reply.status(404).send({ error: 'no such record' });
      return rows[0] as object;
    } catch (error) {
      await client.query('rollback');
      throw error;
    } finally {
      client.release();
    }
  },
);
await announce(app);
