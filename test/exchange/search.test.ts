import t from 'tap';
import type { LightMyRequestResponse } from 'fastify';
import { personaCitizens, personaEnterprises } from '../../src/sandbox/personas.ts';
import { citizens, enterprises } from '../../src/sandbox/province.ts';
import { openSeal, readLog } from '../helpers/open-seal.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { startGateway, type AskOptions } from '../helpers/gateway.ts';
import { checkBeside, checkLeaf, checkRefusal } from '../helpers/checks.ts';

const test = await startGateway(t);
const province = { seed: 7, citizens: 300, enterprises: 60 };
const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1);
const people = [...citizens(province)].sort(byId);
const shops = [...enterprises(province)].sort(byId);
const [wife, husband] = personaCitizens;
const [company] = personaEnterprises;
const taxation = { token: await test.token('taxation'), purpose: 'tax-assessment' };
await test.token('civil-affairs');

function search(
  body: unknown,
  options: AskOptions = {},
  dataset = 'citizens',
): Promise<LightMyRequestResponse> {
  return test.ask('search', dataset, body, options);
}

/** Their ids in the order of a field by its bytes, then of the ids. */
function inOrder<T extends { id: string }>(found: T[], field: keyof T): string[] {
  const bytes = (one: T): Buffer => Buffer.from(String(one[field]));
  return found.toSorted((a, b) => bytes(a).compare(bytes(b)) || byId(a, b)).map(({ id }) => id);
}

interface Page {
  items: Record<string, unknown>[];
  next: string | null;
}

/** The plain ids of an answer's entry, as the audit office opens them. */
async function openedIds(response: LightMyRequestResponse): Promise<string[]> {
  return openSeal(await readLog(test.pool), await test.entryOf(response)).split('\n');
}

await t.test('finds whoever bears a name, and enters whom it shows', async (t) => {
  const response = await search({ where: { name: wife!.name }, fields: ['id', 'name', 'phone'] });
  t.equal(response.statusCode, 200);
  t.strictSame(response.json(), {
    items: [{ id: wife!.id, name: wife!.name, phone: '120****0001' }],
    next: null,
  });
  t.equal(response.headers['exchange-masked'], 'phone');
  t.match(response.headers, { 'cache-control': 'no-store', 'exchange-salt': /=$/ });
  const entry = await test.entryOf(response);
  t.match(entry, {
    kind: 'exchange',
    operation: 'search',
    outcome: 'released',
    records: 1,
    fields: ['id', 'name', 'phone'],
    details: { where: { name: 'equals' } },
  });
  t.same(await openedIds(response), [wife!.id]);
  t.notOk(JSON.stringify(entry).includes(wife!.name), 'what was sought is not in the log');
  await checkLeaf(t, test, response);
});

await t.test('finds exactly those whom the conditions fit, all of them, in order', async (t) => {
  const surname = Array.from(people[5]!.name)[0]!;
  const pair = Array.from(shops[3]!.name).slice(2, 4).join('');
  const date = people[8]!.birth_date;
  const citizenCases: [where: object, fits: (one: (typeof people)[number]) => boolean][] = [
    [{ name: { prefix: surname } }, (one) => one.name.startsWith(surname)],
    [{ name: { contains: wife!.name.slice(1, 3) } }, (one) => one.name.includes(wife!.name.slice(1, 3))],
    [{ birth_date: date }, (one) => one.birth_date === date],
    [
      { name: { prefix: surname }, birth_date: people[5]!.birth_date },
      (one) => one.name.startsWith(surname) && one.birth_date === people[5]!.birth_date,
    ],
    [{ name: { contains: '𬸚英' } }, (one) => one.name.includes('𬸚英')],
    [{ name: '没有此人' }, () => false],
  ];
  for (const [where, fits] of citizenCases) {
    const { items, next } = (await search({ where, fields: ['id'], limit: 200 })).json<Page>();
    t.same(
      items.map(({ id }) => id),
      inOrder(people.filter(fits), JSON.stringify(where).includes('{"name":{"prefix') ? 'name' : 'id'),
      JSON.stringify(where),
    );
    t.equal(next, null);
  }
  const shopCases: [where: object, fits: (one: (typeof shops)[number]) => boolean][] = [
    [{ name: { contains: pair } }, (one) => one.name.includes(pair)],
    [{ name: { contains: '示例科技' } }, (one) => one.name.includes('示例科技')],
    [{ status: 'active' }, (one) => one.status === 'active'],
    [{ industry_code: { prefix: 'F' } }, (one) => one.industry_code?.startsWith('F') === true],
    [{ id: { prefix: company!.id.slice(0, 16) } }, (one) => one.id.startsWith(company!.id.slice(0, 16))],
    [{ established_on: company!.established_on }, (one) => one.established_on === company!.established_on],
    [
      { status: 'active', name: { contains: '公司' } },
      (one) => one.status === 'active' && one.name.includes('公司'),
    ],
  ];
  for (const [where, fits] of shopCases) {
    const { items } = (
      await search({ where, fields: ['id'], limit: 200 }, taxation, 'enterprises')
    ).json<Page>();
    t.same(
      items.map(({ id }) => id),
      inOrder(shops.filter(fits), 'industry_code' in where ? 'industry_code' : 'id'),
      JSON.stringify(where),
    );
  }
});

await t.test('takes what is sought for what it is, not for a pattern', async (t) => {
  const first = people[20]!.id;
  await test.pool.query('update store.citizens set name = $1 where id = $2', ['100%_\\甲', first]);
  for (const [sought, hits] of [
    [{ prefix: '100%' }, 1],
    [{ prefix: '%' }, 0],
    [{ prefix: '_' }, 0],
    [{ prefix: '100%_\\' }, 1],
    [{ contains: '%_' }, 1],
    [{ contains: '__' }, 0],
    ['100%_\\甲', 1],
    ['%', 0],
    ["' or 1=1 --", 0],
  ] as const) {
    const { items } = (await search({ where: { name: sought }, fields: ['id'] })).json<Page>();
    t.equal(items.length, hits, JSON.stringify(sought));
  }
  await test.pool.query('update store.citizens set name = $1 where id = $2', [people[20]!.name, first]);
});

await t.test('goes through all pages without leaving out or repeating, each an exchange', async (t) => {
  const all = shops.filter(({ status }) => status === 'active').map(({ id }) => id);
  const seen: string[] = [];
  let after: string | null = null;
  let pages = 0;
  do {
    const body = { where: { status: 'active' }, fields: ['id', 'legal_representative_id'], limit: 7, after };
    const response = await search(body, taxation, 'enterprises');
    const page = response.json<Page>();
    const shown = page.items.map(({ id }) => id as string);
    t.ok(shown.length === 7 || page.next === null);
    seen.push(...shown);
    const opened = await openedIds(response);
    const named = shops.filter(({ id }) => shown.includes(id)).map((one) => one.legal_representative_id);
    t.same(
      [...new Set(opened)].sort(),
      [...new Set([...shown, ...named.filter((id) => id !== null)])].sort(),
    );
    t.equal(new Set(opened).size, opened.length, 'whoever is named twice is a subject once');
    ({ next: after } = page);
    if (after !== null) {
      t.match(after, /^[\w-]+$/);
      t.notOk(
        Buffer.from(after, 'base64url').toString('latin1').includes(shown.at(-1)!.slice(0, 8)),
        'sealed',
      );
    }
    pages++;
  } while (after !== null);
  t.same(seen, all);
  t.equal(pages, Math.ceil(all.length / 7));
});

await t.test('goes through pages in the order of the field of which the beginning is sought', async (t) => {
  const surname = Array.from(people[5]!.name)[0]!;
  const sameName = people.filter(({ name }) => name.startsWith(surname)).slice(0, 3);
  await test.pool.query('update store.citizens set name = $1 where id = any($2)', [
    `${surname}一`,
    sameName.map(({ id }) => id),
  ]);
  const { rows } = await test.pool.query<{ id: string; name: string }>(
    'select id, name from store.citizens where starts_with(name, $1)',
    [surname],
  );
  const seen: string[] = [];
  let after: string | null = null;
  do {
    const page: Page = (
      await search({ where: { name: { prefix: surname } }, fields: ['id'], limit: 2, after })
    ).json<Page>();
    seen.push(...page.items.map(({ id }) => id as string));
    ({ next: after } = page);
  } while (after !== null);
  t.ok(seen.length > 4);
  t.same(seen, inOrder(rows, 'name'), 'also where several have the same value');
  for (const { id, name } of sameName)
    await test.pool.query('update store.citizens set name = $1 where id = $2', [name, id]);
});

await t.test('shows fifty when no limit is named', async (t) => {
  const { items, next } = (
    await search({ where: { name: { contains: '公司' } } }, taxation, 'enterprises')
  ).json<Page>();
  const all = shops.filter(({ name }) => name.includes('公司'));
  t.equal(items.length, Math.min(50, all.length));
  t.equal(next === null, all.length <= 50);
});

await t.test('takes a cursor from its client and for its search alone, for a day', async (t) => {
  const body = { where: { status: 'active' }, fields: ['id'], limit: 3 };
  const first = (await search(body, taxation, 'enterprises')).json<Page>();
  const after = first.next!;
  const second = (await search({ ...body, after }, taxation, 'enterprises')).json<Page>();
  t.equal(second.items.length, 3);
  const larger = (await search({ ...body, limit: 6, after }, taxation, 'enterprises')).json<Page>();
  t.same(larger.items.slice(0, 3), second.items, 'also with another limit');

  const flipped = Buffer.from(after, 'base64url');
  flipped[20]! ^= 1;
  const refused: [does: string, body: object, options?: AskOptions][] = [
    [
      'of another client',
      { ...body, after },
      { ...taxation, token: await test.token('taxation', ['exchange', 'provide']) },
    ],
    ['of another condition', { ...body, where: { status: 'revoked' }, after }],
    ['of other fields', { ...body, fields: ['id', 'name'], after }],
    ['that was altered', { ...body, after: flipped.toString('base64url') }],
    ['that is made up', { ...body, after: 'AAAA' }],
    ['that is empty', { ...body, after: '' }],
    ['of the audit log', { ...body, after: Buffer.alloc(32).toString('base64url') }],
  ];
  for (const [does, asked, options = taxation] of refused)
    await t.test(`refuses a cursor ${does}`, async (t) => {
      const { problem } = await checkRefusal(t, test, await search(asked, options, 'enterprises'), {
        status: 400,
        code: 'invalid-request',
        subject: false,
        operation: 'search',
      });
      t.equal(problem.errors?.[0]?.pointer, '#/after');
    });
  test.clock.advance(24 * 60 * 60 * 1000 + 1);
  const late = { ...taxation, token: await test.token('taxation') };
  const old = await search({ ...body, after }, late, 'enterprises');
  t.equal(old.statusCode, 400, 'the next day it is none');
});

await t.test('refuses what can not be searched, on the record, and repeats nothing', async (t) => {
  const secret = '欧阳清';
  const where = { name: secret };
  const cases: [does: string, code: string, body: unknown, pointer?: string, detail?: RegExp][] = [
    ['no conditions', 'invalid-request', { where: {} }, '#/where'],
    ['nothing at all', 'invalid-request', {}, '#'],
    [
      'a field that is not searchable',
      'invalid-request',
      { where: { sex: 'female' } },
      '#/where/sex',
      /use name, birth_date/,
    ],
    ['a field that is not there', 'unknown-field', { where: { nme: secret } }, '#/where/nme'],
    [
      'a part of a date',
      'invalid-request',
      { where: { birth_date: { prefix: '1988' } } },
      '#/where/birth_date/prefix',
      /use equals/,
    ],
    [
      'a single character anywhere',
      'invalid-request',
      { where: { name: { contains: '欧' } } },
      '#/where/name',
    ],
    [
      'two ways at once',
      'invalid-request',
      { where: { name: { prefix: '欧', contains: '欧阳' } } },
      '#/where/name',
    ],
    [
      'an operator that there is not',
      'invalid-request',
      { where: { name: { like: secret } } },
      '#/where/name',
    ],
    ['a number for a name', 'invalid-request', { where: { name: 7 } }, '#/where/name'],
    [
      'a day that no year has',
      'invalid-request',
      { where: { birth_date: '1988-02-30' } },
      '#/where/birth_date',
    ],
    ['control characters', 'invalid-request', { where: { name: `${secret}\u0000` } }, '#/where/name'],
    ['half a character', 'invalid-request', { where: { name: '\ud800x' } }, '#/where/name'],
    ['a limit of nothing', 'invalid-request', { where, limit: 0 }, '#/limit'],
    ['a limit beyond the greatest', 'invalid-request', { where, limit: 201 }, '#/limit', /200/],
    ['a field asked for that is not granted', 'field-not-granted', { where, fields: ['ethnicity'] }],
    ['a condition on a field that is not granted', 'field-not-granted', { where: { region_code: '999901' } }],
  ];
  for (const [does, code, body, pointer, detail] of cases)
    await t.test(does, async (t) => {
      const response = await search(body, { headers: { 'accept-language': 'en' } });
      const { problem, entry } = await checkRefusal(t, test, response, {
        status: code === 'field-not-granted' ? 403 : 400,
        code,
        subject: false,
        operation: 'search',
      });
      if (pointer !== undefined) t.equal(problem.errors?.[0]?.pointer, pointer);
      if (detail !== undefined) t.match(problem.errors?.[0]?.detail, detail);
      t.notMatch(response.body, /欧/);
      t.notMatch(JSON.stringify(entry), /欧/);
    });
  const wrong = await search(
    { where: { status: 'asleep' } },
    { ...taxation, token: await test.token('taxation') },
    'enterprises',
  );
  t.match(wrong.json(), { code: 'invalid-request', errors: [{ pointer: '#/where/status' }] });
});

await t.test('refuses whom it does not serve as a read does', async (t) => {
  const body = { where: { name: wife!.name } };
  const cases: [code: string, status: number, options: AskOptions][] = [
    ['scope-missing', 403, { token: await test.token('audit-office', ['audit']) }],
    ['purpose-required', 400, { purpose: null }],
    ['purpose-not-granted', 403, { purpose: 'tax-assessment' }],
    ['no-grant', 403, { token: await test.token('public-security') }],
  ];
  for (const [code, status, options] of cases)
    await checkRefusal(t, test, await search(body, options), {
      status,
      code,
      subject: false,
      operation: 'search',
    });
  await checkBeside(t, test, () => search(body, { token: null }), { status: 401, code: 'token-missing' });
});

await t.test('charges the quota for whom it shows, and one for an empty page', async (t) => {
  await test.grant({
    consumer: 'human-resources',
    dataset: 'citizens',
    fields: ['name'],
    purposes: ['social-insurance'],
    dailyQuota: 4,
  });
  const options = { token: await test.token('human-resources'), purpose: 'social-insurance' };
  const surname = people
    .map(({ name }) => Array.from(name)[0]!)
    .find((one, _, all) => all.filter((x) => x === one).length > 3)!;
  const hits = await search({ where: { name: { prefix: surname } }, limit: 3 }, options);
  t.equal(hits.json<Page>().items.length, 3);
  for (const where of [{ name: '没有此人' }, { name: { prefix: surname } }]) {
    const many = await search({ where, limit: 2 }, options);
    await checkRefusal(t, test, many, {
      status: 429,
      code: 'quota-exceeded',
      subject: false,
      operation: 'search',
    });
  }
  const empty = await search({ where: { name: '没有此人' }, limit: 1 }, options);
  t.equal(empty.statusCode, 200, 'a refusal tells nothing of how many there are, and takes nothing');
  const refused = await search({ where: { name: husband!.name }, limit: 1 }, options);
  await checkRefusal(t, test, refused, {
    status: 429,
    code: 'quota-exceeded',
    subject: false,
    operation: 'search',
  });
});

await t.test('charges the grant by which it seeks, though another gives what it shows', async (t) => {
  const terms = {
    consumer: 'public-security',
    dataset: 'citizens',
    purposes: ['social-insurance'],
  };
  const limited = await test.grant({
    ...terms,
    fields: ['name'],
    dailyQuota: 1,
  });
  await test.grant({ ...terms, fields: ['sex', 'birth_date'] });
  await test.gateway.exchanges.authority.refresh();
  const options = { token: await test.token('public-security'), purpose: 'social-insurance' };
  const seek = (): Promise<LightMyRequestResponse> =>
    search({ where: { name: { prefix: '欧' } }, fields: ['sex'], limit: 1 }, options);
  const first = await seek();
  t.equal(first.statusCode, 200);
  const { grants } = await test.entryOf(first);
  t.equal((grants as string[]).length, 2);
  t.ok((grants as string[]).includes(limited));
  t.equal((await seek()).statusCode, 429);
});

await t.test(
  'names every field that is not granted, and those before what can not be searched',
  async (t) => {
    const cases: [body: object, code: string, fields: string[]][] = [
      [
        { where: { region_code: '999901' }, fields: ['ethnicity'] },
        'field-not-granted',
        ['region_code', 'ethnicity'],
      ],
      [{ where: { sex: 'female' }, fields: ['ethnicity'] }, 'field-not-granted', ['ethnicity']],
      [{ where: { region_code: '999901' }, fields: ['salary'] }, 'unknown-field', []],
    ];
    for (const [body, code, fields] of cases) {
      const problem = (await search(body)).json<{ code: string; explain?: { missing_fields: string[] } }>();
      t.equal(problem.code, code);
      if (fields.length > 0) t.same(problem.explain?.missing_fields, fields);
    }
  },
);

await t.test('goes on with the same search in whatever order its conditions are sent', async (t) => {
  await test.grant({
    consumer: 'civil-affairs',
    dataset: 'citizens',
    fields: ['region_code'],
    purposes: ['marriage-registration'],
  });
  const one = { region_code: { prefix: '99' }, name: { prefix: '周' } };
  const other = { name: one.name, region_code: one.region_code };
  const first = (await search({ where: one, fields: ['id'], limit: 2 })).json<Page>();
  const rest = await Promise.all(
    [one, other].map(async (where) =>
      (await search({ where, fields: ['id'], after: first.next })).json<Page>().items.map(({ id }) => id),
    ),
  );
  t.ok(rest[0]!.length > 0);
  t.same(rest[1], rest[0]);
});

await t.test('enters a search that finds nobody as absent', async (t) => {
  const response = await search({ where: { name: '没有此人' }, fields: ['name'] });
  t.strictSame(response.json(), { items: [], next: null });
  const entry = await test.entryOf(response);
  t.match(entry, { outcome: 'absent', records: 0, body: /^[\w-]{43}$/ });
  t.notOk(Object.hasOwn(entry, 'subjects'));
});

await t.test('goes on behind a name as long as names may be', async (t) => {
  const [first, second] = shops as [(typeof shops)[0], (typeof shops)[0]];
  const fresh = { ...taxation, token: await test.token('taxation') };
  const long = '𠀀'.repeat(128);
  const rename = (id: string, name: string): Promise<unknown> =>
    test.pool.query('update store.enterprises set name = $2 where id = $1', [id, name]);
  await rename(first.id, long);
  await rename(second.id, long);
  const body = { where: { name: { prefix: '𠀀' } }, fields: ['id'], limit: 1 };
  const page = (await search(body, fresh, 'enterprises')).json<Page>();
  const answer = await search({ ...body, after: page.next }, fresh, 'enterprises');
  t.equal(answer.statusCode, 200);
  const found = [...page.items, ...answer.json<Page>().items].map(({ id }) => id);
  t.strictSame(found, [first.id, second.id]);
  t.equal(answer.json<Page>().next, null);
  await rename(first.id, first.name);
  await rename(second.id, second.name);
});

await t.test('has every search in a log that is whole', async (t) => {
  const entries = await checkAuditLog(t, test);
  t.ok(entries.filter(({ operation }) => operation === 'search').length > 50);
});
