import t from 'tap';
import { personaCitizens } from '../../src/sandbox/personas.ts';
import { citizens } from '../../src/sandbox/province.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway, type AskOptions } from '../helpers/gateway.ts';
import { absentCitizen, checkRefusal } from '../helpers/checks.ts';

const test = await startGateway(t);
const people = [...citizens({ seed: 7, citizens: 300, enterprises: 60 })].map(({ id }) => id);
const [id] = people;

/** A consumer whose one grant has a quota. */
async function newConsumer(department: string, dailyQuota: number): Promise<() => Promise<AskOptions>> {
  await test.grant({
    consumer: department,
    dataset: 'citizens',
    fields: ['name', 'birth_date'],
    purposes: ['social-insurance'],
    dailyQuota,
  });
  return async () => ({ token: await test.token(department), purpose: 'social-insurance' });
}

await t.test('counts the subjects asked for, whatever is asked of them, and then refuses', async (t) => {
  const options = await newConsumer('human-resources', 20);
  const asked: [operation: string, body: unknown, subjects: number][] = [
    ['read', { id, fields: ['name'] }, 1],
    ['read', { id: absentCitizen }, 1],
    ['batch', { ids: people.slice(0, 10), fields: ['name'] }, 10],
    ['batch', { ids: [id, id, 'nobody', absentCitizen] }, 2],
    ['verify', { id, claims: { name: 'x' } }, 1],
  ];
  let left = 20;
  for (const [operation, body, subjects] of asked) {
    const { statusCode } = await test.ask(operation, 'citizens', body, await options());
    t.equal(statusCode, operation === 'read' && JSON.stringify(body).includes(absentCitizen) ? 404 : 200);
    left -= subjects;
  }
  t.equal(left, 5);
  const refused: [operation: string, body: unknown][] = [['batch', { ids: people.slice(0, 6) }]];
  for (const [operation, body] of refused) {
    const response = await test.ask(operation, 'citizens', body, {
      ...(await options()),
      headers: { 'accept-language': 'en' },
    });
    const { problem, entry } = await checkRefusal(t, test, response, {
      status: 429,
      code: 'quota-exceeded',
      subject: true,
      operation,
    });
    t.match(problem.detail, /human-resources.*citizens.* 20 subjects a day/);
    t.equal((entry.subjects as string[]).length, 6, 'whom it asked for is known');
    t.ok(Number(response.headers['retry-after']) > 0);
  }
  for (let i = 0; i < 8; i++) {
    const response = await test.read('citizens', { id, fields: ['name'] }, await options());
    t.equal(response.statusCode, i < 5 ? 200 : 429, `read ${i}`);
    if (i >= 5) await checkRefusal(t, test, response, { status: 429, code: 'quota-exceeded', subject: true });
  }
  const verification = await test.ask('verify', 'citizens', { id, claims: { name: 'x' } }, await options());
  t.equal(verification.json<{ code: string }>().code, 'quota-exceeded');
  t.equal((await test.read('citizens', { id, fields: ['name'] })).statusCode, 200, 'others are not touched');
});

await t.test('begins anew at midnight where the gateway is', async (t) => {
  const options = await newConsumer('market-regulation', 1);
  const midnight = new Date(test.clock.now());
  midnight.setUTCHours(16, 0, 0, 0);
  if (midnight <= test.clock.now()) midnight.setUTCDate(midnight.getUTCDate() + 1);
  test.clock.advance(midnight.getTime() - test.clock.now().getTime() - 2000);
  const read = async (): Promise<number> =>
    (await test.read('citizens', { id, fields: ['name'] }, await options())).statusCode;
  t.equal(await read(), 200);
  t.equal(await read(), 429);
  test.clock.advance(1999);
  t.equal(await read(), 429, 'still the same day');
  test.clock.advance(1);
  t.equal(await read(), 200);
});

await t.test('charges an exchange once that is decided again because a grant changed', async (t) => {
  const options = await newConsumer('public-security', 40);
  const token = (await options()).token!;
  let changes = 0;
  const reads = Array.from({ length: 40 }, async (_, i) => {
    if (i % 8 === 0) {
      changes++;
      await newConsumer('service-portal', 5);
    }
    return test.read(
      'citizens',
      { id: people[i]!, fields: ['name'] },
      { token, purpose: 'social-insurance' },
    );
  });
  const answers = await Promise.all(reads);
  t.equal(changes, 5);
  t.equal(answers.filter(({ statusCode }) => statusCode === 200).length, 40);
  const more = await test.read('citizens', { id }, { token, purpose: 'social-insurance' });
  t.equal(more.statusCode, 429, 'and no more than that');
});

await t.test('refuses a read of whoever is no subject before it counts', async (t) => {
  const options = await newConsumer('audit-office', 1);
  for (let i = 0; i < 3; i++)
    t.equal((await test.read('citizens', { id: 'nobody' }, await options())).statusCode, 400);
  const [wife] = personaCitizens;
  t.equal((await test.read('citizens', { id: wife!.id }, await options())).statusCode, 200);
});

await t.test('has every refusal in a log that is whole', async (t) => {
  const entries = await checkAuditLog(t, test);
  t.ok(entries.filter(({ code }) => code === 'quota-exceeded').length > 5);
});
