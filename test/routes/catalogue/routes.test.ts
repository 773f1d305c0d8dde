import t from 'tap';
import { checkProblem } from '../../helpers/checks.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { auditor, consumer, portal, provider, startGoverning } from '../../helpers/governing.ts';

const test = await startGoverning(t);
const { judge } = test;

interface DatasetBody {
  dataset: string;
  versions: { version: number; path: string; schema: string; deprecated: string | null }[];
  fields?: Record<string, unknown>[];
}

await t.test('lists the datasets to every client, with the versions that there are', async (t) => {
  for (const who of [consumer, provider, auditor, portal]) {
    const answer = await test.get(who, '/v1/catalogue');
    judge.checkAnswer(t, 'listDatasets', answer);
    const { items, next } = answer.json<{ items: DatasetBody[]; next: string | null }>();
    t.equal(next, null);
    t.match(items, [
      {
        dataset: 'citizens',
        title: { zh: '公民', en: 'Citizens' },
        provider: 'public-security',
        sharing: 'conditional',
        personal: true,
        key: 'id',
        versions: [
          { version: 2, path: '/v2/citizens', deprecated: null, sunset: null },
          { version: 1, path: '/v1/citizens', deprecated: /^\d{4}-/ },
        ],
      },
      { dataset: 'enterprises', provider: 'market-regulation', personal: false, versions: [{ version: 1 }] },
    ]);
    t.equal(items.length, 2);
  }
});

await t.test('gives the list page by page', async (t) => {
  const first = await test.get(consumer, '/v1/catalogue?limit=1');
  const { items, next } = first.json<{ items: DatasetBody[]; next: string }>();
  t.strictSame(
    items.map(({ dataset }) => dataset),
    ['citizens'],
  );
  const second = await test.get(consumer, `/v1/catalogue?limit=1&after=${next}`);
  t.match(second.json(), { items: [{ dataset: 'enterprises' }], next: null });
  const others = await test.get(provider, `/v1/catalogue?limit=1&after=${next}`);
  const { errors } = checkProblem(t, others, { status: 400, code: 'invalid-request' });
  t.match(errors, [{ pointer: '#/after' }], "another client's cursor");
});

await t.test('shows a dataset with its fields, and what grants call them', async (t) => {
  const answer = await test.get(consumer, '/v1/catalogue/citizens');
  judge.checkAnswer(t, 'getDataset', answer);
  const { fields } = answer.json<Required<DatasetBody>>();
  t.match(
    fields.find(({ name }) => name === 'mobile_phone'),
    { type: 'string', level: 'L3', masked: true, granted_as: 'phone' },
  );
  t.match(
    fields.find(({ name }) => name === 'birth_date'),
    { title: { zh: '出生日期', en: 'Date of birth' }, format: 'date', masked: false },
  );
});

await t.test('gives the schema of each version, by the address that the list tells', async (t) => {
  const { versions } = (await test.get(consumer, '/v1/catalogue/citizens')).json<DatasetBody>();
  for (const { version, schema } of versions) {
    const answer = await test.get(consumer, schema);
    judge.checkAnswer(t, 'getDatasetSchema', answer);
    const dataset = test.gateway.catalogue.datasets.find(
      (one) => one.name === 'citizens' && one.version === version,
    );
    t.strictSame(answer.json(), dataset!.schema);
  }
  const newest = await test.get(consumer, '/v1/catalogue/citizens/schema');
  t.same(newest.json(), test.gateway.catalogue.findNewest('citizens')!.schema);
});

await t.test('refuses what there is not, and questions that it does not understand', async (t) => {
  for (const path of ['/v1/catalogue/vehicles', '/v1/catalogue/enterprises/schema?version=2'])
    checkProblem(t, await test.get(consumer, path), { status: 404, code: 'not-found' });
  for (const query of ['limit=0', 'limit=501', 'limit=x', 'limit=1&limit=2', 'after=x', 'page=2'])
    checkProblem(t, await test.get(consumer, `/v1/catalogue?${query}`), {
      status: 400,
      code: 'invalid-request',
    });
  for (const version of ['0', 'v1', '1.5', ''])
    checkProblem(t, await test.get(consumer, `/v1/catalogue/citizens/schema?version=${version}`), {
      status: 400,
      code: 'invalid-request',
    });
});

await t.test('asks for a token', async (t) => {
  for (const url of ['/v1/catalogue', '/v1/catalogue/citizens', '/v1/catalogue/citizens/schema', '/v1/me'])
    checkProblem(t, await test.app.inject({ url }), { status: 401, code: 'token-missing' });
  const entries = await checkAuditLog(t, test);
  t.notOk(
    entries.some(({ kind }) => kind === 'query' || kind === 'exchange'),
    'looks leave no entry',
  );
});
