import { randomUUID } from 'node:crypto';
import Fastify from 'fastify';
import t, { type Test } from 'tap';
import { ProblemError } from '../../src/base/errors.ts';
import { registerProblems } from '../../src/http/problem.ts';
import { registerTokens } from '../../src/identity/access-token.ts';
import { createAdmission } from '../../src/identity/admission.ts';
import { revokeClient } from '../../src/identity/departments-and-clients.ts';
import { answer } from '../../src/routes/answer.ts';
import type { RouteContext } from '../../src/routes/context.ts';
import { registerLook, type Found } from '../../src/routes/look.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway, type TestGateway } from '../helpers/gateway.ts';
import { actor, issuer, keys } from '../helpers/keys.ts';
import { readLog, type LogEntry } from '../helpers/open-seal.ts';
import { newAsker, type Asker } from '../helpers/search.ts';

/** A gateway with one more route, by which auditors look at nothing. */
async function startLooking(
  t: Test,
  find: (test: TestGateway, again: NonNullable<Found['again']>) => Promise<Partial<Found>>,
): Promise<{
  test: TestGateway;
  auditor: Asker;
  look: (asker?: Asker, headers?: object) => Promise<{ status: number; code: string | undefined }>;
  looks: () => Promise<LogEntry[]>;
}> {
  const test = await startGateway(t);
  const { exchanges } = test.gateway;
  const app = Fastify({ genReqId: () => randomUUID() });
  registerProblems(app, test.gateway);
  const tokens = await registerTokens(app, { key: keys.token, issuer, now: exchanges.now });
  const context = { ...exchanges, admit: createAdmission(tokens, null) } as unknown as RouteContext;
  registerLook(app, context, {
    method: 'GET',
    url: '/look',
    scopes: ['audit'],
    schema: {},
    async find(_request, _looker, reply) {
      const found: Found = {
        entry: { operation: 'look-test' },
        answer: () => answer(reply, {}),
        ...(await find(test, () => Promise.resolve({ ...found, entry: { operation: 'look-again' } }))),
      };
      return found;
    },
  });
  t.teardown(() => app.close());
  const auditor = await newAsker(test, 'audit-office', ['audit']);
  return {
    test,
    auditor,
    async look(asker = auditor, headers = { 'exchange-official': 'auditor-1' }) {
      const authorization = `Bearer ${await asker.token()}`;
      const response = await app.inject({ url: '/look', headers: { authorization, ...headers } });
      return { status: response.statusCode, code: response.json<{ code?: string }>().code };
    },
    looks: async () =>
      (await readLog(test.pool)).filter(({ operation }) => String(operation).startsWith('look-')),
  };
}

await t.test('answers once the entry is durable', async (t) => {
  let before: LogEntry[] = [];
  const { test, look, looks } = await startLooking(t, () =>
    Promise.resolve({
      answer: async () => {
        before = await looks();
        throw new ProblemError('not-found');
      },
    }),
  );
  t.match(await look(), { status: 404 });
  t.match(before, [{ kind: 'query', operation: 'look-test', consumer: 'audit-office', outcome: 'done' }]);
  await checkAuditLog(t, test);
});

await t.test('looks for nothing without the scope, and without an official', async (t) => {
  let found = 0;
  const { test, look, looks } = await startLooking(t, () => {
    found++;
    return Promise.resolve({});
  });
  const consumer = await newAsker(test, 'civil-affairs', ['exchange']);
  t.match(await look(consumer), { status: 403, code: 'scope-missing' });
  t.match(await look(undefined, {}), { status: 400, code: 'official-required' });
  t.equal(found, 0);
  t.same(await looks(), []);
});

await t.test('a client that is revoked while it looks gets no answer, and leaves no entry', async (t) => {
  const { test, auditor, look, looks } = await startLooking(t, async ({ database }) => {
    await revokeClient(database, actor, auditor.clientId);
    return {};
  });
  t.match(await look(), { status: 401, code: 'token-invalid' });
  t.same(await looks(), []);
  await checkAuditLog(t, test);
});

await t.test('finds again what depends on an authority that has changed meanwhile', async (t) => {
  const { test, look, looks } = await startLooking(t, async (gateway, again) => {
    await gateway.grant({
      consumer: 'taxation',
      dataset: 'citizens',
      fields: ['name'],
      purposes: ['marriage-registration'],
    });
    return { again };
  });
  t.match(await look(), { status: 200 });
  t.match(await looks(), [{ operation: 'look-again' }]);
  await checkAuditLog(t, test);
});

await t.test('does not answer where the log takes no entry', async (t) => {
  let answered = false;
  const { look, looks } = await startLooking(t, async ({ gateway }) => {
    await gateway.exchanges.log.close();
    return {
      answer: () => {
        answered = true;
        throw new ProblemError('not-found');
      },
    };
  });
  t.match(await look(), { status: 503, code: 'audit-unavailable' });
  t.notOk(answered);
  t.same(await looks(), []);
});
