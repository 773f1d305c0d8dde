import t from 'tap';
import { personaCitizens } from '../../src/sandbox/personas.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway } from '../helpers/gateway.ts';
import { checkRefusal } from '../helpers/checks.ts';

const { id } = personaCitizens[0]!;
const test = await startGateway(t);

function ask(
  headers: Record<string, string>,
  purpose = 'marriage-registration',
): ReturnType<typeof test.read> {
  return test.read('citizens', { id, fields: ['sex'] }, { purpose, headers });
}

await t.test('enters case and official as the consumer said them', async (t) => {
  const caseNumber = '婚登〔2026〕第 17 号 + 50%';
  const official = '经办𬸚-17';
  const headers = {
    'exchange-case': encodeURIComponent(caseNumber),
    'exchange-official': encodeURIComponent(official),
  };
  for (const purpose of ['social-assistance', 'marriage-registration']) {
    const response = await ask(headers, purpose);
    t.equal(response.statusCode, 200);
    t.match(await test.entryOf(response), {
      case: caseNumber,
      official: { id: official, proof: 'asserted' },
    });
  }
});

await t.test('enters case and official of a refusal, too', async (t) => {
  const response = await ask({ 'exchange-case': 'HY-1', 'exchange-official': 'clerk' }, 'tax-assessment');
  t.match(await test.entryOf(response), { outcome: 'refused', case: 'HY-1', official: { id: 'clerk' } });
});

await t.test('takes a case of 128 and an official of 64 characters, and none longer', async (t) => {
  for (const character of ['x', '号', '𬸚']) {
    const named = (cases: number, officials: number): ReturnType<typeof ask> =>
      ask({
        'exchange-case': encodeURIComponent(character.repeat(cases)),
        'exchange-official': encodeURIComponent(character.repeat(officials)),
      });
    const response = await named(128, 64);
    t.equal(response.statusCode, 200, `128 and 64 of ${character}`);
    if (response.statusCode === 200)
      t.match(await test.entryOf(response), {
        case: character.repeat(128),
        official: { id: character.repeat(64) },
      });
    t.equal((await named(129, 64)).statusCode, 400, `129 of ${character}`);
    t.equal((await named(128, 65)).statusCode, 400, `65 of ${character}`);
  }
});

const malformed = {
  'a lone percent sign': '50%',
  'a percent sign before no number': '%zz',
  'UTF-8 cut short': '%E5%8F',
  'a surrogate': '%ED%A0%80',
  'an overlong form': '%C0%80',
  'U+0000': 'a%00b',
  'a line break': 'a%0Ab',
  'a carriage return': 'a%0Db',
  DEL: '%7F',
  'a C1 control': '%C2%85',
  'Latin-1 as it stands': 'é',
  "a citizen's id": '11010519491231002X',
  "an enterprise's id among others": 'T-91350100M000100Y43-7',
  'an id in other writing': '11010519491231002%78',
};

for (const [what, value] of Object.entries(malformed))
  await t.test(`refuses a case or official with ${what}`, async (t) => {
    for (const name of ['exchange-case', 'exchange-official']) {
      const response = await ask({ [name]: value });
      const { problem, entry } = await checkRefusal(t, test, response, {
        status: 400,
        code: 'invalid-request',
        subject: true,
      });
      t.match(problem.detail, new RegExp(name, 'i'), 'says which header');
      t.notOk(Object.hasOwn(entry, name === 'exchange-case' ? 'case' : 'official'), 'enters no part of it');
    }
  });

await t.test('does not take a blank for a case or an official', async (t) => {
  for (const blank of ['', ' ', '%20', '%20%20', '%E3%80%80', '%C2%A0']) {
    const official = { 'exchange-official': 'clerk' };
    const response = await ask({ ...official, 'exchange-case': blank }, 'social-assistance');
    t.match(response.json(), { status: 400, code: /^(case-required|invalid-request)$/ }, `case "${blank}"`);
    const other = await ask({ 'exchange-case': 'HY-1', 'exchange-official': blank }, 'social-assistance');
    t.match(
      other.json(),
      { status: 400, code: /^(official-required|invalid-request)$/ },
      `official "${blank}"`,
    );
  }
});

await t.test('enters the trace id of traceparent', async (t) => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const response = await ask({ traceparent: `00-${traceId}-00f067aa0ba902b7-01` });
  t.equal((await test.entryOf(response)).trace_id, traceId);
});

await t.test('passes over a traceparent that is malformed', async (t) => {
  for (const traceparent of ['x', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`]) {
    const response = await ask({ traceparent });
    t.equal(response.statusCode, 200);
    t.notOk(Object.hasOwn(await test.entryOf(response), 'trace_id'));
  }
});

await t.test('has all of it in a log that is whole', async (t) => {
  await checkAuditLog(t, test);
});
