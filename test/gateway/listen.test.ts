import Fastify from 'fastify';
import t from 'tap';
import { holdPort, listen, portOf } from '../../src/gateway/listen.ts';

const place = { host: '127.0.0.1', port: 0, setting: 'PORT' };

await t.test('keeps a port for an app that listens later, without a gap', async (t) => {
  const held = await holdPort(place);
  const url = `http://127.0.0.1:${portOf(held)}`;
  await t.rejects(fetch(url), 'who connects before is turned away');
  const taken = { ...place, port: portOf(held) };
  await t.rejects(holdPort(taken), /is taken by another program; set PORT/, 'nobody else takes it');
  const app = Fastify();
  app.get('/', () => 'served');
  await listen(app, place, held);
  t.equal(portOf(app.server), portOf(held));
  t.equal(await (await fetch(url)).text(), 'served');
  await app.close();
  held.close();
  await t.rejects(fetch(url), 'nothing listens when both are closed');
});

await t.test('closes an app that can not listen, and says what to set', async (t) => {
  const held = await holdPort(place);
  t.teardown(() => held.close());
  const app = Fastify();
  const closed = new Promise<void>((resolve) => {
    app.addHook('onClose', (_app, done) => {
      resolve();
      done();
    });
  });
  const opsPlace = { ...place, port: portOf(held), setting: 'OPS_PORT' };
  await t.rejects(listen(app, opsPlace), {
    name: 'UserError',
    message: `127.0.0.1:${opsPlace.port} is taken by another program; set OPS_PORT to another`,
  });
  await closed;
  await t.rejects(
    holdPort({ ...place, host: '192.0.2.1' }),
    /can't listen on 192\.0\.2\.1:0 \(EADDRNOTAVAIL\)/,
  );
});
