import { generateKeyPairSync } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import fastifyJwt from '@fastify/jwt';
import type { FastifyInstance } from 'fastify';

/** @fastify/jwt as its documentation registers it, for ES256. */
export async function registerJwt(app: FastifyInstance): Promise<void> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await app.register(fastifyJwt, {
    secret: {
      private: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      public: publicKey.export({ type: 'spki', format: 'pem' }),
    },
    sign: { algorithm: 'ES256', expiresIn: '10m' },
    verify: { algorithms: ['ES256'] },
  });
}

/** Listens on a free port, and tells the benchmark which, with a token where the server takes tokens. */
export async function announce(app: FastifyInstance): Promise<void> {
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const token =
    'jwt' in app ? app.jwt.sign({ sub: 'client-of-the-benchmark', department: 'civil-affairs' }) : null;
  console.log(JSON.stringify({ port, token }));
}
