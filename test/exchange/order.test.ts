import t from 'tap';
import { personaCitizens } from '../../src/sandbox/personas.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway } from '../helpers/gateway.ts';
import { absentCitizen, checkProblem } from '../helpers/checks.ts';

const test = await startGateway(t);
const civilAffairs = await test.token('civil-affairs');
/** Its only grant for citizens has expired. */
const hr = await test.token('human-resources');
const unscoped = await test.token('human-resources', ['provide']);

const wrongId = `${personaCitizens[0]!.id.slice(0, 17)}0`;
const wrongBoth = { id: wrongId, fields: ['salary', 'ethnicity'] };
const unread = 'x'.repeat(65);
const both = { 'exchange-case': 'HY-1', 'exchange-official': 'clerk-17' };

/** Each request has its own fault and, as far as they can be had together, every fault that comes later. */
const cases: {
  fault: string;
  dataset?: string;
  token: string | null;
  purpose: string | null;
  headers?: Record<string, string>;
  body: unknown;
  status: number;
  code: string;
}[] = [
  { fault: 'token', token: null, purpose: null, body: wrongBoth, status: 401, code: 'token-missing' },
  {
    fault: 'token that is none',
    token: 'x',
    purpose: null,
    body: wrongBoth,
    status: 401,
    code: 'token-invalid',
  },
  { fault: 'scope', token: unscoped, purpose: null, body: wrongBoth, status: 403, code: 'scope-missing' },
  {
    fault: 'route and dataset',
    dataset: 'vehicles',
    token: hr,
    purpose: null,
    body: wrongBoth,
    status: 404,
    code: 'route-unknown',
  },
  {
    fault: 'purpose missing',
    token: hr,
    purpose: null,
    headers: { 'exchange-official': unread },
    body: wrongBoth,
    status: 400,
    code: 'purpose-required',
  },
  {
    fault: 'purpose unknown',
    token: hr,
    purpose: 'curiosity',
    headers: { 'exchange-official': unread },
    body: wrongBoth,
    status: 400,
    code: 'purpose-unknown',
  },
  {
    fault: 'case',
    token: hr,
    purpose: 'social-assistance',
    body: wrongBoth,
    status: 400,
    code: 'case-required',
  },
  {
    fault: 'official',
    token: hr,
    purpose: 'social-assistance',
    headers: { 'exchange-case': 'HY-1' },
    body: wrongBoth,
    status: 400,
    code: 'official-required',
  },
  {
    fault: 'official that can not be read',
    token: hr,
    purpose: 'social-assistance',
    headers: { ...both, 'exchange-official': unread },
    body: wrongBoth,
    status: 400,
    code: 'invalid-request',
  },
  {
    fault: 'grant',
    token: hr,
    purpose: 'social-assistance',
    headers: both,
    body: wrongBoth,
    status: 403,
    code: 'grant-expired',
  },
  {
    fault: 'grant, with a body that is not JSON',
    token: hr,
    purpose: 'social-assistance',
    headers: both,
    body: '{',
    status: 403,
    code: 'grant-expired',
  },
  {
    fault: 'id',
    token: civilAffairs,
    purpose: 'social-assistance',
    headers: both,
    body: wrongBoth,
    status: 400,
    code: 'invalid-id',
  },
  {
    fault: 'field unknown',
    token: civilAffairs,
    purpose: 'social-assistance',
    headers: both,
    body: { id: absentCitizen, fields: ['ethnicity', 'salary'] },
    status: 400,
    code: 'unknown-field',
  },
  {
    fault: 'field not granted',
    token: civilAffairs,
    purpose: 'social-assistance',
    headers: both,
    body: { id: absentCitizen, fields: ['name', 'ethnicity'] },
    status: 403,
    code: 'field-not-granted',
  },
  {
    fault: 'record',
    token: civilAffairs,
    purpose: 'social-assistance',
    headers: both,
    body: { id: absentCitizen, fields: ['name'] },
    status: 404,
    code: 'record-absent',
  },
];

for (const { fault, dataset = 'citizens', body, status, code, ...options } of cases)
  await t.test(`lets the first fault decide: ${fault}`, async (t) => {
    checkProblem(t, await test.read(dataset, body, options), { status, code });
  });

await t.test('asks for a token before it tells whether there is a dataset', async (t) => {
  const response = await test.read('vehicles', wrongBoth, { token: null, purpose: null });
  checkProblem(t, response, { status: 401, code: 'token-missing' });
});

await t.test('asks for the scope before it tells whether there is a dataset', async (t) => {
  const response = await test.read('vehicles', wrongBoth, { token: unscoped, purpose: null });
  checkProblem(t, response, { status: 403, code: 'scope-missing' });
});

await t.test('has entered what came after the token', async (t) => {
  const entries = await checkAuditLog(t, test);
  const codes = entries.filter(({ kind }) => kind === 'exchange').map(({ code }) => code ?? 'record-absent');
  const beside = ['token-missing', 'token-invalid', 'route-unknown'];
  const expected = cases.map(({ code }) => code).filter((code) => !beside.includes(code));
  t.same(codes.slice(0, expected.length), expected);
});
