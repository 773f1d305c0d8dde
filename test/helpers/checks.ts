/** For tests of answers: the form of a problem, and what a refusal leaves in the log. */
import type { LightMyRequestResponse } from 'fastify';
import type { Test } from 'tap';
import type { TestGateway } from './gateway.ts';
import { issuer } from './keys.ts';
import { countEntries } from './log.ts';

/** An id that is well formed and in no register. */
export const absentCitizen = '999901199001010096';
export const absentEnterprise = '91999901MA0000090X';

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

interface Expected {
  status: number;
  code: string;
}

export interface ProblemBody {
  type: string;
  title: string;
  status: number;
  detail: string;
  instance: string;
  code: string;
  errors?: { pointer: string; detail: string }[];
  explain?: { rule: string; missing_fields?: string[]; granted_by?: string };
}

/** Checks the form of a problem (RFC 9457) and its headers. */
export function checkProblem(
  t: Test,
  response: LightMyRequestResponse,
  { status, code }: Expected,
): ProblemBody {
  const problem = response.json<ProblemBody>();
  const { headers } = response;
  t.match(
    { sent: response.statusCode, code: problem.code, status: problem.status },
    { sent: status, code, status },
  );
  t.match(problem, {
    type: `${issuer}/problems/${code}`,
    title: /\S/,
    detail: /\S/,
    instance: `urn:uuid:${String(headers['exchange-id'])}`,
  });
  t.notMatch(problem.detail, /\{\w+\}|undefined|null/, 'every placeholder of the detail is filled');
  t.match(headers['exchange-id'], uuid);
  t.equal(headers['content-type'], 'application/problem+json; charset=utf-8');
  t.equal(headers['cache-control'], 'no-store');
  t.match(headers['content-language'], /^(zh|en)$/);
  t.match(headers.vary, /\bAccept-Language\b/i);
  for (const name of ['exchange-salt', 'exchange-masked', 'content-encoding'])
    t.notOk(headers[name], `no ${name} without a body released`);
  return problem;
}

/** Checks that a data request was refused on the record. `subject` says whether the entry knows whose record. */
export async function checkRefusal(
  t: Test,
  test: TestGateway,
  response: LightMyRequestResponse,
  expected: Expected & { subject: boolean; operation?: string },
): Promise<{ problem: ProblemBody; entry: Record<string, unknown> }> {
  const problem = checkProblem(t, response, expected);
  t.match(response.headers['exchange-entry'], /^\d+$/);
  const entry = await test.entryOf(response);
  t.match(entry, {
    kind: 'exchange',
    id: response.headers['exchange-id'],
    operation: expected.operation ?? 'read',
    outcome: 'refused',
    code: expected.code,
  });
  for (const member of ['body', 'records', 'grants'])
    t.notOk(Object.hasOwn(entry, member), `a refusal's entry has no ${member}`);
  for (const member of ['subjects', 'sealed', 'subject_key', 'data_key'])
    t.equal(Object.hasOwn(entry, member), expected.subject, `${member} as the id is known or not`);
  await checkLeaf(t, test, response);
  return { problem, entry };
}

/** Checks that the leaf hash that an answer tells is the one in the log. */
export async function checkLeaf(t: Test, test: TestGateway, response: LightMyRequestResponse): Promise<void> {
  const { rows } = await test.pool.query<{ leaf: string }>(
    `select encode(leaf_hash, 'base64') as leaf from audit.entry where index = $1`,
    [Number(response.headers['exchange-entry'])],
  );
  t.equal(response.headers['exchange-leaf'], rows[0]?.leaf);
}

/** Checks that a fault beside an exchange is answered with an id alone, and that the log stays as it is. */
export async function checkBeside(
  t: Test,
  test: TestGateway,
  ask: () => Promise<LightMyRequestResponse>,
  expected: Expected,
): Promise<LightMyRequestResponse> {
  const before = await countEntries(test);
  const response = await ask();
  checkProblem(t, response, expected);
  t.notOk(response.headers['exchange-entry'], 'no entry is named');
  t.notOk(response.headers['exchange-leaf'], 'no leaf is named');
  t.equal(await countEntries(test), before, 'the log has no entry more');
  return response;
}
