import type { LightMyRequestResponse } from 'fastify';
import t from 'tap';
import { personaCitizens } from '../../../src/sandbox/personas.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { startGateway, type AskOptions, type TestGateway } from '../../helpers/gateway.ts';
import { countEntries } from '../../helpers/log.ts';
import { absentCitizen, checkBeside, checkProblem, checkRefusal } from '../../helpers/checks.ts';

const [wife] = personaCitizens;
const { id } = wife!;
const sandbox = await startGateway(t, { config: { embedded: true } });
await sandbox.read('citizens', { id, fields: ['name'] });

interface DryRun {
  decision: Record<string, unknown>;
  entry: Record<string, unknown>;
}

function rehearse(
  test: TestGateway,
  operation: string,
  body: unknown,
  options: AskOptions = {},
): Promise<LightMyRequestResponse> {
  return test.ask(operation, 'citizens', body, {
    ...options,
    headers: { prefer: 'dry-run', ...options.headers },
  });
}

/** A rehearsal that must leave the log as it is, and release nothing. */
async function told(operation: string, body: unknown, options: AskOptions = {}): Promise<DryRun> {
  const before = await countEntries(sandbox);
  const response = await rehearse(sandbox, operation, body, options);
  t.equal(response.statusCode, 200);
  t.match(response.headers, {
    'content-type': 'application/vnd.onevisit.dry-run+json; charset=utf-8',
    'preference-applied': 'dry-run',
    'cache-control': 'no-store',
    'exchange-sandbox': 'true',
  });
  for (const name of ['exchange-entry', 'exchange-leaf', 'exchange-salt']) t.notOk(response.headers[name]);
  t.notOk(response.body.includes(wife!.name), 'nothing of the record is told');
  t.equal(await countEntries(sandbox), before, 'nothing is entered');
  return response.json<DryRun>();
}

await t.test('shows the decision and the entry that there would be', async (t) => {
  const body = { id, fields: ['name', 'phone'] };
  const { decision, entry } = await told('read', body);
  t.match(decision, { allowed: true, fields: ['name', 'phone'], masked: ['phone'], grants: [/./] });
  const real = await sandbox.entryOf(await sandbox.read('citizens', body));
  const same = [
    'kind',
    'operation',
    'outcome',
    'records',
    'fields',
    'subjects',
    'grants',
    'purpose',
    'client',
  ];
  for (const member of same) t.same(entry[member], real[member], member);
  t.same(Object.keys(entry).sort(), Object.keys(real).sort());
});

await t.test('shows it of every way to ask', async (t) => {
  t.match(await told('batch', { ids: [id, absentCitizen] }), { entry: { operation: 'batch', records: 1 } });
  t.match(await told('verify', { id, claims: { name: 'x' } }), { entry: { operation: 'verify' } });
  t.match(await told('search', { where: { name: wife!.name } }), {
    entry: { operation: 'search', records: 1 },
  });
  t.match(await told('read', { id: absentCitizen }), {
    entry: { outcome: 'absent' },
    decision: { allowed: true },
  });
});

await t.test('shows why an exchange would be refused', async (t) => {
  const { decision, entry } = await told('read', { id, fields: ['name', 'ethnicity'] });
  t.match(decision, {
    allowed: false,
    code: 'field-not-granted',
    explain: {
      rule: { en: /granted/, zh: /授权/ },
      missing_fields: ['ethnicity'],
      granted_by: 'public-security',
    },
  });
  t.match(entry, { outcome: 'refused', code: 'field-not-granted' });
  t.match(await told('read', { id: 'x' }), { decision: { code: 'invalid-id' } });
  t.match(await told('read', '{"id":'), { decision: { code: 'invalid-request' } });
  t.match(await told('read', { id }, { purpose: null }), { decision: { code: 'purpose-required' } });
});

await t.test('counts neither quota nor attempts', async (t) => {
  await sandbox.grant({
    consumer: 'human-resources',
    dataset: 'citizens',
    fields: ['name'],
    purposes: ['social-insurance'],
    dailyQuota: 1,
  });
  const options = { token: await sandbox.token('human-resources'), purpose: 'social-insurance' };
  for (let i = 0; i < 7; i++) await told('verify', { id, claims: { name: 'x' } }, options);
  const real = await sandbox.ask('verify', 'citizens', { id, claims: { name: 'x' } }, options);
  t.equal(real.statusCode, 200);
});

await t.test('is asked for by the preference of that name, among others and however written', async (t) => {
  for (const prefer of ['Dry-Run', 'return=minimal, dry-run', 'dry-run; wait=3', 'respond-async,dry-run']) {
    const response = await rehearse(sandbox, 'read', { id }, { headers: { prefer } });
    t.equal(response.headers['preference-applied'], 'dry-run', prefer);
  }
  for (const prefer of ['dry', 'return=dry-run', 'x-dry-run', '']) {
    const response = await rehearse(sandbox, 'read', { id, fields: ['name'] }, { headers: { prefer } });
    t.equal(response.body, JSON.stringify({ name: wife!.name }), `${prefer} is none`);
  }
});

await t.test('asks for a token all the same', async (t) => {
  checkProblem(t, await rehearse(sandbox, 'read', { id }, { token: null }), {
    status: 401,
    code: 'token-missing',
  });
});

await t.test('is refused, on the record, where people are real', async (t) => {
  const test = await startGateway(t);
  const response = await rehearse(test, 'read', { id, fields: ['name'] });
  await checkRefusal(t, test, response, { status: 400, code: 'invalid-request', subject: true });
  t.notOk(response.headers['preference-applied']);
  await checkBeside(t, test, () => rehearse(test, 'read', { id }, { token: null }), {
    status: 401,
    code: 'token-missing',
  });
  await checkAuditLog(t, test);
});

await t.test('leaves a log that is whole', async (t) => {
  await checkAuditLog(t, sandbox);
});
