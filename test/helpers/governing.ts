/** For tests of grants and purposes: departments that apply, approve and end. */
import { randomUUID } from 'node:crypto';
import type { LightMyRequestResponse } from 'fastify';
import type { Test } from 'tap';
import { createJudge, type Document, type Judge } from './openapi-document.ts';
import { startGateway, type TestGateway } from './gateway.ts';

export interface GrantBody {
  id: string;
  status: string;
  [member: string]: unknown;
}

export interface Options {
  official?: string | null;
  headers?: Record<string, string>;
}

export interface Governing extends TestGateway {
  judge: Judge;
  /** Asks as a department in its roles, by the body; null sends none. */
  post(who: Who, path: string, body: object | null, options?: Options): Promise<LightMyRequestResponse>;
  get(who: Who, path: string): Promise<LightMyRequestResponse>;
  /** An application that must be taken. */
  apply(t: Test, who?: Who, more?: object): Promise<GrantBody>;
  /** A step that must be taken. */
  step(t: Test, who: Who, id: string, step: string, body?: object | null): Promise<GrantBody>;
}

/** A department and the roles of the client that it asks by. */
export type Who = readonly [department: string, ...roles: string[]];

export const consumer: Who = ['taxation', 'exchange'];
export const provider: Who = ['public-security', 'provide'];
export const admin: Who = ['data-bureau', 'admin'];
export const auditor: Who = ['audit-office', 'audit'];
export const portal: Who = ['service-portal', 'disclose'];

export const application = {
  dataset: 'citizens',
  fields: ['name', 'phone'],
  verify_fields: ['birth_date'],
  purposes: ['tax-assessment'],
  legal_basis: '税收征收管理法 第六条',
  justification: {
    name: 'It is on the assessment',
    phone: 'Whom to call',
    birth_date: 'Who is of age',
  },
  expected_volume: 200,
  valid_until: '2099-12-31',
};

export async function startGoverning(t: Test): Promise<Governing> {
  const test = await startGateway(t);
  const judge = createJudge((await test.app.inject({ url: '/openapi/v1.json' })).json<Document>());

  async function post(
    [department, ...roles]: Who,
    path: string,
    body: object | null,
    { official = 'clerk-1', headers = {} }: Options = {},
  ): Promise<LightMyRequestResponse> {
    return test.app.inject({
      method: 'POST',
      url: path,
      headers: {
        authorization: `Bearer ${await test.token(department, roles)}`,
        'accept-language': 'en',
        ...(official !== null && { 'exchange-official': official }),
        ...(body !== null && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== null && { payload: JSON.stringify(body) }),
    });
  }

  async function done(t: Test, status: number, response: LightMyRequestResponse): Promise<GrantBody> {
    t.equal(response.statusCode, status, response.body);
    await test.gateway.exchanges.authority.refresh();
    return response.json<GrantBody>();
  }

  return {
    ...test,
    judge,
    post,
    get: async ([department, ...roles], path) =>
      test.app.inject({
        url: path,
        headers: {
          authorization: `Bearer ${await test.token(department, roles)}`,
          'accept-language': 'en',
        },
      }),
    apply: async (t, who = consumer, more = {}) =>
      done(t, 201, await post(who, '/v1/grants', { ...application, ...more })),
    step: async (t, who, id, step, body = {}) =>
      done(t, 200, await post(who, `/v1/grants/${id}/${step}`, body)),
  };
}

/** A header that makes a request one that is done once. */
export function onceBy(key: string = randomUUID()): Options {
  return { headers: { 'idempotency-key': key } };
}
