import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { UserError } from '../base/errors.ts';

/** Where a server listens, and the setting that says so. */
export interface Place {
  host: string;
  port: number;
  setting: string;
}

/**
 * Takes a free port before the gateway can serve, because what it stores at its start tells its address. Who connects
 * meanwhile is turned away.
 *
 * @throws UserError when the place can't be listened on
 */
export async function holdPort(place: Place): Promise<Server> {
  const held = createServer((socket) => socket.destroy());
  try {
    held.listen({ host: place.host, port: place.port });
    await once(held, 'listening');
    return held;
  } catch (error) {
    throw explainListenError(error, place);
  }
}

/**
 * Has an app listen; closes it when it can't.
 *
 * @param held a server from `holdPort`, whose port the app takes over
 * @throws UserError when the place can't be listened on
 */
export async function listen(
  app: FastifyInstance,
  place: Place,
  held: Server | null = null,
): Promise<FastifyInstance> {
  try {
    if (held === null) await app.listen({ host: place.host, port: place.port });
    else {
      await app.ready();
      app.server.listen(held);
      await once(app.server, 'listening');
    }
    return app;
  } catch (error) {
    await app.close();
    throw explainListenError(error, place);
  }
}

function explainListenError(error: unknown, { host, port, setting }: Place): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE')
    return new UserError(`${host}:${port} is taken by another program; set ${setting} to another`, {
      cause: error,
    });
  if (code === 'EADDRNOTAVAIL' || code === 'EACCES' || code === 'ENOTFOUND')
    return new UserError(`can't listen on ${host}:${port} (${code})`, { cause: error });
  return error;
}

/** The port that a server listens on. */
export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
