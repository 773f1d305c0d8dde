/** For tests of the search: auditors, and how they ask. */
import type { LightMyRequestResponse } from 'fastify';
import { addClient } from '../../src/identity/departments-and-clients.ts';
import { tokenFrom } from './clients.ts';
import type { TestGateway } from './gateway.ts';
import { actor } from './keys.ts';

export interface FoundItem {
  index: number;
  leaf_hash: string;
  entry: Record<string, unknown>;
}
export interface Page {
  items: FoundItem[];
  next: string | null;
}

/** A client that can get a token again, when the clock has gone past the first. */
export interface Asker {
  clientId: string;
  department: string;
  token(): Promise<string>;
}

export async function newAsker(test: TestGateway, department: string, roles: string[]): Promise<Asker> {
  const { clientId, clientSecret } = await addClient(test.database, actor, { department, roles });
  await test.gateway.exchanges.authority.refresh();
  return {
    clientId,
    department,
    token: () => tokenFrom(test.app, { clientId, clientSecret }),
  };
}

/** Asks the log; `official` of null leaves the header out. */
export async function search(
  test: TestGateway,
  asker: Asker,
  body: unknown,
  official: string | null = 'auditor%201',
): Promise<LightMyRequestResponse> {
  return test.app.inject({
    method: 'POST',
    url: '/v1/audit/entries/search',
    headers: {
      authorization: `Bearer ${await asker.token()}`,
      'content-type': 'application/json',
      'accept-language': 'en',
      ...(official !== null && { 'exchange-official': official }),
    },
    payload: JSON.stringify(body),
  });
}

/** The items of a search that must be answered. */
export async function found(test: TestGateway, asker: Asker, body: object): Promise<FoundItem[]> {
  const response = await search(test, asker, { limit: 500, ...body });
  if (response.statusCode !== 200) throw new Error(`${response.statusCode}: ${response.body}`);
  return response.json<Page>().items;
}

/** Every item, page by page. */
export async function foundByPages(
  test: TestGateway,
  asker: Asker,
  body: object,
  limit: number,
): Promise<FoundItem[][]> {
  const pages: FoundItem[][] = [];
  for (let after: string | null = null; ;) {
    const response = await search(test, asker, { ...body, limit, after });
    if (response.statusCode !== 200) throw new Error(`${response.statusCode}: ${response.body}`);
    const page: Page = response.json<Page>();
    pages.push(page.items);
    if (page.next === null) return pages;
    after = page.next;
  }
}
