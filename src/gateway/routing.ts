import type { FastifyInstance, RouteOptions } from 'fastify';
import { ProblemError } from '../base/errors.ts';
import { refuseUnknownRoute } from '../routes/exchange/unknown-route.ts';

/** The methods of a path: all that are registered, and those of them that are served. */
interface Methods {
  registered: Set<string>;
  served: Set<string>;
}

/** Every path with its methods. */
export type Routes = Map<string, Methods>;

/** Collects the methods of every path as routes are registered. */
export function collectRoutes(app: FastifyInstance): Routes {
  const routes: Routes = new Map();
  app.addHook('onRoute', ({ url, method, config }: RouteOptions) => {
    const methods = routes.get(url) ?? { registered: new Set(), served: new Set() };
    for (const one of [method].flat()) {
      methods.registered.add(one);
      if (config?.refused !== true && one !== 'HEAD') methods.served.add(one);
    }
    routes.set(url, methods);
  });
  return routes;
}

/** What every request must keep to: one host (RFC 9112, 3.2), nothing odd expected, and no HEAD. */
export function registerRequestRules(app: FastifyInstance, routes: Routes): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const { expect = '100-continue' } = request.headers;
    if (expect.toLowerCase() !== '100-continue')
      throw new ProblemError('invalid-request', {
        reason: { en: 'the header Expect can not be met', zh: '无法满足请求头 Expect' },
      });
    if (countHosts(request.raw.rawHeaders) !== 1 && request.raw.httpVersion !== '1.0')
      throw new ProblemError('invalid-request', {
        reason: { en: 'the header Host must come once', zh: '请求头 Host 必须且只能出现一次' },
      });
    if (request.method === 'HEAD') {
      const { url } = request.routeOptions;
      if (url !== undefined) throw methodNotAllowed(routes.get(url));
    }
    done();
  });
}

/** Of a name that comes twice, Node's parsed headers keep one. @param rawHeaders names and values in turn */
function countHosts(rawHeaders: readonly string[]): number {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2)
    if (rawHeaders[i]!.length === 4 && rawHeaders[i]!.toLowerCase() === 'host') hosts++;
  return hosts;
}

function methodNotAllowed(methods: Methods | undefined): ProblemError {
  const allow = [...(methods?.served ?? [])].sort().join(', ');
  return new ProblemError('method-not-allowed', { allow }, { headers: { allow } });
}

/** An address that is not there is refused before anybody reads the body. */
export function refuseUnknownRoutes(
  app: FastifyInstance,
  known: Parameters<typeof refuseUnknownRoute>[2],
): void {
  app.addHook('onRequest', (request, reply, done) => {
    if (request.is404) refuseUnknownRoute(request, reply, known);
    done();
  });
}

/** Every path answers the methods that it does not take with 405 and `Allow`. */
export function refuseOtherMethods(app: FastifyInstance, routes: Routes): void {
  for (const [url, methods] of withSlash(app, routes)) routes.set(url, methods);
  for (const [url, methods] of Array.from(routes)) {
    app.route({
      url,
      method: app.supportedMethods.filter((method) => !methods.registered.has(method)),
      onRequest: () => Promise.reject(methodNotAllowed(methods)),
      config: { refused: true },
      handler: () => undefined,
    });
  }
}

/** A plugin's root answers with and without a slash at its end, and only one of the two is told of. */
function withSlash(app: FastifyInstance, routes: Routes): Routes {
  const found: Routes = new Map();
  for (const [url, { registered, served }] of routes) {
    const other = `${url}/`;
    if (url.endsWith('*') || routes.has(other) || !app.hasRoute({ url: other, method: 'GET' })) continue;
    found.set(other, { registered: new Set(registered), served });
  }
  return found;
}
