/** A record of the dataset `citizens`; null where the register knows nothing. */
export interface Citizen {
  id: string;
  name: string;
  sex: 'male' | 'female';
  birth_date: string;
  ethnicity: string | null;
  province: string | null;
  city: string | null;
  district: string | null;
  address_detail: string | null;
  region_code: string;
  mobile_phone: string | null;
  marital_status: 'single' | 'married' | 'widowed' | 'divorced' | null;
  deceased_on: string | null;
  occupation: string | null;
}

/** A record of the dataset `enterprises`; null where the register knows nothing. */
export interface Enterprise {
  id: string;
  name: string;
  type:
    'limited_company' | 'joint_stock_company' | 'sole_proprietorship' | 'partnership' | 'individual_business';
  legal_representative: string | null;
  legal_representative_id: string | null;
  /** Whole yuan. */
  registered_capital: number | null;
  established_on: string;
  status: 'active' | 'suspended' | 'revoked' | 'deregistered';
  industry_code: string | null;
  address: string | null;
  business_scope: string | null;
}

/** A made-up subject of the sandbox. */
export interface Persona {
  dataset: string;
  id: string;
  /** One sentence: who it is, and what to expect when reading it. */
  story: string;
}

const district = { province: '云栖省', city: '观云市', district: '示例区' };
const home = { ...district, address_detail: '问渠路1号2幢301室' };

/** The personas whom the population register has, in the order in which it begins with them. */
export const personaCitizens: Citizen[] = [
  {
    id: '999901198804120024',
    name: '欧阳清荷',
    sex: 'female',
    birth_date: '1988-04-12',
    ethnicity: '汉族',
    ...home,
    region_code: '999901',
    mobile_phone: '12000000001',
    marital_status: 'married',
    deceased_on: null,
    occupation: '教师',
  },
  {
    id: '999901198609030015',
    name: '司徒明远',
    sex: 'male',
    birth_date: '1986-09-03',
    ethnicity: '汉族',
    ...home,
    region_code: '999901',
    mobile_phone: '12000000002',
    marital_status: 'married',
    deceased_on: null,
    occupation: '店主',
  },
  {
    id: '999901194102170037',
    name: '皇甫承业',
    sex: 'male',
    birth_date: '1941-02-17',
    ethnicity: '汉族',
    ...district,
    address_detail: '折柳巷7号',
    region_code: '999901',
    mobile_phone: null,
    marital_status: 'widowed',
    deceased_on: '2024-02-29',
    occupation: '木工',
  },
  {
    id: '999901202610090014',
    name: '司徒念安',
    sex: 'male',
    birth_date: '2026-10-09',
    ethnicity: '汉族',
    ...home,
    region_code: '999901',
    mobile_phone: null,
    marital_status: null,
    deceased_on: null,
    occupation: null,
  },
  {
    id: '999901192301050047',
    name: '慕容𬸚英',
    sex: 'female',
    birth_date: '1923-01-05',
    ethnicity: '满族',
    ...district,
    address_detail: '琴台路12号',
    region_code: '999901',
    mobile_phone: null,
    marital_status: 'widowed',
    deceased_on: null,
    occupation: null,
  },
  {
    id: '999901197906210050',
    name: '上官云帆',
    sex: 'male',
    birth_date: '1979-06-21',
    ethnicity: '汉族',
    ...district,
    address_detail: '星桥大道88号5幢1602室',
    region_code: '999901',
    mobile_phone: '12000000006',
    marital_status: 'divorced',
    deceased_on: null,
    occupation: '工程师',
  },
];

/** The personas whom the enterprise register has, in the order in which it begins with them. */
export const personaEnterprises: Enterprise[] = [
  {
    id: '91999901MA00000155',
    name: '观云上官示例科技有限公司',
    type: 'limited_company',
    legal_representative: '上官云帆',
    legal_representative_id: '999901197906210050',
    registered_capital: 5_000_000,
    established_on: '2015-06-01',
    status: 'active',
    industry_code: 'I6513',
    address: '云栖省观云市示例区星桥大道66号',
    business_scope: '应用软件开发；信息技术咨询服务。',
  },
  {
    id: '91999901MA00000230',
    name: '观云司徒示例贸易商行',
    type: 'sole_proprietorship',
    legal_representative: '司徒明远',
    legal_representative_id: '999901198609030015',
    registered_capital: 100_000,
    established_on: '2009-03-16',
    status: 'revoked',
    industry_code: 'F5211',
    address: '云栖省观云市示例区归帆街3号',
    business_scope: '百货零售；日用品销售。',
  },
];

/** Every persona, and one id in each dataset that is well formed but that no register has. */
export const personas: Persona[] = [
  {
    dataset: 'citizens',
    id: '999901198804120024',
    story:
      'A married woman of whom the register knows everything: every granted field but deceased_on has a value.',
  },
  {
    dataset: 'citizens',
    id: '999901198609030015',
    story: 'Her husband: expect the same address, and the legal representative of the revoked enterprise.',
  },
  {
    dataset: 'citizens',
    id: '999901194102170037',
    story: 'A man who died on 2024-02-29: expect his record with deceased_on set and no phone number.',
  },
  {
    dataset: 'citizens',
    id: '999901202610090014',
    story: 'Their newborn son: expect his parents’ address, and null as phone number and marital_status.',
  },
  {
    dataset: 'citizens',
    id: '999901192301050047',
    story:
      'A widow of 103 years: expect a name of four characters, one of them outside the Basic Multilingual Plane, and no phone.',
  },
  {
    dataset: 'citizens',
    id: '999901197906210050',
    story:
      'A divorced man: expect his name and id again as the legal representative of the active enterprise.',
  },
  {
    dataset: 'citizens',
    id: '999901199001010096',
    story: 'Nobody: the id is well formed and its check character right, so expect that no record is found.',
  },
  {
    dataset: 'enterprises',
    id: '91999901MA00000155',
    story: 'An active company of which the register knows everything: every granted field has a value.',
  },
  {
    dataset: 'enterprises',
    id: '91999901MA00000230',
    story: 'A shop whose licence was taken away: expect its whole record with the status revoked.',
  },
  {
    dataset: 'enterprises',
    id: '91999901MA0000090X',
    story:
      'No enterprise: the code is well formed and its check characters right, so expect that no record is found.',
  },
];
