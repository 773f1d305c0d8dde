/** For tests of clients: a gateway that refuses now and then. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { Test } from 'tap';

/** How a data request is refused. */
export interface Refusal {
  status: number;
  code: string;
  retryAfterSeconds?: number;
}

/**
 * Starts what stands before a gateway, refuses the first data requests with these, one each, and passes all others on.
 * It is closed with the test.
 *
 * @returns its address, and how often each path was asked
 */
export async function startFickleGateway(
  t: Test,
  gatewayUrl: string,
  first: readonly Refusal[],
): Promise<{ baseUrl: string; asked: Map<string, number> }> {
  const refusals = [...first];
  const asked = new Map<string, number>();

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = '/', method = 'GET', headers } = request;
    asked.set(url, (asked.get(url) ?? 0) + 1);
    const body = await buffer(request);
    const refusal = /^\/v\d+\//.test(url) ? refusals.shift() : undefined;
    if (refusal !== undefined) {
      const { status, code, retryAfterSeconds } = refusal;
      response.writeHead(status, {
        'content-type': 'application/problem+json; charset=utf-8',
        ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
      });
      response.end(JSON.stringify({ status, code }));
      return;
    }
    const sent = Object.entries(headers).flatMap(([name, value]): [string, string][] =>
      typeof value === 'string' && !hopByHop.includes(name) ? [[name, value]] : [],
    );
    const passed = await fetch(gatewayUrl + url, {
      method,
      headers: sent,
      ...(method === 'POST' && { body: Uint8Array.from(body) }),
    });
    response.writeHead(passed.status, [...passed.headers].flat());
    response.end(Buffer.from(await passed.arrayBuffer()));
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      t.fail(String(error));
      response.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const hopByHop = ['connection', 'host', 'content-length', 'transfer-encoding', 'upgrade', 'http2-settings'];
