import { residentIdCheck, usccCheck } from '../catalogue/formats.ts';
import { chance, int, pick, weighted, type Random } from './random.ts';

/** The day on which the registers stand still: nobody is born, dies or founds anything after it. */
export const referenceDate = '2026-11-01';

/** The reference date as a day number, as `dayOf` counts. */
export const referenceDay = dayOf(referenceDate);

/** How many cities the province has, and how many counties a city can have. */
export const cityCount = 22;
export const countyCount = 99;

/** The surnames by their weight. */
const surnames = Object.entries({
  70: '王李张',
  50: '刘陈',
  40: '杨',
  20: '黄赵吴周',
  15: '徐孙马朱胡郭何林',
  10: '高罗郑梁谢宋唐',
  6: '许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜',
  4: '叶程苏魏吕丁任沈姚卢姜崔钟谭陆',
  3: '汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙',
  2: '史陶黎贺顾郝龚邵万钱严覃武戴',
}).flatMap(([weight, each]) => characters(each.repeat(Number(weight))));

/** Ethnic groups by GB/T 3304, as often as a thousand people of the province belong to them. */
const ethnicities = weighted({
  汉族: 934,
  壮族: 12,
  回族: 8,
  满族: 8,
  苗族: 8,
  土家族: 7,
  彝族: 7,
  维吾尔族: 6,
  蒙古族: 5,
  藏族: 5,
});

/** Those born before a year; `short` of a hundred have a given name of one character. */
const generations = [
  {
    until: 1965,
    short: 15,
    male: characters('国建华德福贵明忠义山海林生祥云根土金水长清振兴成文学志光荣先春树全'),
    female: characters('秀英兰桂珍玉芳素淑凤琴梅莲香翠菊云霞娥珠花月荣仙芝彩惠春巧银'),
  },
  {
    until: 1985,
    short: 45,
    male: characters('伟勇军杰涛斌辉刚健亮超波平峰磊俊飞毅凯鑫宏东海新庆永利民松志'),
    female: characters('丽敏静艳娟霞燕玲芳红娜萍莉红梅琳晓慧洁蓉颖倩春雪晶琼莎岚秋'),
  },
  {
    until: 2005,
    short: 35,
    male: characters('浩宇杰鑫博文俊豪昊天晨阳旭睿航志远嘉伟龙翔彬帆凡恒子轩哲瑞森'),
    female: characters('婷欣怡雨佳雪梦琪思颖嘉慧雯倩璐瑶蕾丹妮晓晴悦诗琳心子涵静薇'),
  },
  {
    until: Infinity,
    short: 8,
    male: characters('梓沐宸一诺浩宇奕辰子墨轩睿俊熙铭景言知行亦霖煜祺瑾承皓屿书翊'),
    female: characters('梓涵一诺欣怡语桐沐可馨若汐苒诗妍雨昕艺琪悦芮安然念初晚星禾知'),
  },
];

const cities =
  '望川 听澜 归雁 鹿鸣 松影 月湾 鹤渚 青岚 霁州 砚池 星渡 枕流 白榆 石磬 竹霭 晴沙 锦汀 南栎 北槐 远帆 雪杉 枫隐'.split(
    ' ',
  );
const countyFirst = characters('临栖霁澄砚雁梧棠鹭苇檀');
const countySecond = characters('溪汀屿麓浔洲埠涧渚');
const roadFirst =
  '青石 听雨 采薇 揽月 问渠 流萤 折柳 归帆 晓霜 云阶 竹影 琴台 墨香 星桥 雁回 半夏 南枝 拾穗'.split(' ');
const roadSecond = ['路', '街', '巷', '大道'];

const brandFirst = characters('云溪澜岚霁朗恒禾润衡瑾澄硕栖启锐汇泓拓睿弘卓翰沐晟岳凌景昱泽');
const brandSecond = characters('川源达信诺远舟桥帆野原图策象维光羽石木林星创联和盛韵辰途驰合');

/** A line of business: its word in a name, its GB/T 4754 code and its registered scope. */
export interface Industry {
  word: string;
  code: string;
  scope: string;
}

const industries: Industry[] = [
  { word: '粮油', code: 'A0111', scope: '稻谷种植；粮食收购；农产品销售。' },
  { word: '蔬菜', code: 'A0141', scope: '蔬菜种植；食用农产品初加工；农产品销售。' },
  { word: '茶叶', code: 'A0164', scope: '茶叶种植；茶叶加工；茶具销售。' },
  { word: '食品', code: 'C1411', scope: '糕点、面包制造；食品销售。' },
  { word: '服饰', code: 'C1830', scope: '服饰制造；服装、鞋帽销售。' },
  { word: '家具', code: 'C2110', scope: '木质家具制造；家具安装和维修服务。' },
  { word: '通信设备', code: 'C3921', scope: '通信系统设备制造；通信设备销售。' },
  { word: '新能源', code: 'D4416', scope: '太阳能发电技术服务；光伏设备销售。' },
  { word: '建筑工程', code: 'E4710', scope: '住宅房屋建筑；建设工程施工。' },
  { word: '装饰', code: 'E5011', scope: '公共建筑装饰和装修；建筑材料销售。' },
  { word: '百货', code: 'F5211', scope: '百货零售；日用品销售；文具用品零售。' },
  { word: '超市', code: 'F5212', scope: '超级市场零售；食品销售；烟草制品零售。' },
  { word: '医药', code: 'F5251', scope: '药品零售；医疗器械销售。' },
  { word: '电子商务', code: 'F5292', scope: '互联网销售；日用百货销售；包装服务。' },
  { word: '物流', code: 'G5431', scope: '普通货物道路运输；仓储服务；装卸搬运。' },
  { word: '酒店', code: 'H6110', scope: '住宿服务；餐饮服务；会议及展览服务。' },
  { word: '餐饮', code: 'H6210', scope: '正餐服务；餐饮管理。' },
  { word: '科技', code: 'I6513', scope: '应用软件开发；信息技术咨询服务。' },
  { word: '信息技术', code: 'I6531', scope: '信息系统集成服务；计算机系统服务。' },
  { word: '置业', code: 'K7010', scope: '房地产开发经营；住房租赁。' },
  { word: '物业服务', code: 'K7020', scope: '物业管理；停车场服务；家政服务。' },
  { word: '财税咨询', code: 'L7241', scope: '代理记账；财务咨询；税务服务。' },
  { word: '广告', code: 'L7251', scope: '互联网广告服务；广告设计、代理。' },
  { word: '工程技术', code: 'M7320', scope: '工程和技术研究和试验发展；技术推广服务。' },
  { word: '环保', code: 'N7721', scope: '水污染治理；环境保护专用设备销售。' },
  { word: '家政', code: 'O8010', scope: '家庭服务；专业保洁、清洗、消毒服务。' },
  { word: '美容美发', code: 'O8040', scope: '理发服务；生活美容服务。' },
  { word: '汽车维修', code: 'O8111', scope: '汽车修理与维护；汽车零配件零售。' },
  { word: '职业培训', code: 'P8391', scope: '职业技能培训；教育咨询服务。' },
  { word: '文化艺术', code: 'R8810', scope: '文艺创作与表演；组织文化艺术交流活动。' },
];

/** A surname of one character, as common as it is. */
export function surname(random: Random): string {
  return pick(random, surnames);
}

/** An ethnic group's name; 汉族 the vast majority. */
export function ethnicity(random: Random): string {
  return pick(random, ethnicities);
}

/** A given name of one or two characters, as people of the birth year bear it. */
export function givenName(random: Random, sex: 'male' | 'female', birthYear: number): string {
  const generation = generations.find((each) => birthYear < each.until)!;
  const names = generation[sex];
  const first = pick(random, names);
  return int(random, 1, 100) <= generation.short ? first : first + pick(random, names);
}

/** A region of the province by its index, which is below cityCount * countyCount. */
export interface Region {
  code: string;
  /** The city's name without 市. */
  city: string;
  /** Province, city and county: always nine characters together. */
  place: Address;
}

/** Where a region is, as an address begins. */
export interface Address {
  province: string;
  city: string;
  district: string;
}

/** Finds the code and the names of a region; regions are dealt to the cities in turn. */
export function regionOf(index: number): Region {
  const cityIndex = index % cityCount;
  const countyIndex = Math.floor(index / cityCount);
  const city = cities[cityIndex]!;
  // 10 has no factor in common with 99, so that the counties of a city have different names.
  const name = (cityIndex * 7 + countyIndex * 10) % countyCount;
  const county = `${countyFirst[name % 11]}${countySecond[Math.floor(name / 11)]}`;
  return {
    code: `99${twoDigits(cityIndex + 1)}${twoDigits(countyIndex + 1)}`,
    city,
    place: {
      province: '云栖省',
      city: `${city}市`,
      district: `${county}${countyIndex < 2 ? '区' : '县'}`,
    },
  };
}

/** A road and a house number. */
export function street(random: Random): string {
  return `${pick(random, roadFirst)}${pick(random, roadSecond)}${int(random, 1, 300)}号`;
}

/** A street with the building and the flat. */
export function home(random: Random): string {
  const flat = int(random, 1, 18) * 100 + int(random, 1, 4);
  return `${street(random)}${int(random, 1, 20)}幢${flat}室`;
}

/** A line of business. */
export function industry(random: Random): Industry {
  return pick(random, industries);
}

/** A mobile number that nobody has, as no network begins with 12; null for whom has none at that age. */
export function phone(random: Random, age: number): string | null {
  if (!chance(random, age < 10 ? 0 : age < 18 ? 0.5 : age < 75 ? 0.96 : 0.55)) return null;
  return `12${int(random, 0, 999_999_999).toString().padStart(9, '0')}`;
}

const occupations = '教师 医生 护士 农民 工人 司机 厨师 会计 职员 店主 工程师 裁缝 木工 电工 警察 律师'.split(
  ' ',
);

/** What someone of this age works as; null for who does not, or did not say. */
export function occupation(random: Random, age: number): string | null {
  if (!chance(random, age < 18 ? 0 : age < 65 ? 0.85 : 0.2)) return null;
  return pick(random, occupations);
}

const sequences = 500;
const daysOfMonth = 28;

/** How many positions the residents of a region can have. */
export const positionCount = sequences * daysOfMonth * 12;

/**
 * The identity number and the birth date of a resident who has this age in whole years on the reference date.
 * Another position below positionCount gives another number, whatever the sexes and ages: month, day and
 * sequence number are the position written in mixed radix, and the sequence number's parity is the sex.
 */
export function residentIdOf(regionCode: string, position: number, sex: 'male' | 'female', age: number) {
  const sequence = (position % sequences) * 2 + (sex === 'male' ? 1 : 0);
  const day = twoDigits((Math.floor(position / sequences) % daysOfMonth) + 1);
  const month = twoDigits(Math.floor(position / sequences / daysOfMonth) + 1);
  const hadBirthday = `-${month}-${day}` <= referenceDate.slice(4);
  const year = Number(referenceDate.slice(0, 4)) - age - (hadBirthday ? 0 : 1);
  const first17 = `${regionCode}${year}${month}${day}${sequence.toString().padStart(3, '0')}`;
  return { id: first17 + residentIdCheck(first17), birthDate: `${year}-${month}-${day}` };
}

const usccAlphabet = '0123456789ABCDEFGHJKLMNPQRTUWXY';

/** How many serial numbers the organisation codes of the province have. */
export const organisationCount = usccAlphabet.length ** 6;

/** The check character of an organisation code's first eight characters (GB 11714). */
export function organisationCodeCheck(first8: string): string {
  const weights = [3, 7, 9, 10, 5, 8, 4, 2];
  const sum = weights.reduce((total, weight, i) => total + weight * Number.parseInt(first8[i]!, 36), 0);
  return '0X987654321'[sum % 11]!;
}

/** The unified social credit code of a serial number below organisationCount (GB 32100). */
export function usccOf(regionCode: string, serial: number): string {
  let digits = '';
  for (let rest = serial; digits.length < 6; rest = Math.floor(rest / usccAlphabet.length)) {
    digits = usccAlphabet[rest % usccAlphabet.length] + digits;
  }
  const first17 = `91${regionCode}MA${digits}${organisationCodeCheck(`MA${digits}`)}`;
  return first17 + usccCheck(first17);
}

/** What the name of an enterprise of a type ends with. */
const legalForms = {
  limited_company: '有限公司',
  joint_stock_company: '股份有限公司',
  sole_proprietorship: '中心',
  partnership: '合伙企业（有限合伙）',
  individual_business: '经营部',
};

/** The types of enterprises, each as common as it is. */
export const enterpriseTypes = weighted({
  limited_company: 60,
  joint_stock_company: 2,
  sole_proprietorship: 5,
  partnership: 5,
  individual_business: 28,
});

/** The statuses of enterprises, each as common as it is. */
export const enterpriseStatuses = weighted({ active: 78, suspended: 4, revoked: 6, deregistered: 12 });

/** The registered name of an enterprise. */
export function enterpriseName(
  random: Random,
  city: string,
  word: string,
  type: keyof typeof legalForms,
): string {
  return city + pick(random, brandFirst) + pick(random, brandSecond) + word + legalForms[type];
}

/** Registered capital in whole yuan, a round sum; null for an individual business, which has none. */
export function capital(random: Random, type: keyof typeof legalForms): number | null {
  if (type === 'individual_business') return null;
  return int(random, 1, 50) * (chance(random, 0.7) ? 100_000 : 1_000_000);
}

/** The days from 1970-01-01 to a date written YYYY-MM-DD. */
export function dayOf(date: string): number {
  return Date.parse(date) / 86_400_000;
}

/** The date, written YYYY-MM-DD, that `dayOf` gives the number. */
export function dateOf(day: number): string {
  return new Date(day * 86_400_000).toISOString().slice(0, 10);
}

function characters(text: string): string[] {
  return text.split('');
}

function twoDigits(value: number): string {
  return value < 10 ? `0${value}` : `${value}`;
}
