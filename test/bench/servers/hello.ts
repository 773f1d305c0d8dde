/** A bare Fastify: `GET /` answers a small object, `GET /token` the same after verifying an ES256 token. */
import Fastify from 'fastify';
import { announce, registerJwt } from './announce.ts';

const app = Fastify();
await registerJwt(app);
app.get('/', () => ({ hello: 'world' }));
app.get('/token', { onRequest: (request) => request.jwtVerify() }, () => ({ hello: 'world' }));
await announce(app);
