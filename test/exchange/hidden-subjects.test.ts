import type { LightMyRequestResponse } from 'fastify';
import t from 'tap';
import { personaCitizens, personaEnterprises } from '../../src/sandbox/personas.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway, type AskOptions } from '../helpers/gateway.ts';

/** A consumer sees its own entries: what an answer hides of somebody's id, they must not tell. */
const test = await startGateway(t);
const [company] = personaEnterprises;
const representative = company!.legal_representative_id!;
const [wife] = personaCitizens;
const taxation: AskOptions = {
  token: await test.token('taxation', ['exchange', 'provide']),
  purpose: 'tax-assessment',
};
const auditor = await test.token('audit-office', ['audit']);

/** The subjects of an entry as whoever may see it reads them from its receipt. */
async function subjectsOf(response: LightMyRequestResponse): Promise<string[]> {
  return (await test.entryOf(response)).subjects as string[];
}

/** The keyed hashes that a consumer can have made of ids that it guesses, by a request that is refused. */
async function guessed(ids: string[], options: AskOptions): Promise<string[]> {
  const refused = await test.ask('batch', 'citizens', { ids, fields: ['ethnicity'] }, options);
  t.ok(refused.statusCode >= 400);
  return subjectsOf(refused);
}

/** The entries about a subject that whoever has the token finds in the audit log. */
async function found(token: string, subject: string): Promise<number[]> {
  const response = await test.app.inject({
    method: 'POST',
    url: '/v1/audit/entries/search',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${token}`,
      'exchange-official': 'officer-1',
    },
    payload: { dataset: 'citizens', subject },
  });
  return response.json<{ items: { index: number }[] }>().items.map(({ index }) => index);
}

await t.test('does not tell by its entry whom a masked id hides', async (t) => {
  const body = { id: company!.id, fields: ['legal_representative_id'] };
  const response = await test.read('enterprises', body, taxation);
  t.match(response.json(), { legal_representative_id: /\*/ });
  const [, hidden] = await subjectsOf(response);
  t.ok(hidden);
  t.notOk((await guessed([representative], taxation)).includes(hidden!), 'guesses do not meet it');
  const index = Number(response.headers['exchange-entry']);
  t.notOk(
    (await found(taxation.token!, representative)).includes(index),
    'nor does a search of the consumer',
  );
  t.ok((await found(auditor, representative)).includes(index), 'the audit office finds it by the id');
});

await t.test('tells it where the id is released whole', async (t) => {
  await test.grant({
    consumer: 'human-resources',
    dataset: 'enterprises',
    fields: ['legal_representative_id'],
    plainFields: ['legal_representative_id'],
    purposes: ['social-insurance'],
  });
  const options = { token: await test.token('human-resources'), purpose: 'social-insurance' };
  const body = { id: company!.id, fields: ['legal_representative_id'] };
  const response = await test.read('enterprises', body, options);
  t.strictSame(response.json(), { legal_representative_id: representative });
  t.same((await subjectsOf(response)).slice(1), await guessed([representative], options));
  const index = Number(response.headers['exchange-entry']);
  t.ok((await found(options.token, representative)).includes(index));
  t.ok((await found(auditor, representative)).includes(index));
});

await t.test('does not tell whom a search has found whose id it does not show', async (t) => {
  const where = { name: wife!.name };
  const shown = await test.ask('search', 'citizens', { where, fields: ['id', 'name'] });
  t.same(await subjectsOf(shown), await guessed([wife!.id], {}), 'one that is shown is known');
  for (const fields of [['name'], ['birth_date', 'sex']]) {
    const response = await test.ask('search', 'citizens', { where, fields });
    const [hidden] = await subjectsOf(response);
    t.notOk((await guessed([wife!.id], {})).includes(hidden!));
    const index = Number(response.headers['exchange-entry']);
    t.ok((await found(auditor, wife!.id)).includes(index));
    t.notOk((await found(await test.token('civil-affairs'), wife!.id)).includes(index));
  }
});

await t.test('does not tell by a verification whom an enterprise names', async (t) => {
  await test.grant({
    consumer: 'taxation',
    dataset: 'enterprises',
    fields: [],
    verifyFields: ['legal_representative_id'],
    purposes: ['tax-assessment'],
  });
  const verify = (claimed: string): Promise<LightMyRequestResponse> =>
    test.ask(
      'verify',
      'enterprises',
      { id: company!.id, claims: { legal_representative_id: claimed } },
      taxation,
    );
  const entries = [await verify(representative), await verify('999901198804120024')];
  t.same(
    entries.map((one) => one.json<{ results: object }>().results),
    [{ legal_representative_id: 'match' }, { legal_representative_id: 'mismatch' }],
  );
  const [match, mismatch] = await Promise.all(entries.map(subjectsOf));
  t.same(match, mismatch, 'an entry is the same whether it matched or not');
  t.notOk(match!.includes((await guessed([representative], taxation))[0]!));
});

await t.test('leaves a log that is whole', async (t) => {
  await checkAuditLog(t, test);
});
