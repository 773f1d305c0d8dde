import type pg from 'pg';
import t from 'tap';
import { loadCatalogue } from '../../src/catalogue/catalogue.ts';
import { findLeadingField, searchStatement, type Condition } from '../../src/records/search.ts';
import { connect } from '../helpers/log.ts';
import { createDatabase } from '../helpers/database.ts';

/** The plans of searches on a register of a city's size, with names as people and enterprises have them. */
const rows = 200_000;
const test = await createDatabase(t);
await fill(await connect(t, test.adminUrl, 120_000));
const session = await connect(t, test.gatewayUrl);
const { datasets } = loadCatalogue();

async function fill(owner: pg.Client): Promise<void> {
  const pick = (characters: string, by: string): string =>
    `substr('${characters}', 1 + mod(${by}, ${characters.length}), 1)`;
  const surnames = '王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕';
  const given = '伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀兰霞平刚桂英华玉梅红建国文斌志飞鹏海云龙山林春生';
  await owner.query(`
    insert into store.citizens (id, name, sex, birth_date, region_code)
      select 'citizen-' || lpad(n::text, 7, '0'),
        ${pick(surnames, 'n')} || ${pick(given, '(n / 41)')} || ${pick(given, '(n / 1763)')}, 'female',
        date '1930-01-01' + mod(n * 7, 34000), (990000 + mod(n, 900))::text
      from generate_series(1, ${rows}) n`);
  await owner.query(`
    insert into store.enterprises (id, name, type, established_on, status, industry_code)
      select 'enterprise-' || lpad(n::text, 7, '0'),
        '望川' || ${pick(given, 'n')} || ${pick(given, '(n / 44)')} ||
          (array['科技', '贸易', '物流', '餐饮', '建筑'])[1 + mod(n, 5)] || '有限公司', 'limited_company',
        date '1980-01-01' + mod(n * 11, 16000), (array['active', 'active', 'revoked'])[1 + mod(n, 3)],
        chr(65 + mod(n, 20)) || lpad(mod(n / 20 * 37, 9000)::text, 4, '0')
      from generate_series(1, ${rows}) n`);
  await owner.query('vacuum analyze');
}

interface Plan {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows': number;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
}

/** The nodes of a plan with what they read, and how many rows were looked at. */
function walk(plan: Plan): { nodes: string[]; looked: number } {
  const on = plan['Index Name'] ?? plan['Relation Name'];
  const parts = (plan.Plans ?? []).map(walk);
  const own = plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0);
  return {
    nodes: [
      on === undefined ? plan['Node Type'] : `${plan['Node Type']} ${on}`,
      ...parts.flatMap(({ nodes }) => nodes),
    ],
    looked: Math.max(own, ...parts.map(({ looked }) => looked)),
  };
}

const cases: [dataset: string, does: string, where: Condition[], index: RegExp][] = [
  ['citizens', 'a whole name', [{ field: 'name', operator: 'equals', value: '王芳芳' }], /citizens_name$/],
  [
    'citizens',
    'the beginning of a name',
    [{ field: 'name', operator: 'prefix', value: '王伟' }],
    /citizens_name$/,
  ],
  [
    'citizens',
    'two characters within names',
    [{ field: 'name', operator: 'contains', value: '伟芳' }],
    /citizens_name_parts$/,
  ],
  [
    'citizens',
    'characters that no name has',
    [{ field: 'name', operator: 'contains', value: '饕餮' }],
    /citizens_name_parts$/,
  ],
  [
    'citizens',
    'a day of birth',
    [{ field: 'birth_date', operator: 'equals', value: '1988-04-12' }],
    /citizens_birth_date$/,
  ],
  [
    'citizens',
    'a region',
    [{ field: 'region_code', operator: 'equals', value: '990101' }],
    /citizens_region_code$/,
  ],
  [
    'citizens',
    'a name and a day of birth',
    [
      { field: 'name', operator: 'contains', value: '伟芳' },
      { field: 'birth_date', operator: 'equals', value: '1988-04-12' },
    ],
    /citizens_(name_parts|birth_date)$/,
  ],
  [
    'enterprises',
    'four characters within names',
    [{ field: 'name', operator: 'contains', value: '伟芳科技' }],
    /enterprises_name_parts$/,
  ],
  [
    'enterprises',
    'two characters of very many names',
    [{ field: 'name', operator: 'contains', value: '科技' }],
    /enterprises_(name_parts|pkey)$/,
  ],
  [
    'enterprises',
    'a status that most have',
    [{ field: 'status', operator: 'equals', value: 'active' }],
    /enterprises_(status|pkey)$/,
  ],
  [
    'enterprises',
    'a day of establishment',
    [{ field: 'established_on', operator: 'equals', value: '1999-05-04' }],
    /enterprises_established_on$/,
  ],
  [
    'enterprises',
    'an industry',
    [{ field: 'industry_code', operator: 'prefix', value: 'F00' }],
    /enterprises_industry_code$/,
  ],
  [
    'enterprises',
    'the beginning of a code',
    [{ field: 'id', operator: 'prefix', value: 'enterprise-00012' }],
    /enterprises_pkey$/,
  ],
];

for (const [name, does, where, index] of cases)
  await t.test(`searches ${name} by an index: ${does}`, async (t) => {
    const dataset = datasets.find((one) => one.name === name)!;
    const id = `${name === 'citizens' ? 'citizen' : 'enterprise'}-0001000`;
    const lead = findLeadingField(dataset, where) === null ? null : `${String(where[0]!.value)}0`;
    for (const after of [null, { lead, id }]) {
      const { text, values } = searchStatement(dataset, where, after, 51);
      const explained = await session.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
        `explain (analyze, format json) ${text}`,
        values,
      );
      const { nodes, looked } = walk(explained.rows[0]!['QUERY PLAN'][0].Plan);
      t.ok(
        nodes.some((node) => index.test(node)),
        nodes.join(', '),
      );
      t.notOk(
        nodes.some((node) => node.includes('Seq Scan')),
        'no table is read whole',
      );
      t.ok(looked < rows / 20, `${looked} rows were looked at`);
    }
  });
