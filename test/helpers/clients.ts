/** For tests of tokens: a gateway's new clients, and how they ask for a token. */
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';
import { addClient } from '../../src/identity/departments-and-clients.ts';
import type { TestGateway } from './gateway.ts';
import { actor } from './keys.ts';

export interface TestClient {
  clientId: string;
  clientSecret: string;
}

/** A new client that the gateway knows of. */
export async function newClient(
  test: TestGateway,
  department = 'civil-affairs',
  roles: string[] = ['exchange'],
): Promise<TestClient> {
  const client = await addClient(test.database, actor, { department, roles });
  await test.gateway.exchanges.authority.refresh();
  return client;
}

export function basic(id: string, secret: string): string {
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
}

export interface TokenRequest {
  authorization?: string | null;
  contentType?: string | null;
  form?: string;
}

/** Asks the token endpoint; null leaves a header out. */
export function askToken(
  app: FastifyInstance,
  client: TestClient,
  {
    authorization = basic(client.clientId, client.clientSecret),
    contentType = 'application/x-www-form-urlencoded',
    form = 'grant_type=client_credentials',
  }: TokenRequest = {},
): Promise<LightMyRequestResponse> {
  return app.inject({
    method: 'POST',
    url: '/oauth/token',
    headers: {
      ...(authorization !== null && { authorization }),
      ...(contentType !== null && { 'content-type': contentType }),
    },
    payload: form,
  });
}

/** A fresh access token for a client's credentials. */
export async function tokenFrom(app: FastifyInstance, client: TestClient): Promise<string> {
  const response = await askToken(app, client);
  return response.json<{ access_token: string }>().access_token;
}
