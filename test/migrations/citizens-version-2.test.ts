import fc from 'fast-check';
import { sql } from 'kysely';
import t, { type Test } from 'tap';
import { migrate } from '../../src/audit/migrate.ts';
import { openDatabase } from '../../src/db/database.ts';
import type { EmptyDatabase } from '../helpers/database.ts';
import { createBefore } from '../helpers/before.ts';

const name = '20261125T1210Z-citizens-version-2';

type Row = Record<string, string | null>;
type Parts = [province: string | null, city: string | null, district: string | null, detail: string | null];

/** A database as it was before version 2, with a citizen for each address. */
async function createWith(t: Test, addresses: (string | null)[]): Promise<EmptyDatabase> {
  const empty = await createBefore(t, name);
  await empty.pool.query(
    `insert into store.citizens (id, name, sex, birth_date, ethnicity, household_address, region_code, phone)
     select 'citizen-' || lpad(n::text, 6, '0'), '甲' || n, 'female', '2000-01-01', '汉族', address, '999901',
            case when n % 2 = 0 then '120' || lpad(n::text, 8, '0') end
     from unnest($1::text[]) with ordinality as u(address, n)`,
    [addresses],
  );
  return empty;
}

async function rows({ pool }: EmptyDatabase, relation: string): Promise<Row[]> {
  return (await pool.query<Row>(`select * from ${relation} order by id`)).rows;
}

/** Addresses with the parts that they have. */
const known: [address: string | null, parts: Parts][] = [
  ['云栖省观云市示例区问渠路1号2幢301室', ['云栖省', '观云市', '示例区', '问渠路1号2幢301室']],
  ['云栖省观云市示例区', ['云栖省', '观云市', '示例区', null]],
  ['北京市东城区正义路2号', ['北京市', null, '东城区', '正义路2号']],
  ['重庆市酉阳土家族苗族自治县桃花源大道', ['重庆市', null, '酉阳土家族苗族自治县', '桃花源大道']],
  [
    '内蒙古自治区锡林郭勒盟锡林浩特市团结大街1号',
    ['内蒙古自治区', '锡林郭勒盟', '锡林浩特市', '团结大街1号'],
  ],
  [
    '内蒙古自治区呼伦贝尔市鄂温克族自治旗巴彦托海',
    ['内蒙古自治区', '呼伦贝尔市', '鄂温克族自治旗', '巴彦托海'],
  ],
  ['吉林省延边朝鲜族自治州延吉市光明街9号', ['吉林省', '延边朝鲜族自治州', '延吉市', '光明街9号']],
  ['新疆维吾尔自治区阿克苏地区库车市文化路', ['新疆维吾尔自治区', '阿克苏地区', '库车市', '文化路']],
  ['广东省广州市越秀区府前路1号', ['广东省', '广州市', '越秀区', '府前路1号']],
  ['贵州省贵阳市南明区1号', ['贵州省', '贵阳市', '南明区', '1号']],
  ['山东省青岛市市南区香港中路11号', ['山东省', '青岛市', '市南区', '香港中路11号']],
  ['广东省建设路12号超市楼上302室', ['广东省', null, null, '建设路12号超市楼上302室']],
  ['广东省中山三路农贸市场对面5号', ['广东省', null, null, '中山三路农贸市场对面5号']],
  ['浙江省杭州市阳光花园A区3栋201', ['浙江省', '杭州市', null, '阳光花园A区3栋201']],
  ['浙江省杭州市西湖机关大院家属区5栋', ['浙江省', '杭州市', null, '西湖机关大院家属区5栋']],
  ['北京市王府井大院北区7号', ['北京市', null, null, '王府井大院北区7号']],
  ['湖北省荆州市沙市区北京路', ['湖北省', '荆州市', '沙市区', '北京路']],
  ['湖南省常德市津市市凤凰路', ['湖南省', '常德市', '津市市', '凤凰路']],
  ['海南省昌江黎族自治县石碌镇', ['海南省', null, '昌江黎族自治县', '石碌镇']],
  ['广东省东莞市南城街道幸福小区3号', ['广东省', '东莞市', null, '南城街道幸福小区3号']],
  ['云栖省', ['云栖省', null, null, null]],
  ['杭州市西湖区文三路', [null, null, null, '杭州市西湖区文三路']],
  ['幸福小区3号', [null, null, null, '幸福小区3号']],
  ['No. 5, Example Road', [null, null, null, 'No. 5, Example Road']],
  [' 云栖省观云市', [null, null, null, ' 云栖省观云市']],
  ['', [null, null, null, '']],
  [null, [null, null, null, null]],
];

await t.test('splits addresses, and leaves whole what it can not split', async (t) => {
  const empty = await createWith(
    t,
    known.map(([address]) => address),
  );
  t.match(await migrate(empty.adminUrl), [name]);
  const found = await rows(empty, 'v2.citizens');
  for (const [i, [address, parts]] of known.entries()) {
    const { province, city, district, address_detail: detail } = found[i]!;
    t.strictSame([province, city, district, detail], parts, address ?? 'no address');
  }
  t.ok(found.every(({ occupation }) => occupation === null));
});

await t.test('shows every record in version 1 as it was before, whatever its address', async (t) => {
  const letters = fc.constantFrom(
    ...'省市区县旗州盟自治地区北京云栖观南路街号1 \n𬸚a'.split(''),
    '自治州',
    '自治区',
    '北京市',
  );
  const address = fc.oneof(
    fc.array(letters, { minLength: 1, maxLength: 30 }).map((parts) => parts.join('').toWellFormed()),
    fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.replaceAll('\0', '')),
    fc.constant(null),
  );
  const made = fc.sample(address, { numRuns: 3000, seed: 20261125 });
  const empty = await createWith(t, [...known.map(([known]) => known), ...made]);
  const before = await rows(empty, 'v1.citizens');
  await migrate(empty.adminUrl);
  const after = await rows(empty, 'v1.citizens');
  t.equal(after.length, known.length + made.length);
  t.ok(after.filter(({ household_address: text }) => text !== null).length > 2000);
  t.strictSame(Object.keys(after[0]!), Object.keys(before[0]!));
  t.strictSame(
    after.filter((row, i) => JSON.stringify(row) !== JSON.stringify(before[i])),
    [],
  );
  const split = (await rows(empty, 'v2.citizens')).filter(({ district }) => district !== null);
  t.ok(split.length > 20, `${split.length} were split`);
  t.same(
    (await rows(empty, 'v2.citizens')).map(({ id, mobile_phone: phone }) => ({ id, phone })),
    before.map(({ id, phone }) => ({ id, phone })),
  );
});

await t.test('leaves the old text in no column, and both versions to the gateway', async (t) => {
  const empty = await createWith(t, ['云栖省观云市示例区']);
  await migrate(empty.adminUrl);
  const { rows: columns } = await empty.pool.query<{ name: string }>(
    `select column_name as name from information_schema.columns
     where table_schema = 'store' and table_name = 'citizens'`,
  );
  t.same(
    columns.map(({ name }) => name).filter((name) => ['household_address', 'phone'].includes(name)),
    [],
  );
  const { database, close } = openDatabase(empty.gatewayUrl, 'test', { maxConnections: 1 });
  for (const version of ['v1', 'v2'])
    t.equal((await sql`select * from ${sql.table(`${version}.citizens`)}`.execute(database)).rows.length, 1);
  await t.rejects(sql`select * from store.citizens`.execute(database), { code: '42501' });
  await close();
});
